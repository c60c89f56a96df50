"""Models whose provider fails: which, since when, and what to do about it."""

from datetime import datetime
from typing import Any, NamedTuple

from ai_chat.providers.errors import FOR_THE_OPERATOR
from credits.models.catalogue import model_label
from credits.reasons import Reason, words_of
from credits.sql import fetch_all

#: Failures that the health page lists, the latest first.
SHOWN = 30
#: What is up to whoever asked, however often it comes.
BY_CONTENT = [Reason.REFUSED, Reason.CONTEXT_TOO_LONG]
#: Whether a row `f` says that its model fails now: nothing was answered since, and it is the
#: operator's to mend, or came more than once. A retired model does not
#: matter, nor does a provider that its model has left.
FAILS = """(f.recovered_at IS NULL
    AND (f.reason = ANY(%(operator)s) OR f.latest_at > f.since AND f.reason <> ALL(%(content)s))
    AND EXISTS (SELECT FROM credits_aimodel a JOIN credits_provider p ON p.id = a.provider_id
        WHERE a.name = f.model AND p.name = f.provider AND a.active))"""
PARAMETERS = {"operator": sorted(FOR_THE_OPERATOR), "content": BY_CONTENT}
#: What the operator can do, by the reason of a failure.
ADVICE = {
    Reason.PROVIDER_ERROR: "Look at the provider's own status page; the log has the job.",
    Reason.UNREACHABLE: "Check the provider's address, and this machine's way to it.",
    Reason.BUSY: "Ask the provider for a higher limit, or name a second model that takes over.",
    Reason.ACCESS: "Check the key: the environment variable that the provider's row names.",
    Reason.QUOTA: "Pay the bill or raise the limit at the provider.",
    Reason.UNKNOWN_MODEL: "Correct the model's id at the provider, or retire the model.",
    Reason.REDIRECTED: "Enter the address that the provider has now: redirects are not followed.",
    Reason.NOT_ACCEPTED: "See what it takes: sizes, images a call, tokens; correct the row.",
    Reason.TIMEOUT: "See whether the provider is slow, or allow more seconds (.env.example).",
    Reason.CUT_OFF: "Look for a proxy between here and the provider that closes connections.",
    Reason.UNREADABLE: "Check that the address answers in OpenAI's protocol.",
    Reason.UNKNOWN_END: "Look at the provider's own log: it broke the answer off.",
    Reason.REFUSED: "Nothing to mend: the provider refused what was asked.",
    Reason.CONTEXT_TOO_LONG: "Correct the model's context: less is sent then.",
    Reason.EMPTY_ANSWER: "Try the model by hand; with reasoning it may need a larger budget.",
    Reason.LENGTH_USED_UP: "Give the model a larger budget for reasoning.",
    Reason.EMPTY_RESULT: "Set how many images the model makes in one call.",
    Reason.INVALID_IMAGE: "Check that the model makes PNG, JPEG or WebP.",
    Reason.IMAGE_ADDRESS: "Have the provider send images as base64: addresses are not fetched.",
}


class Failure(NamedTuple):
    """One way in which a model's provider failed. `times` is of all time, `since` the first failure
    since the model answered last."""

    model: str
    provider: str
    words: str
    detail: str
    advice: str
    times: int
    since: datetime
    latest_at: datetime
    recovered_at: datetime | None
    fails: bool


def detail_of(status: int | None, code: str) -> str:
    """`401 invalid_api_key`: what the provider answered, as far as it is known."""
    return " ".join(filter(None, [str(status or ""), code]))


LATEST = f"""
SELECT f.model, f.provider, f.reason, f.status, f.code, f.count, f.since, f.latest_at,
    f.recovered_at, {FAILS} AS fails
FROM ai_chat_providerfailure f
ORDER BY fails DESC, f.recovered_at IS NULL DESC, f.latest_at DESC, f.id
LIMIT %(shown)s
"""  # noqa: S608 -- ours


def recent_failures() -> list[Failure]:
    """The latest failures, those of models that fail now first."""
    return [_failure(*row) for row in fetch_all(LATEST, {**PARAMETERS, "shown": SHOWN})]


def _failure(
    model: str, provider: str, reason: str, status: int | None, code: str, *columns: Any
) -> Failure:
    advice = ADVICE.get(Reason(reason), "") if reason in Reason else ""
    detail = detail_of(status, code)
    return Failure(model_label(model), provider, words_of(reason), detail, advice, *columns)
