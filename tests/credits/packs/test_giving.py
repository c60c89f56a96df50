"""Giving and selling packs: once for each payment, and by the word of two where it is much."""

from typing import Any

import pytest
from pytest_django import Settings

from adminpanel.users.adjustments import adjust
from credits.approvals import ApprovalPending, NotApproved, approve, moved_alone
from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.packs import change_pack
from credits.exceptions import OwnAccount
from credits.ledger import get_balance
from credits.models import Approval, AuditEntry, CreditGrant, UsageHistory, User
from credits.packs.giving import Given, PackChanged, ReferenceUsed, give_pack
from tests.credits.packs.making import make_pack
from tests.factories import make_admin
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limit(settings: Settings) -> None:
    settings.ADJUSTMENT_APPROVAL_CREDITS = 1000


def give(actor: User, user: User, pack_id: int, **options: Any) -> Given:
    options = {"reason": "Paid", "key": "k", "reference": "INV-1", **options}
    return give_pack(actor=actor, user_id=user.pk, pack_id=pack_id, **options)


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def test_its_credits_come_with_their_record(admin: User, alice: User) -> None:
    pack = make_pack()
    done = give(admin, alice, pack.pk, quantity=3)
    assert (done.credits, done.balance, balance(alice)) == (150, 250, 250)
    row = UsageHistory.objects.get(pk=done.usage_id)
    assert (row.what, row.note) == ("Credit pack: Small", "3 packs · INV-1 · Paid, by an admin")
    assert row.full_note == "3 packs · INV-1 · Paid, by admin@example.com"
    assert (row.grant.source, row.grant.expires_at) == ("pack", None)
    entry = AuditEntry.objects.get(action="pack.give")
    assert (entry.user, entry.credits, entry.usage, entry.target) == (alice, 150, row, "3 × Small")
    assert (entry.before, entry.after, moved_alone(admin)) == (100, 250, 150)


@pytest.mark.parametrize("again", ["INV-1", " inv-1 ", "ＩＮＶ-1", "I N V - 1"])
def test_a_payment_brings_it_once(admin: User, alice: User, bob: User, again: str) -> None:
    small, large = make_pack(), make_pack("Large", credits=50)
    first = give(admin, alice, small.pk)
    replay = give(make_admin(), alice, small.pk, reference=again, key="other")
    assert replay == first._replace(replayed=True)
    for user, pack, quantity in ((bob, small, 1), (alice, large, 1), (alice, small, 2)):
        with pytest.raises(ReferenceUsed, match="was used for another pack or person"):
            give(admin, user, pack.pk, reference=again, quantity=quantity, key="third")
    assert (balance(alice), balance(bob), moved_alone(admin)) == (150, 10, 50)


def test_a_gift_has_no_reference_and_comes_once_per_key(admin: User, alice: User) -> None:
    pack = make_pack()
    for key in ("k", "k", "l"):
        give(admin, alice, pack.pk, reference="", key=key)
    assert balance(alice) == 200


@pytest.mark.django_db(transaction=True)
def test_twelve_admins_at_once_give_one_payment_once(alice: User) -> None:
    pack = make_pack()
    admins = [make_admin() for _ in range(12)]
    answers = in_parallel(12, lambda n: give(admins[n], alice, pack.pk, key=str(n)))
    assert sorted(done.replayed for done in answers) == [False] + [True] * 11
    assert balance(alice) == 150


def test_a_second_admin_approves_what_is_too_much(admin: User, alice: User) -> None:
    pack = make_pack(credits=600)
    second = make_admin()
    with pytest.raises(ApprovalPending) as waits:
        give(admin, alice, pack.pk, quantity=2)
    asked = waits.value.approval
    assert (asked.what, balance(alice)) == ("Credit pack 2 × Small: 1,200 credits", 100)
    with pytest.raises(NotApproved):
        approve(actor=admin, request_id=asked.pk)
    approve(actor=second, request_id=asked.pk)
    entry = AuditEntry.objects.get(action="pack.give")
    assert (entry.actor, entry.approved_by, balance(alice)) == (admin, second, 1300)
    asked.refresh_from_db()
    assert asked.usage == entry.usage
    assert entry.usage.details["approvedBy"] == str(second)


def test_a_payment_that_two_asked_for_comes_once(admin: User, alice: User) -> None:
    pack = make_pack(credits=1200)
    second = make_admin()
    for actor in (admin, second):
        with pytest.raises(ApprovalPending):
            give(actor, alice, pack.pk)
    first, other = Approval.objects.order_by("pk")
    approve(actor=second, request_id=first.pk)
    with pytest.raises(NotApproved, match="nothing left to change"):
        approve(actor=admin, request_id=other.pk)
    assert balance(alice) == 1300


def test_what_is_approved_is_what_was_asked_for(admin: User, alice: User) -> None:
    pack = make_pack(credits=1200)
    with pytest.raises(ApprovalPending):
        give(admin, alice, pack.pk)
    change_pack(actor=admin, pack_id=pack.pk, changes={"credits": 1100})
    with pytest.raises(PackChanged, match="1,100 credits by now"):
        approve(actor=make_admin(), request_id=Approval.objects.get().pk)
    with pytest.raises(PackChanged):
        give(admin, alice, pack.pk, each=1200, key="l")
    assert balance(alice) == 100


def test_nobody_gives_one_to_themselves(alice: User) -> None:
    actor = make_admin(credits=5)
    with pytest.raises(OwnAccount):
        give(actor, actor, make_pack().pk)
    second = make_admin()
    with pytest.raises(ApprovalPending) as waits:
        give(actor, second, make_pack("Large", credits=5000).pk)
    with pytest.raises(OwnAccount):
        approve(actor=second, request_id=waits.value.approval.pk)
    assert (balance(actor), balance(second)) == (5, 0)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 1001}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"reference": "x" * 101}, "reference"),
        ({"reference": "a\nb"}, "reference"),
        ({"reason": " \u200b"}, "reason"),
    ],
)
def test_what_cannot_be(admin: User, alice: User, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        give(admin, alice, make_pack().pk, **wrong)
    assert refusal.value.path == (field,)
    assert not CreditGrant.objects.filter(key__startswith="pack:").exists()


def test_a_pack_that_is_retired_is_not_given(admin: User, alice: User) -> None:
    with pytest.raises(InvalidValue, match="on sale"):
        give(admin, alice, make_pack(active=False).pk)


def test_one_given_by_mistake_is_taken_back_by_an_adjustment(admin: User, alice: User) -> None:
    give(admin, alice, make_pack().pk)
    adjust(actor=admin, user_id=alice.pk, delta=-50, reason="By mistake", key="back")
    assert balance(alice) == 100
