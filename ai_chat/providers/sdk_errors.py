"""From what the SDK raises to the reasons of a refund."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from ai_chat.providers.errors import ProviderError
from credits.reasons import Reason

#: What errors about the content are called by OpenAI and others.
REFUSALS = {"content_policy_violation", "moderation_blocked", "content_filter"}


def error_of(code: object) -> ProviderError:
    """What an error that the provider sent comes to; its code is whatever JSON came."""
    return ProviderError(Reason.REFUSED if str(code) in REFUSALS else Reason.PROVIDER_ERROR)


@contextmanager
def provider_errors() -> Iterator[None]:
    """Raises ProviderError for everything that can go wrong in a call of the SDK, and in reading
    what came: nothing in it is checked before."""
    try:
        yield
    except (openai.APITimeoutError, httpx2.TimeoutException) as error:
        raise ProviderError(Reason.TIMEOUT) from error
    except openai.APIError as error:
        raise error_of(error.code) from error
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise ProviderError(Reason.CUT_OFF, code=type(error).__name__) from error
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ProviderError(Reason.UNREADABLE, code=type(error).__name__) from error
