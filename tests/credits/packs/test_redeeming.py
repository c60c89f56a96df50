"""A code is redeemed once, by one who may; and who guesses learns nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from config.errors import DomainError
from credits.integrity.run import run_checks
from credits.ledger import get_balance, grant_credits
from credits.models import AuditEntry, CodeBatch, CreditGrant, RateLimit, RedeemCode, User
from credits.packs import redeeming
from credits.packs.batches import export_codes, make_batch, void_batch
from credits.packs.codes import CodeMistyped, new_code
from credits.packs.redeeming import CodeRefused, OnePerUser, OwnCode, TooManyCodesTried
from tests.clock import Clock
from tests.credits.packs.making import day, make_codes, make_pack, take
from tests.factories import make_admin, make_user
from tests.ledger import sql
from tests.parallel import count_of, in_parallel

pytestmark = pytest.mark.django_db


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def test_its_credits_come_and_do_not_expire(admin: User, alice: User) -> None:
    batch, [code] = make_codes(admin, pack_id=make_pack("Large", credits=70).pk, worth=None)
    done = take(alice, code.lower())
    assert (done.credits, done.balance, done.replayed, balance(alice)) == (70, 170, False, 170)
    grant = CreditGrant.objects.latest("pk")
    assert (grant.source, grant.amount, grant.expires_at) == ("pack", 70, None)
    row = grant.usage.get()
    assert (row.pk, row.what, row.details["batch"]) == (done.usage_id, "Code redeemed", batch.pk)
    saved = RedeemCode.objects.get()
    assert (saved.account_id, saved.grant, saved.redeemed_at) == (alice.pk, grant, done.at)
    entry = AuditEntry.objects.get(action="code.redeem")
    assert (entry.user, entry.before, entry.after, entry.actor) == (alice, 100, 170, None)
    assert entry.target == f"batch {batch.pk} code 1"


def test_who_redeemed_it_is_told_again_also_after_its_end(
    admin: User, alice: User, clock: Clock
) -> None:
    batch, [code] = make_codes(admin)
    first = take(alice, code)
    void_batch(actor=admin, batch_id=batch.pk)
    clock.move(days=60)
    again = take(alice, code)
    assert again == first._replace(replayed=True)
    assert balance(alice) == 120


def test_others_learn_nothing(admin: User, alice: User, bob: User, clock: Clock) -> None:
    """An unknown code, one that is redeemed, void, replaced and over: the same answer."""
    _, [redeemed] = make_codes(admin)
    voided, [void] = make_codes(admin)
    renewed, [replaced] = make_codes(admin)
    take(alice, redeemed)
    void_batch(actor=admin, batch_id=voided.pk)
    export_codes(actor=admin, batch_id=renewed.pk, anew=True)
    _, [over] = make_codes(admin, last_day=day(1))
    clock.move(days=2)
    answers = set()
    for code in (new_code(), redeemed, void, replaced, over):
        with pytest.raises(CodeRefused) as refusal:
            take(bob, code)
        answers.add((refusal.value.status, str(refusal.value.body)))
    assert len(answers) == 1
    assert balance(bob) == 10


@pytest.mark.parametrize(("minutes", "is_taken"), [(-1, True), (0, False)])
def test_the_last_day_is_included(
    admin: User, alice: User, clock: Clock, minutes: int, is_taken: bool
) -> None:
    batch, [code] = make_codes(admin, last_day=day(3))
    clock.freeze(batch.expires_at + timedelta(minutes=minutes))
    if is_taken:
        assert take(alice, code).credits == 20
    else:
        with pytest.raises(CodeRefused):
            take(alice, code)


def test_one_of_a_batch_for_each_unless_it_says_otherwise(
    admin: User, alice: User, bob: User
) -> None:
    _, codes = make_codes(admin, 2)
    take(alice, codes[0])
    with pytest.raises(OnePerUser):
        take(alice, codes[1])
    assert take(bob, codes[1]).credits == 20
    _, more = make_codes(admin, 2, once_per_user=False)
    for code in more:
        take(alice, code)
    assert balance(alice) == 160


def test_who_knows_the_codes_does_not_gain(admin: User, settings: Settings) -> None:
    """Maker, approver and exporter; the database refuses them too."""
    exporter = make_admin()
    settings.ADJUSTMENT_APPROVAL_CREDITS = 100
    batch = make_batch(actor=admin, count=2, worth=20, last_day=day(5), key="k")
    _, [code, _] = export_codes(actor=exporter, batch_id=batch.pk)
    for knows in (admin, exporter):
        with pytest.raises(OwnCode):
            take(knows, code)
    row = RedeemCode.objects.get(number=1)
    with transaction.atomic():
        with pytest.raises(IntegrityError, match="cannot be redeemed so"):
            redeem_by_hand(exporter, row)
        assert offences("grant_of_a_code_has_it") == 1
        transaction.set_rollback(True)


def redeem_by_hand(user: User, row: RedeemCode) -> None:
    """As `redeem` does it, without any of its questions; its grant stays when it is refused."""
    grant = grant_credits(
        user_id=user.pk, source=CreditGrant.Source.PACK, amount=20, key=f"code:{row.pk}"
    )
    with transaction.atomic():
        RedeemCode.objects.filter(pk=row.pk).update(
            account_id=user.pk, grant_id=grant.id, redeemed_at=row.batch.made_at
        )


def offences(name: str) -> int:
    return next(result.offences for result in run_checks() if result.check.name == name)


class TestByHand:
    """What the database refuses, whoever asks."""

    def redeemed(self, admin: User, alice: User) -> RedeemCode:
        _, [code] = make_codes(admin)
        take(alice, code)
        return RedeemCode.objects.get()

    @pytest.mark.parametrize(
        "change", [{"account_id": None, "grant_id": None, "redeemed_at": None}, {"digest": "x"}]
    )
    def test_a_redeemed_code_stays(self, admin: User, alice: User, change: dict[str, Any]) -> None:
        row = self.redeemed(admin, alice)
        with pytest.raises(IntegrityError, match="redeemed once"), transaction.atomic():
            RedeemCode.objects.filter(pk=row.pk).update(**change)
        with pytest.raises(IntegrityError, match="stays with its batch"), transaction.atomic():
            RedeemCode.objects.filter(pk=row.pk).delete()

    @pytest.mark.parametrize(
        "change", [{"worth": 21}, {"count": 9}, {"expires_at": datetime(2090, 1, 1, tzinfo=UTC)}]
    )
    def test_a_batch_stays_as_made(self, admin: User, change: dict[str, Any]) -> None:
        make_codes(admin)
        with pytest.raises(IntegrityError, match="stays as it was made"), transaction.atomic():
            CodeBatch.objects.update(**change)

    def test_a_void_batch_stays_void(self, admin: User) -> None:
        batch, _ = make_codes(admin)
        void_batch(actor=admin, batch_id=batch.pk)
        with pytest.raises(IntegrityError, match="void once it is"), transaction.atomic():
            CodeBatch.objects.update(voided_by=None, voided_at=None)

    @pytest.mark.parametrize("table", ["credits_codebatch CASCADE", "credits_redeemcode"])
    def test_nothing_is_emptied(self, admin: User, table: str) -> None:
        make_codes(admin)
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="refuses TRUNCATE"), transaction.atomic():
            sql(f"TRUNCATE {table}")

    @pytest.mark.parametrize("number", [0, 3])
    def test_no_code_beside_those_it_was_made_for(self, admin: User, number: int) -> None:
        batch, _ = make_codes(admin, 2)
        with pytest.raises(IntegrityError, match="made for no such code"), transaction.atomic():
            RedeemCode.objects.create(batch=batch, number=number, digest="x", once_per_user=True)

    @pytest.mark.parametrize(
        "wrong", [{"amount": 21}, {"key": "code:0"}, {"source": CreditGrant.Source.ADJUSTMENT}]
    )
    def test_not_without_its_grant(self, admin: User, alice: User, wrong: dict[str, Any]) -> None:
        batch, _ = make_codes(admin)
        row = RedeemCode.objects.get()
        grant: dict[str, Any] = {
            "source": CreditGrant.Source.PACK, "amount": 20, "key": f"code:{row.pk}", **wrong,
        }  # fmt: skip
        with transaction.atomic():
            granted = grant_credits(user_id=alice.pk, **grant)
            with pytest.raises(IntegrityError, match="cannot be redeemed so"), transaction.atomic():
                RedeemCode.objects.update(
                    account_id=alice.pk, grant_id=granted.id, redeemed_at=batch.made_at
                )
            transaction.set_rollback(True)


class TestGuesses:
    def test_a_user_s_are_bounded_and_right_ones_do_not_count(
        self, admin: User, alice: User, bob: User
    ) -> None:
        _, codes = make_codes(admin, 12, once_per_user=False)
        for code in codes[:11]:
            take(alice, code)
        for _ in range(10):
            with pytest.raises(CodeRefused):
                take(alice, new_code())
        with pytest.raises(TooManyCodesTried) as refusal:
            take(alice, codes[11])
        assert (refusal.value.status, refusal.value.code) == (429, "too_many_codes")
        assert 0 < refusal.value.retry_seconds <= 3600
        assert take(bob, codes[11]).credits == 20

    def test_an_address_s_are_bounded(self, admin: User, settings: Settings) -> None:
        settings.REDEMPTIONS_PER_HOUR_AND_ADDRESS = 3
        _, [code] = make_codes(admin)
        for _ in range(3):
            with pytest.raises(CodeRefused):
                take(make_user(), new_code())
        with pytest.raises(TooManyCodesTried):
            take(make_user(), code)
        done = redeeming.redeem(user=make_user(), code=code, address="198.51.100.1")
        assert done.credits == 20

    def test_a_typing_error_is_neither_counted_nor_looked_up(
        self, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        code = new_code()
        wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
        with django_assert_num_queries(0), pytest.raises(CodeMistyped):
            take(alice, wrong)
        assert not RateLimit.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once_do_not_pass_the_bound(self, alice: User) -> None:
        codes = [new_code() for _ in range(30)]
        answers = in_parallel(30, lambda n: take(alice, codes[n]), catch=DomainError)
        assert count_of(answers, CodeRefused) == 10
        assert count_of(answers, TooManyCodesTried) == 20


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    @pytest.fixture(autouse=True)
    def unlimited(self, settings: Settings) -> None:
        settings.REDEMPTIONS_PER_HOUR = settings.REDEMPTIONS_PER_HOUR_AND_ADDRESS = 1000

    def test_fifty_people_redeem_one_code(self, admin: User) -> None:
        _, [code] = make_codes(admin)
        people = [make_user() for _ in range(50)]
        answers = in_parallel(50, lambda n: take(people[n], code), catch=DomainError)
        assert count_of(answers, CodeRefused) == 49
        assert sum(map(balance, people)) == 20

    def test_one_redeems_it_twice(self, admin: User, alice: User) -> None:
        _, [code] = make_codes(admin)
        answers = in_parallel(20, lambda _: take(alice, code))
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
        assert {answer.usage_id for answer in answers} == {answers[0].usage_id}
        assert balance(alice) == 120

    def test_one_redeems_all_of_a_batch(self, admin: User, alice: User) -> None:
        _, codes = make_codes(admin, 20)
        answers = in_parallel(20, lambda n: take(alice, codes[n]), catch=DomainError)
        assert count_of(answers, OnePerUser) == 19
        assert balance(alice) == 120

    def test_beside_an_export_anew_and_the_end(self, admin: User) -> None:
        """Neither waits for the other in a circle, and each code that was redeemed stays."""
        batch, codes = make_codes(admin, 30)
        people = [make_user() for _ in range(30)]

        def act(number: int) -> object:
            if number == 30:
                return export_codes(actor=admin, batch_id=batch.pk, anew=True)
            if number == 31:
                return void_batch(actor=admin, batch_id=batch.pk)
            return take(people[number], codes[number])

        in_parallel(32, act, catch=DomainError)
        redeemed = RedeemCode.objects.filter(RedeemCode.REDEEMED).count()
        assert sum(map(balance, people)) == 20 * redeemed

    @pytest.mark.parametrize("step", ["grant_credits", "ledger_now", "_of"])
    def test_an_error_between_two_steps_leaves_nothing(
        self, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        _, [code] = make_codes(admin)

        def fail(*_: object, **__: object) -> None:
            raise OSError("The connection is gone.")

        with monkeypatch.context() as patch:
            patch.setattr(redeeming, step, fail)
            with pytest.raises(OSError, match="is gone"):
                take(alice, code)
        assert (balance(alice), RedeemCode.objects.filter(RedeemCode.REDEEMED).count()) == (100, 0)
        assert take(alice, code).balance == 120


def test_the_once_of_a_user_is_kept_by_the_database_too(admin: User, alice: User) -> None:
    _, codes = make_codes(admin, 2)
    take(alice, codes[0])
    with transaction.atomic():
        with pytest.raises(IntegrityError, match="code_once_per_user"):
            redeem_by_hand(alice, RedeemCode.objects.get(account=None))
        assert offences("grant_of_a_code_has_it") == 1
        transaction.set_rollback(True)
