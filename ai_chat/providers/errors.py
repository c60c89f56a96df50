"""How a provider fails; the class says for what reason a job is refunded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import httpx2
import openai

from credits.reasons import Reason

#: What errors about the content are called by OpenAI and others.
REFUSALS = {"content_policy_violation", "moderation_blocked", "content_filter"}


class ProviderError(Exception):
    """An error status, a broken connection, an unreadable or unfinished answer."""

    reason: ClassVar[Reason] = Reason.PROVIDER_ERROR


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""

    reason = Reason.TIMEOUT


class ProviderRefusal(ProviderError):
    """The provider declined to answer."""

    reason = Reason.REFUSED


def error_of(code: object, otherwise: str) -> ProviderError:
    """What an error that the provider sent comes to; its code is whatever JSON came."""
    return ProviderRefusal() if str(code) in REFUSALS else ProviderError(otherwise)


@contextmanager
def provider_errors() -> Iterator[None]:
    """Raises ProviderError for everything that can go wrong in a call of the SDK, and in reading
    what came: nothing in it is checked before."""
    try:
        yield
    except (openai.APITimeoutError, httpx2.TimeoutException) as error:
        raise ProviderTimeout from error
    except openai.APIError as error:
        raise error_of(error.code, type(error).__name__) from error
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise ProviderError(type(error).__name__) from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ProviderError("unreadable answer") from error
