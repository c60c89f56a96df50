"""What a call was answered with. Its row has no status of its own: how it ended says it."""

from ai_chat.models import ApiCall
from credits.reasons import Reason

State = ApiCall.State
#: The HTTP status and the code of a failure where nothing of the answer was sent yet.
FAILURES: dict[str, tuple[int, str]] = {
    Reason.BUSY: (503, "overloaded"),
    Reason.NOT_STARTED: (503, "overloaded"),
    Reason.TIMEOUT: (504, "provider_timeout"),
    Reason.CONTEXT_TOO_LONG: (400, "context_length_exceeded"),
    Reason.NOT_ACCEPTED: (400, "provider_not_accepted"),
    Reason.REFUSED: (400, "content_policy_violation"),
}
#: Answers all the same: a filter ended what had come, or nothing was said.
ANSWERED = (Reason.REFUSED, Reason.EMPTY_ANSWER)


def answer_to(failure: str) -> tuple[int, str]:
    """The HTTP status and the code for a call that failed before its answer began."""
    return FAILURES.get(failure, (502, "provider_error"))


def broke_off(call: ApiCall) -> bool:
    """Whether it failed after the status line had gone: the stream ended with an error."""
    has_begun = call.streamed and call.first_seconds is not None
    return call.state == State.FAILED and has_begun and call.failure not in ANSWERED


def status_of(call: ApiCall) -> int | None:
    """The HTTP status that was answered; None while the call runs. 499 stands for a client that
    left: nobody received it."""
    match call.state:
        case State.RUNNING:
            return None
        case State.STOPPED:
            return 499
        case State.FAILED:
            is_answer = call.failure in ANSWERED and call.first_seconds is not None
            return 200 if is_answer or broke_off(call) else answer_to(call.failure)[0]
    return 200


def code_of(call: ApiCall) -> str:
    """What the status of a call that has ended says in a word: empty for a whole answer."""
    if call.state != State.FAILED:
        return "" if call.state == State.DONE else "stopped"
    if broke_off(call):
        return "broke_off"
    return str(call.failure) if status_of(call) == 200 else answer_to(call.failure)[1]
