"""Days are closed once, when nobody can write into them any more, and then say what the journal
says."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from credits.models.rollup import ActiveAccount, UsageDay, UsageSlice
from credits.reports.rollup import (
    BEGINNING,
    Slice,
    Slicing,
    active_users,
    close_days,
    open_since,
    rebuild,
    slices,
    spans,
)
from credits.tasks import close
from tests.clock import Clock
from tests.credits.reports.days import TENTH, a_day_of, journal, totals
from tests.factories import make_charge, make_user


@pytest.mark.django_db
class TestClosing:
    def test_a_day_that_is_not_over_stays_open(self, days: Clock) -> None:
        a_day_of(make_user())
        assert close_days() == 0
        days.move(hours=12, seconds=60)
        assert close_days() == 0, "Somebody's row may still be dated before midnight."
        days.move(seconds=61)
        assert close_days() == 1
        assert open_since() == TENTH + timedelta(days=1)

    def test_an_empty_journal_has_no_days(self, days: Clock) -> None:
        assert close_days() == 0
        assert open_since() == BEGINNING
        assert slices(Slicing()) == []
        assert active_users(first=TENTH) == ({}, 0)

    def test_days_without_rows_are_closed_too(self, days: Clock) -> None:
        make_charge(make_user(credits=5))
        days.move(days=3)
        assert close_days() == 3
        assert [one.rows for one in UsageDay.objects.order_by("day")] == [2, 0, 0]

    def test_the_sums_are_those_of_the_rows_closed_or_not(self, days: Clock) -> None:
        for _ in range(3):
            a_day_of(make_user())
            a_day_of(make_user(credits=20))
            days.move(days=1)
        expected = journal()
        assert len(expected) > 8
        assert totals() == expected, "all of it read from the journal"
        assert close_days() == 3
        assert totals() == expected, "all of it read from the rollup"
        a_day_of(make_user())
        assert totals() == journal() != expected, "and what is new from the journal"

    def test_a_refund_counts_for_the_model_of_its_charge(self, days: Clock) -> None:
        a_day_of(make_user())
        for _ in range(2):
            found = slices(Slicing(model="m1"))
            assert {(one.kind, one.credits) for one in found} == {("charge", 3), ("refund", -2)}
            days.move(days=1)
            close_days()

    def test_filters_and_ranges_choose_slices(self, days: Clock) -> None:
        a_day_of(make_user())
        days.move(days=1)
        close_days()
        a_day_of(make_user())
        assert totals(Slicing(reason="goodwill", last=TENTH)) == {(TENTH, "refund"): (1, -2)}
        assert totals(Slicing(first=TENTH + timedelta(days=2))) == {}
        tomorrow = TENTH + timedelta(days=1)
        assert set(totals(Slicing(first=tomorrow, kind="charge"))) == {(tomorrow, "charge")}

    def test_a_day_that_is_closed_while_somebody_reads_is_not_read_twice(
        self, days: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a_day_of(make_user())
        days.move(days=1)
        close_days()
        monkeypatch.setattr("credits.reports.rollup.open_since", lambda: TENTH)
        assert totals() == journal()

    def test_it_is_done_again_from_nothing_when_asked(self, days: Clock) -> None:
        a_day_of(make_user())
        days.move(days=2)
        close_days()
        before = sorted(UsageSlice.objects.values_list("kind", "rows", "credits"))
        UsageSlice.objects.update(rows=1)
        out = StringIO()
        call_command("rollup", "--rebuild", stdout=out)
        assert out.getvalue() == "2 days closed.\n"
        assert sorted(UsageSlice.objects.values_list("kind", "rows", "credits")) == before

    def test_the_worker_closes_days(self, days: Clock) -> None:
        make_user(credits=5)
        days.move(days=1)
        close(0)
        assert UsageDay.objects.count() == 1


@pytest.mark.django_db
class TestActiveUsers:
    def test_each_counts_once_a_day_and_once_in_all(self, days: Clock) -> None:
        often, once, never = (make_user(credits=50) for _ in range(3))
        make_charge(once)
        for _ in range(3):
            make_charge(often)
            make_charge(often)
            days.move(days=1)
        make_charge(often)
        expected = {TENTH + timedelta(days=n): 2 if n == 0 else 1 for n in range(4)}
        for _ in range(2):
            assert active_users(first=TENTH) == (expected, 2)
            later = TENTH + timedelta(days=1)
            assert active_users(first=later)[1] == 1
            close_days()
        assert not ActiveAccount.objects.filter(account_id=never.pk).exists()

    def test_who_comes_back_after_a_pause_counts_once(self, days: Clock) -> None:
        user = make_user(credits=50)
        make_charge(user)
        days.move(days=40)
        make_charge(user)
        close_days()
        assert active_users(first=TENTH + timedelta(days=20))[1] == 1
        assert active_users(first=TENTH)[1] == 1


@pytest.mark.django_db
def test_rebuilding_twice_changes_nothing(days: Clock) -> None:
    a_day_of(make_user())
    days.move(days=2)
    assert [rebuild(), rebuild()] == [2, 2]


def test_ranges_of_ids_that_overlap_become_one() -> None:
    made = [slices_at(one) for one in [(50, 60), (1, 5), (20, 30), (28, 40), (4, 10), (41, 45)]]
    assert spans(made) == [(50, 60), (41, 45), (20, 40), (1, 10)]
    wide = [slices_at(one) for one in [(50, 60), (41, 45), (20, 55), (1, 10)]]
    assert spans(wide) == [(20, 60), (1, 10)]


def slices_at(ids: tuple[int, int]) -> Slice:
    return Slice(TENTH, "GRANT", "grant", "", "", 1, 1, *ids)
