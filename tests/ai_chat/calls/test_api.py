"""GET /api/calls."""

from typing import Any

import pytest

from credits.models import ApiKey, User
from credits.reasons import Reason
from tests.ai_chat.calls.making import State, make_call
from tests.api import Api
from tests.factories import make_key

pytestmark = pytest.mark.django_db
PATH = "/api/calls"


def items(user: User, query: str = "") -> list[dict[str, Any]]:
    page: dict[str, Any] = Api(user).get(PATH + query).json()
    return list(page["items"])


def test_a_call_is_told_of_exactly(alice: User, key: ApiKey) -> None:
    call = make_call(alice, key, streamed=True)
    [item] = items(alice)
    assert item.pop("createdAt") < item.pop("endedAt")
    assert item == {
        "id": call.request_id, "key": key.public_id, "endpoint": "chat/completions",
        "model": call.model, "answeredBy": None, "streamed": True, "outcome": "done",
        "status": 200, "reason": None, "cost": "0.900000000000", "charge": call.charge_id,
        "firstSeconds": 0.4,
        "usage": {"input": 1200, "cached": 1000, "cacheWrite": 0, "output": 300, "reasoning": 20,
                  "source": "provider"},
    }  # fmt: skip


def test_a_failed_call_says_why(alice: User, key: ApiKey) -> None:
    make_call(alice, key, state=State.FAILED, failure=Reason.CUT_OFF, first=2.5, streamed=True)
    [item] = items(alice)
    assert (item["outcome"], item["status"], item["reason"]) == ("broke_off", 200, Reason.CUT_OFF)
    assert item["cost"] == "0.000000000000"


def test_the_pages_and_filters_of_a_list(alice: User, bob: User, key: ApiKey) -> None:
    made = [make_call(alice, key).request_id for _ in range(3)][::-1]
    other = make_call(alice, make_key(alice), state=State.STOPPED).request_id
    assert items(bob) == []
    first = Api(alice).get(f"{PATH}?key={key.public_id}&limit=2").json()
    rest = Api(alice).get(f"{PATH}?key={key.public_id}&cursor={first['nextCursor']}").json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made
    assert rest["nextCursor"] is None
    assert [item["id"] for item in items(alice, "?outcome=stopped")] == [other]
    assert [item["id"] for item in items(alice, f"?request={made[0]}")] == [made[0]]
    assert items(alice, "?to=2020-01-01") == []
    assert items(alice, "?key=key_0000000000000000") == []


@pytest.mark.parametrize(
    "query", ["?cursor=1", "?key=1", "?outcome=x", "?request=1", "?from=x", "?other=1", "?limit=0"]
)
def test_what_cannot_be_asked_for_is_400(alice: User, query: str) -> None:
    assert Api(alice).get(PATH + query).status_code == 400
