"""Calls of /v1 as the gateway leaves them, without a site."""

from typing import Any
from uuid import uuid4

from ai_chat.jobs.ending import Outcome, end_job
from ai_chat.jobs.start import start_job
from ai_chat.models import ApiCall
from ai_chat.providers.used import Used
from credits.features import TEXT
from credits.keys.lookup import Caller
from credits.models import ApiKey, User
from credits.uses import Asked, Tokens
from tests.ai_chat.turns import MODEL

State = ApiCall.State
ASKED = Asked(5000, 1000, 1)


def start_call(user: User, key: ApiKey, **columns: Any) -> ApiCall:
    """A call that is going on."""
    request_id = uuid4().hex
    caller = Caller(key.pk, key.public_id, user.pk, user.pk, key.scopes, None)
    row = {
        "id": request_id, "model": MODEL, "api_key_id": key.pk, "endpoint": "chat/completions",
        "request_id": f"req_{request_id}", "streamed": False, "fingerprint": "f", **columns,
    }  # fmt: skip
    call, _ = start_job(
        ApiCall, user_id=user.pk, feature=TEXT, max_unit_cost=None, request=None, row=row,
        idempotency_key=f"call:{request_id}", asked=ASKED, key=caller,
    )  # fmt: skip
    return call


def make_call(
    user: User,
    key: ApiKey,
    *,
    tokens: tuple[int, int, int, int, int] = (1200, 1000, 0, 300, 20),
    state: str = State.DONE,
    failure: str = "",
    first: float | None = 0.4,
    **columns: Any,
) -> ApiCall:
    """A call that has ended; with a `failure` nothing of it is paid."""
    call = start_call(user, key, **columns)
    used = Used(Tokens(*tokens, "provider"))
    delivered = 0 if failure else None
    outcome = Outcome(state, failure, delivered, None if failure else used, first_seconds=first)
    ended = end_job(call, outcome).job
    assert ended
    return ended
