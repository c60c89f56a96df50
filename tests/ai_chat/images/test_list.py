"""GET /api/ai/images: one's own requests, in pages."""

from ai_chat.models import ImageRequest
from credits.models import User
from tests.api import Api, assert_problem
from tests.factories import make_charge

LIST = "/api/ai/images"


def make_request(owner: User) -> ImageRequest:
    return ImageRequest.objects.create(
        user=owner, charge_id=make_charge(owner).id, model="m", prompt="p", size="64x64", count=1,
        state=ImageRequest.State.DELIVERED,
    )  # fmt: skip


def test_pages_hold_every_request_once_newest_first(alice: User, bob: User) -> None:
    made = [str(make_request(alice).pk) for _ in range(3)]
    make_request(bob)
    first = Api(alice).get(f"{LIST}?limit=2").json()
    last = Api(alice).get(f"{LIST}?limit=2&cursor={first['nextCursor']}").json()
    assert [item["id"] for item in [*first["items"], *last["items"]]] == made[::-1]
    assert last["nextCursor"] is None


def test_a_cursor_that_is_gone_does_not_begin_anew(alice: User, bob: User) -> None:
    """A program that pages while its user deletes would meet the first page again, and again."""
    make_request(alice)
    gone = make_request(alice)
    cursor = Api(alice).get(f"{LIST}?limit=1").json()["nextCursor"]
    gone.delete()
    for nothing in (cursor, make_request(bob).pk):
        assert_problem(Api(alice).get(f"{LIST}?cursor={nothing}"), 404, "not_found")
