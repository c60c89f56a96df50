"""From what the SDK raises, and from the errors that providers send, to the reasons of a refund."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from ai_chat.providers.errors import FOR_THE_OPERATOR, MAX_RETRY_SECONDS, ProviderError
from credits.reasons import Reason

#: What providers call an answer or a request that a filter stopped, in finish reasons and codes.
FILTERS = re.compile(
    r"filter|safety|policy|^refus|refusal|recitation|prohibit|blocklist|moderation|guardrail"
    r"|sensitive|spii|data_?inspection",
    re.IGNORECASE,
)
#: Which names of an error (code, type) mean what, in this order.
NAMES = [
    (FILTERS.pattern, Reason.REFUSED),
    (
        r"context_?(length|size|window)|request_too_large|too_many_tokens|above_max_length",
        Reason.CONTEXT_TOO_LONG,
    ),
    (
        r"insufficient_\w*(quota|balance|credit|fund)|billing|payment|arrearage|overdue|spending",
        Reason.QUOTA,
    ),
    (
        r"(model|deployment)_?not_?(found|exist)|(invalid|unknown)_?model|no_such_model",
        Reason.UNKNOWN_MODEL,
    ),
    (r"api_?key|authenticat|unauthori|permission|forbidden|access_?denied", Reason.ACCESS),
    (r"rate_?limit|overload|too_?many|slow_?down|throttl|unavailable|exhausted", Reason.BUSY),
    (r"time_?out|timed_?out|deadline", Reason.TIMEOUT),
]
#: The same for messages, of errors that have no name of their own for it. What a message quotes
#: may come from the user, so none of these reasons may be one that a user gains by.
MESSAGES = [
    (r"requires moderation|(was|were|been) flagged", Reason.REFUSED),
    (
        (
            r"context (length|size|window)|(prompt|input) (length|is too long)|input token count"
            r"|too many tokens|reduce the length|`inputs` .{0,40}must "
        ),
        Reason.CONTEXT_TOO_LONG,
    ),
    (r"(invalid|incorrect|expired) api key|api key (not valid|expired)", Reason.ACCESS),
    (r"credit balance|insufficient (balance|credits|funds)|spending limit", Reason.QUOTA),
    (
        (
            r"model\b.{0,100}?\bnot (found|exist|available)|(invalid|unknown|valid) model"
            r"|no endpoints|no models loaded"
        ),
        Reason.UNKNOWN_MODEL,
    ),
]
STATUSES = {
    401: Reason.ACCESS,
    402: Reason.QUOTA,
    403: Reason.ACCESS,
    408: Reason.TIMEOUT,
    413: Reason.CONTEXT_TOO_LONG,
    429: Reason.BUSY,
    503: Reason.BUSY,
    529: Reason.BUSY,
}


def error_of(
    error: object, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ProviderError:
    """What an error that the provider sent comes to: `error` is the JSON or text that it sent, with
    an HTTP status other than 200, or within an answer."""
    names, message = _names_of(error), _message_of(error)
    number = status or next((int(name) for name in names if re.fullmatch(r"[345]\d\d", name)), 0)
    reason = _reason_of(names, message, number)
    code = next((name for name in names if not name.isdigit()), (names or [""])[0])
    wait = None if reason in FOR_THE_OPERATOR else retry_seconds(headers or {})
    return ProviderError(reason, status=status, code=code, message=message, retry_seconds=wait)


def _reason_of(names: list[str], message: str, status: int) -> Reason:
    if status == 413:  # Whatever it is called: the same would be refused again.
        return Reason.CONTEXT_TOO_LONG
    for pattern, reason in NAMES:
        if any(re.search(pattern, name, re.IGNORECASE) for name in names):
            return reason
    if status not in {401, 402, 429}:
        for pattern, reason in MESSAGES:
            if re.search(pattern, message, re.IGNORECASE):
                return reason
    if status in STATUSES:
        return STATUSES[status]
    if 300 <= status < 400:
        return Reason.REDIRECTED
    refused = 400 <= status < 500 or (not status and "invalid_request_error" in names)
    return Reason.NOT_ACCEPTED if refused else Reason.PROVIDER_ERROR


def _names_of(error: object) -> list[str]:
    """The code, type and status of an error, as far as they are words or numbers."""
    if not isinstance(error, dict):
        return []
    values = [error.get(name) for name in ("code", "type", "status")]
    return [str(value) for value in values if isinstance(value, str | int) and value]


def _message_of(error: object) -> str:
    message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return message[:2000] if isinstance(message, str) else ""


def retry_seconds(headers: Mapping[str, str]) -> int | None:
    """Seconds after which the provider wants to be called again, at most MAX_RETRY_SECONDS. It says
    so as a number or a date (RFC 9110, 10.2.3), OpenAI also in milliseconds."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            seconds = float(milliseconds) / 1000
        else:
            seconds = _seconds_until(headers.get("retry-after", ""))
    except ValueError:
        return None
    if not 0 < seconds < math.inf:
        return None
    return min(math.ceil(seconds), MAX_RETRY_SECONDS)


def _seconds_until(moment: str) -> float:
    """Raises ValueError."""
    try:
        return float(moment)
    except ValueError:
        date = parsedate_to_datetime(moment)
        return (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


@contextmanager
def provider_errors() -> Iterator[None]:
    """Raises ProviderError for everything that can go wrong in a call of the SDK, and in reading
    what came: nothing in it is checked before."""
    try:
        yield
    except openai.APIStatusError as error:
        body, headers = _inner(error.body), error.response.headers
        raise error_of(body, status=error.status_code, headers=headers) from error
    except openai.APIConnectionError as error:
        raise unreached(error.__cause__ or error) from error
    except httpx2.TimeoutException as error:
        raise ProviderError(Reason.TIMEOUT) from error
    except openai.APIError as error:
        raise error_of(error.body) from error
    except httpx2.InvalidURL as error:
        raise unreached(error) from error
    except httpx2.DecodingError as error:
        raise ProviderError(Reason.UNREADABLE, code="encoding") from error
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise ProviderError(Reason.CUT_OFF, code=type(error).__name__) from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ProviderError(Reason.UNREADABLE, code=type(error).__name__) from error


def _inner(body: Any) -> Any:
    """The error itself: some wrap it in a list, some put an object where its message belongs."""
    if isinstance(body, list) and body:
        body = body[0]
    return body.get("error", body) if isinstance(body, dict) else body


def unreached(cause: BaseException) -> ProviderError:
    """The error of a call to which no answer began."""
    slow = isinstance(cause, httpx2.TimeoutException)
    if slow and not isinstance(cause, httpx2.ConnectTimeout):
        return ProviderError(Reason.TIMEOUT)
    return ProviderError(Reason.UNREACHABLE, code=type(cause).__name__)
