"""GET /v1/key: what a key is, and what is left of it (design: gateway, C.10)."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from ai_chat.gateway.auth import Scope, caller_of
from ai_chat.gateway.bodies import check_method
from ai_chat.gateway.errors import ApiError
from credits.amounts import as_decimal
from credits.keys.exceptions import NoSuchKey
from credits.keys.lookup import Caller
from credits.keys.services import find_key
from credits.ledger import get_balance
from credits.limit_states import LimitState, limit_states
from credits.models import ApiKey


def key(http: HttpRequest) -> JsonResponse:
    """The key itself; with the scope usage:read also another one of its account, by `?id=key_…`:
    one that has ended can be read by another one only."""
    check_method(http, "GET")
    other = http.GET.get("id")
    caller = caller_of(http, None if other is None else Scope.USAGE_READ)
    name = caller.public_id if other is None else other
    try:
        wanted = find_key(public_id=name, account_id=caller.account_id)
    except NoSuchKey:
        raise ApiError(404, "not_found", "There is no such key.", param="id") from None
    return JsonResponse(_body(wanted))


def limits_on(caller: Caller) -> list[LimitState]:
    """The limits that bound a call of this caller: its account's, its member's and its key's."""
    return _limits(caller.account_id, caller.member_id, caller.key_id)


def _limits(account_id: int, member_id: int, key_id: int) -> list[LimitState]:
    states = limit_states(account_id=account_id)
    return [
        state
        for state in states
        if state.limit.api_key_id in {None, key_id} and state.limit.member_id in {None, member_id}
    ]


def limit_body(state: LimitState) -> dict[str, Any]:
    """A limit in the present period: whole credits, but for `spent` and `held`."""
    return {
        "id": state.limit.pk,
        "scope": state.applies_to,
        "period": state.limit.period,
        "credits": state.limit.credits,
        "hard": state.limit.hard,
        "spent": state.spent_exact,
        "held": state.held_exact,
        "remaining": state.left,
        "resets_at": state.resets_at,
    }


def _body(key: ApiKey) -> dict[str, Any]:
    balance = get_balance(user_id=key.account_id)
    most = settings.API_CALLS_PER_MINUTE
    limits = _limits(key.account_id, key.member_id, key.pk)
    return {
        "object": "key",
        "id": key.public_id,
        "name": key.name,
        "scopes": key.scopes,
        "account": {
            "creditsRemaining": balance.remaining,
            "creditsHeld": balance.held,
            "paidAhead": as_decimal(balance.ahead),
        },
        "limits": [limit_body(state) for state in limits],
        "models": key.only_models,
        "rate": {"requests_per_minute": min(key.calls_per_minute or most, most)},
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
