"""Batches of codes: what they are worth is what an admin moves, and their codes are seen once."""

from typing import Any

import pytest
from pytest_django import Settings

from config.errors import DomainError
from credits.approvals import ApprovalPending, NotApproved, approve, moved_alone
from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.packs import change_pack
from credits.exceptions import IdempotencyConflict
from credits.models import Approval, AuditEntry, CodeBatch, RedeemCode, User
from credits.packs.batches import (
    AlreadyExported,
    BatchEnded,
    NoBatch,
    export_codes,
    find_batch,
    make_batch,
    void_batch,
)
from credits.packs.codes import digest_of
from credits.packs.redeeming import OwnCode
from tests.clock import Clock
from tests.credits.packs.making import day, make_codes, make_pack, take
from tests.factories import make_admin
from tests.parallel import count_of, in_parallel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limit(settings: Settings) -> None:
    settings.ADJUSTMENT_APPROVAL_CREDITS = 1000


def make(actor: User, **options: Any) -> CodeBatch:
    return make_batch(
        actor=actor, **{"count": 10, "worth": 20, "last_day": day(5), "key": "k", **options}
    )


class TestMaking:
    def test_all_of_it_counts_as_what_the_admin_moves(self, admin: User) -> None:
        batch = make(admin, reason=" For the fair ")
        assert (batch.credits, batch.note, batch.state, batch.redeemed) == (
            200, "For the fair", "made", 0,
        )  # fmt: skip
        assert moved_alone(admin) == 200
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.credits, entry.target) == ("codes.make", 200, "10 × 20 credits")
        assert batch.entry == entry
        assert not RedeemCode.objects.exists()

    def test_a_second_admin_approves_what_is_too_much(self, admin: User, alice: User) -> None:
        second = make_admin()
        pack = make_pack(credits=300)
        with pytest.raises(ApprovalPending) as waits:
            make(admin, pack_id=pack.pk, worth=None)
        asked = waits.value.approval
        assert (asked.credits, asked.kind, CodeBatch.objects.count()) == (3000, "codes.make", 0)
        assert asked.what == "Redeem codes 10 × 300 credits: 3,000 credits"
        batch = approve(actor=second, request_id=asked.pk)
        assert (batch.made_by, batch.approved_by, batch.worth) == (admin, second, 300)
        assert moved_alone(admin) == 0
        _, codes = export_codes(actor=make_admin(), batch_id=batch.pk)
        for knows in (admin, second):
            with pytest.raises(OwnCode):
                take(knows, codes[0])
        assert take(alice, codes[0]).credits == 300

    def test_what_is_approved_is_what_was_asked_for(self, admin: User) -> None:
        pack = make_pack(credits=300)
        with pytest.raises(ApprovalPending):
            make(admin, pack_id=pack.pk, worth=None)
        change_pack(actor=admin, pack_id=pack.pk, changes={"credits": 200})
        with pytest.raises(InvalidValue, match="Small is 200 credits by now"):
            approve(actor=make_admin(), request_id=Approval.objects.get().pk)
        assert not CodeBatch.objects.exists()

    def test_the_maker_does_not_approve(self, admin: User) -> None:
        with pytest.raises(ApprovalPending) as waits:
            make(admin, count=51)
        with pytest.raises(NotApproved):
            approve(actor=admin, request_id=waits.value.approval.pk)

    def test_a_key_makes_it_once(self, admin: User) -> None:
        assert make(admin) == make(admin)
        with pytest.raises(IdempotencyConflict):
            make(admin, count=11)
        assert make(make_admin()).pk != make(admin).pk
        assert moved_alone(admin) == 200

    @pytest.mark.django_db(transaction=True)
    def test_twelve_at_once_do_not_pass_the_limit_together(self, admin: User) -> None:
        answers = in_parallel(
            12, lambda n: make(admin, count=45, key=str(n)), catch=ApprovalPending
        )
        assert count_of(answers, ApprovalPending) == 11
        assert CodeBatch.objects.count() == 1

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"count": 0}, "count"),
            ({"count": -1}, "count"),
            ({"count": 10_001}, "count"),
            ({"count": True}, "count"),
            ({"count": 1.5}, "count"),
            ({"worth": 0}, "worth"),
            ({"worth": -5}, "worth"),
            ({"worth": None}, "worth"),
            ({"worth": 10**12}, "worth"),
            ({"worth": 10**9, "count": 2}, "count"),
            ({"last_day": day(-1)}, "lastDay"),
            ({"last_day": "2026-13-40"}, "lastDay"),
            ({"last_day": "9999-01-01"}, "lastDay"),
            ({"last_day": ""}, "lastDay"),
            ({"reason": "x" * 501}, "note"),
            ({"reason": "a\x00b"}, "note"),
            ({"pack_id": 999}, "packId"),
        ],
    )
    def test_what_cannot_be(self, admin: User, wrong: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidValue) as refusal:
            make(admin, **wrong)
        assert refusal.value.path == (field,)
        assert not CodeBatch.objects.exists()
        assert not AuditEntry.objects.exists()


class TestExport:
    def test_codes_are_made_once_and_stored_as_digests(self, admin: User) -> None:
        batch = make(admin)
        _, codes = export_codes(actor=admin, batch_id=batch.pk)
        assert len(set(codes)) == 10
        rows = list(RedeemCode.objects.order_by("number"))
        assert [row.digest for row in rows] == [digest_of(code) for code in codes]
        assert [row.number for row in rows] == list(range(1, 11))
        with pytest.raises(AlreadyExported, match=f"{admin} has exported these codes") as refusal:
            export_codes(actor=admin, batch_id=batch.pk)
        assert (refusal.value.status, refusal.value.code) == (409, "already_exported")
        assert find_batch(batch.pk).state == "exported"
        entry = AuditEntry.objects.get(action="codes.export")
        assert entry.after == {"codes": 10, "anew": False}

    @pytest.mark.django_db(transaction=True)
    def test_twelve_at_once_are_one(self, admin: User) -> None:
        batch = make(admin)
        answers = in_parallel(
            12, lambda _: export_codes(actor=admin, batch_id=batch.pk), catch=AlreadyExported
        )
        assert count_of(answers, AlreadyExported) == 11
        assert RedeemCode.objects.count() == 10

    def test_anew_the_first_ones_end_and_what_was_redeemed_stays(
        self, admin: User, alice: User, bob: User, carol: User
    ) -> None:
        batch, first = make_codes(admin, 3)
        take(alice, first[1])
        _, second = export_codes(actor=admin, batch_id=batch.pk, anew=True)
        assert len(second) == 2
        assert not set(first) & set(second)
        for code in (first[0], first[2]):
            with pytest.raises(DomainError, match="brings nothing"):
                take(bob, code)
        take(bob, second[0])
        take(carol, second[1])
        assert find_batch(batch.pk).redeemed == 3
        with pytest.raises(BatchEnded, match="have been redeemed"):
            export_codes(actor=admin, batch_id=batch.pk, anew=True)

    def test_the_first_export_may_say_anew(self, admin: User) -> None:
        assert len(export_codes(actor=admin, batch_id=make(admin).pk, anew=True)[1]) == 10

    def test_what_has_ended_is_not_exported(self, admin: User, clock: Clock) -> None:
        void, over = make(admin), make(admin, key="2")
        void_batch(actor=admin, batch_id=void.pk)
        clock.move(days=6)
        for batch in (void, over):
            with pytest.raises(BatchEnded):
                export_codes(actor=admin, batch_id=batch.pk)

    def test_ten_thousand(self, admin: User, settings: Settings) -> None:
        settings.ADJUSTMENT_APPROVAL_CREDITS = 10_000
        batch = make(admin, count=10_000, worth=1)
        assert len(export_codes(actor=admin, batch_id=batch.pk)[1]) == 10_000

    def test_no_such_batch(self, admin: User) -> None:
        for act in (export_codes, void_batch):
            with pytest.raises(NoBatch):
                act(actor=admin, batch_id=2**62)


class TestVoid:
    def test_it_ends_what_nobody_redeemed(self, admin: User, alice: User, bob: User) -> None:
        batch, codes = make_codes(admin, 3)
        take(alice, codes[0])
        ended = void_batch(actor=admin, batch_id=batch.pk, reason="Lost")
        assert (ended.state, ended.redeemed) == ("void", 1)
        with pytest.raises(DomainError, match="brings nothing"):
            take(bob, codes[1])
        entry = AuditEntry.objects.get(action="codes.void")
        assert (entry.after, entry.reason) == ({"ended": 2, "redeemed": 1}, "Lost")

    def test_twice_is_once(self, admin: User) -> None:
        batch = make(admin)
        first = void_batch(actor=admin, batch_id=batch.pk)
        again = void_batch(actor=make_admin(), batch_id=batch.pk)
        assert (first.voided_by, first.voided_at) == (again.voided_by, again.voided_at)
        assert AuditEntry.objects.filter(action="codes.void").count() == 1
