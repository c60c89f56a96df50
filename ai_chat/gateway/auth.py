"""Who calls /v1: an API key, and nothing else."""

from django.http import HttpRequest

from ai_chat.gateway.errors import ApiError
from credits.keys.lookup import Caller, InvalidApiKey, find_caller
from credits.models import ApiKey

Scope = ApiKey.Scope


def caller_of(request: HttpRequest, scope: str = Scope.INFERENCE) -> Caller:
    """Whom the request's key acts for, in one statement. Raises InvalidApiKey, and ApiError for a
    key that may not do this."""
    caller = find_caller(_secret_of(request))
    if scope not in caller.scopes:
        raise ApiError(403, "scope_missing", f"This key does not have the scope {scope}.")
    return caller


def _secret_of(request: HttpRequest) -> str:
    """The key of OpenAI's header, or of Anthropic's. Never one of the address: those are logged."""
    # A header that comes twice has a comma.
    credentials = request.META.get("HTTP_AUTHORIZATION", "").split(",")
    keys: set[str] = {key.strip() for key in request.META.get("HTTP_X_API_KEY", "").split(",")}
    for credential in credentials:
        scheme, _, bearer = credential.strip().partition(" ")
        keys.add(bearer.strip() if scheme.lower() == "bearer" else "")
    keys.discard("")
    if len(keys) > 1:
        message = "Authorization and x-api-key name different keys. Send one of them."
        raise ApiError(400, "two_api_keys", message)
    if not keys:
        raise InvalidApiKey
    return keys.pop()
