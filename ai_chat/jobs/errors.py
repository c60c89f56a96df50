"""Why a job is not begun; nothing was charged."""

from config.errors import DomainError


class AnswerDeleted(DomainError):
    """The request was sent before, and what it paid for has been deleted since."""

    status = 409
    code = "answer_deleted"


class TurnRunning(DomainError):
    """An answer is still being written in this conversation."""

    status = 409
    code = "turn_running"
    retry_seconds = 2

    def __init__(self) -> None:
        super().__init__(
            "An answer is still being written in this conversation. Wait for its end or stop it; "
            "nothing was charged."
        )
