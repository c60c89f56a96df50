"""Who calls /v1: an API key, and nothing else."""

import math
import time

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from ai_chat.gateway.errors import ApiError
from config.addresses import client_address
from credits.keys.lookup import Caller, InvalidApiKey, find_caller
from credits.models import ApiKey
from credits.rate_limits import take
from credits.users.limits import WINDOW

Scope = ApiKey.Scope
#: Wrong keys from one address in any WINDOW; and addresses that are known as refused.
MAX_WRONG, MAX_REFUSED = 30, 10_000


def caller_of(request: HttpRequest, scope: str | None = Scope.INFERENCE) -> Caller:
    """The account and rights of the request's key, in one statement. Raises InvalidApiKey, and
    ApiError for a key that may not do this, or after too many wrong ones; without a `scope` every
    key may."""
    secret = _secret_of(request)
    try:
        caller = find_caller(secret)
    except InvalidApiKey:
        wrong_keys.note(client_address(request))
        raise
    request.META["API_KEY_ID"] = caller.key_id
    if scope and scope not in caller.scopes:
        raise ApiError(403, "scope_missing", f"This key does not have the scope {scope}.")
    request.META["ACCOUNT_ID"] = caller.account_id
    return caller


class WrongKeys:
    """Counts wrong keys by where they come from. Good ones are not counted, nor refused for the
    wrong ones beside them. An address that has reached the limit is known to this process, so that
    what comes from it then costs no statement."""

    def __init__(self) -> None:
        #: Until when (time.monotonic) an address is refused.
        self._refused: dict[str, float] = {}

    def note(self, address: str) -> None:
        """One more wrong key from an address. Raises ApiError beyond MAX_WRONG in a WINDOW."""
        now = time.monotonic()
        left = math.ceil(self._refused.get(address, now) - now)
        if left <= 0:
            left = take(f"wrong-keys:{address}", limit=MAX_WRONG, window=WINDOW)
            if left <= 0:
                return
            if len(self._refused) >= MAX_REFUSED:
                self._refused.clear()
            self._refused[address] = now + left
        message = "Too many wrong API keys came from where you are."
        raise ApiError(429, "too_many_wrong_keys", message, retry_seconds=left)


wrong_keys = WrongKeys()


def pseudonym_of(request: HttpRequest) -> str:
    """The name by which a provider tells accounts apart, to be used after `caller_of`: the same in
    each call of an account, which it does not reveal without SECRET_KEY."""
    account = str(request.META["ACCOUNT_ID"])
    return f"account_{salted_hmac('providers', account, algorithm='sha256').hexdigest()[:32]}"


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
        raise InvalidApiKey(is_missing=True)
    return keys.pop()
