"""Giving somebody a pack: from their page on the desk, and through the API."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from credits.ledger import get_balance
from credits.models import Approval, CreditGrant, Pack, UsageHistory, User
from tests.api import Api, assert_problem
from tests.credits.packs.making import make_pack
from tests.factories import make_admin

pytestmark = pytest.mark.django_db


@pytest.fixture
def pack(db: None) -> Pack:
    return make_pack()


def post(desk: Client, user: User, pack: Pack, /, *, confirm: bool = True, **fields: Any) -> Any:
    form = {"pack": str(pack.pk), "quantity": "2", "reference": "INV-1", "reason": "Paid",
            "key": str(uuid4()), **fields}  # fmt: skip
    if confirm:
        form |= {"confirm": "1", "each": fields.get("each", "50")}
    return desk.post(f"/admin/users/{user.pk}/give", form)


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def test_a_preview_says_what_the_confirmation_does(desk: Client, alice: User, pack: Pack) -> None:
    assert f"/admin/users/{alice.pk}/give" in desk.get(f"/admin/users/{alice.pk}").text
    shown = post(desk, alice, pack, confirm=False)
    assert "2 × Small of 50 credits at €5" in shown.text
    preview = shown.context["preview"]
    assert (preview.before, preview.after, balance(alice)) == (100, 200, 100)
    done = post(desk, alice, pack)
    row = UsageHistory.objects.latest("pk")
    assert done.url == f"/admin/users/{alice.pk}?row={row.pk}#row-{row.pk}"
    page = desk.get(done.url).text
    assert "Credit pack: Small" in page
    assert "2 packs · INV-1 · Paid, by admin@example.com" in page


def test_what_the_user_sees(desk: Client, alice: User, pack: Pack) -> None:
    post(desk, alice, pack)
    own = Client()
    own.force_login(alice)
    page = own.get("/usage").text
    assert "Credit pack: Small" in page
    assert "2 packs · INV-1 · Paid, by an admin" in page and "admin@example.com" not in page
    lines = b"".join(own.get("/usage.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert 'Credit pack: Small,"2 packs · INV-1 · Paid, by an admin",-100' in lines


def test_one_payment_once_and_for_one_pack(
    desk: Client, alice: User, bob: User, pack: Pack
) -> None:
    post(desk, alice, pack)
    again = post(desk, alice, pack, reference="inv-1")
    assert "brought its pack already" in desk.get(again.url).text
    other = post(desk, bob, pack)
    assert other.status_code == 422
    assert "The payment INV-1 was used for another pack or person." in other.text
    assert (balance(alice), balance(bob)) == (200, 10)


def test_a_pack_that_changed_is_looked_at_again(desk: Client, alice: User, pack: Pack) -> None:
    answer = post(desk, alice, pack, each="40")
    assert answer.status_code == 422
    assert "Small is 50 credits by now. Look again." in answer.text
    assert 'name="each" value="50"' in answer.text
    assert balance(alice) == 100


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": "0"}, {"quantity": "-1"}, {"quantity": "1001"}, {"quantity": "2.5"},
     {"reason": ""}, {"reference": "x" * 101}, {"pack": "0"}, {"pack": "x"}, {"key": ""}],
)  # fmt: skip
def test_what_is_wrong_is_refused(
    desk: Client, alice: User, pack: Pack, wrong: dict[str, Any]
) -> None:
    assert post(desk, alice, pack, **wrong).status_code == 422
    assert balance(alice) == 100


def test_a_large_one_waits(desk: Client, alice: User, pack: Pack, settings: Settings) -> None:
    settings.ADJUSTMENT_APPROVAL_CREDITS = 99
    assert "Ask a second admin" in post(desk, alice, pack, confirm=False).text
    post(desk, alice, pack)
    approval = Approval.objects.get()
    assert balance(alice) == 100
    other = Client()
    other.force_login(make_admin())
    page = other.get(f"/admin/users/approvals/{approval.pk}").text
    assert "Credit pack 2 × Small: 100 credits" in page and "Approve +100 credits" in page
    other.post(f"/admin/users/approvals/{approval.pk}", {"decision": "approve"})
    assert balance(alice) == 200


def test_not_one_s_own(desk: Client, admin: User, pack: Pack) -> None:
    answer = post(desk, admin, pack)
    assert answer.status_code == 422
    assert "This is your own account." in answer.text
    assert balance(admin) == 0


def test_without_a_pack_on_sale(desk: Client, alice: User) -> None:
    assert "No pack is on sale" in desk.get(f"/admin/users/{alice.pk}/give").text


class TestApi:
    def call(self, admin: User, user: User, body: dict[str, Any], key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/api/admin/users/{user.pk}/packs"
        return Api(admin).send("post", path, body, headers=headers)

    def test_it_gives_once(self, admin: User, alice: User, bob: User, pack: Pack) -> None:
        body = {"packId": pack.pk, "quantity": 2, "reference": "INV-1", "reason": "Paid"}
        first = self.call(admin, alice, body)
        row = UsageHistory.objects.latest("pk")
        expected = {
            "credits": 100, "creditsRemaining": 200, "usageId": row.pk, "replayed": False,
        }  # fmt: skip
        assert (first.status_code, first.json()) == (200, expected)
        assert self.call(admin, alice, body).json() == {**expected, "replayed": True}
        assert_problem(self.call(admin, bob, body), 409, "reference_used")
        gift = {"packId": pack.pk, "reason": "A gift"}
        for _ in range(2):
            self.call(admin, bob, gift, key="k")
        assert (balance(alice), balance(bob)) == (200, 60)

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"packId": 2**62}, "packId"), ({"quantity": 0}, "quantity"), ({"reason": ""}, "reason"),
         ({"quantity": 10**30}, "quantity"), ({"reference": None}, "reference")],
    )  # fmt: skip
    def test_what_it_refuses(
        self, admin: User, alice: User, pack: Pack, change: dict[str, Any], field: str
    ) -> None:
        body = {"packId": pack.pk, "reason": "Paid", **change}
        problem = assert_problem(self.call(admin, alice, body), 400, "invalid")
        assert problem["issues"][0]["path"] == [field]
        assert not CreditGrant.objects.filter(key__startswith="pack:").exists()

    def test_own_account(self, admin: User, pack: Pack) -> None:
        answer = self.call(admin, admin, {"packId": pack.pk, "reason": "Mine"})
        assert_problem(answer, 403, "own_account")
