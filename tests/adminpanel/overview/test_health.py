"""The health card: what is well, and what it says when something is not."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from adminpanel.overview.health import Sign, ago, get_brief, get_health
from ai_chat.models import DataJob
from credits.features import ALL_FEATURES
from credits.integrity.run import check_and_keep
from credits.ledger import expire_credits
from credits.models import AuditEntry, User, WebhookDelivery
from credits.models.rollup import LedgerCheck
from credits.users.closing import close
from tests.clock import Clock
from tests.factories import make_charge, make_check, make_grant
from tests.ledger import sql

pytestmark = pytest.mark.django_db


def sign(label: str) -> Sign:
    return next(one for one in get_health().signs if one.label == label)


def beat(seconds_ago: int) -> None:
    sql("DELETE FROM procrastinate_workers")
    sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s)",
        timedelta(seconds=seconds_ago))  # fmt: skip


class TestSigns:
    def test_a_worker_that_beats_is_alive(self) -> None:
        assert sign("Worker") == sign("Worker")._replace(state="bad", text="no worker")
        beat(5)
        assert (sign("Worker").state, sign("Worker").text) == ("ok", "worker alive")
        beat(200)
        assert (sign("Worker").state, sign("Worker").text) == ("bad", "worker silent for 3 min")

    def test_the_sweeper_is_expected_every_quarter_of_a_minute(self) -> None:
        assert sign("Sweeper").text == "never ran"
        for age, state in ((20, "ok"), (90, "bad")):
            sql("DELETE FROM procrastinate_periodic_defers")
            sql(
                """INSERT INTO procrastinate_periodic_defers (task_name, periodic_id,
                    defer_timestamp)
                VALUES ('credits.sweep', '', extract(epoch FROM now())::bigint - %s)""",
                age,
            )
            assert sign("Sweeper").state == state

    def test_a_job_that_waits_long_says_so(self) -> None:
        assert sign("Queue").text == "nothing waits"
        sql("""INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at)
            VALUES ('default', 'x', now() + interval '1 hour')""")
        assert sign("Queue").text == "nothing waits", "It is not due yet."
        sql("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '5 minutes'")
        assert (sign("Queue").state, sign("Queue").text) == (
            "bad", "1 job waits, the oldest for 5 min",
        )  # fmt: skip

    def test_failed_jobs_are_counted(self) -> None:
        assert sign("Failed jobs").state == "ok"
        sql("""INSERT INTO procrastinate_jobs (queue_name, task_name, status)
            VALUES ('default', 'x', 'failed')""")
        assert (sign("Failed jobs").state, sign("Failed jobs").text) == ("warn", "1")

    def test_a_webhook_that_lies_unprocessed_says_how_long(self) -> None:
        assert sign("Webhooks").text == "all processed"
        one = WebhookDelivery.objects.create(svix_id="a", type="t", payload={})
        assert sign("Webhooks").state == "ok"
        WebhookDelivery.objects.filter(pk=one.pk).update(
            received_at=timezone.now() - timedelta(hours=3, minutes=1)
        )
        assert (sign("Webhooks").state, sign("Webhooks").text) == (
            "bad", "1 not processed, the oldest for 3 h",
        )  # fmt: skip

    def test_an_erasure_that_does_not_end_is_seen(self, alice: User) -> None:
        assert (sign("Erasures").state, sign("Erasures").text) == ("ok", "none is open")
        close(alice)
        assert sign("Erasures").state == "ok"
        for hours, state in ((2, "warn"), (25, "bad")):
            asked_at = timezone.now() - timedelta(hours=hours, minutes=1)
            DataJob.objects.update(created_at=asked_at)
            assert sign("Erasures").state == state
        assert sign("Erasures").text == "1 open, the oldest for 25 h"

    def test_a_hold_past_its_lease_is_seen(self, alice: User, clock: Clock) -> None:
        make_charge(alice, hold=True, lease_seconds=2)
        assert sign("Holds").state == "ok"
        clock.move(seconds=5)
        assert (sign("Holds").state, sign("Holds").text) == (
            "warn", "1 past its lease",
        )  # fmt: skip
        assert sign("Grants").state == "ok"

    def test_a_grant_past_its_time_is_seen(self, alice: User, clock: Clock) -> None:
        make_grant(alice, 5, expires_at=clock.now() + timedelta(seconds=2))
        assert (sign("Grants").state, sign("Holds").state) == ("ok", "ok")
        clock.move(seconds=5)
        assert (sign("Grants").state, sign("Grants").text) == ("warn", "1 past its time")
        assert sign("Holds").state == "ok"
        expire_credits()

    def test_the_signs_that_count_lead_to_what_they_count(
        self, desk: Client, alice: User, clock: Clock
    ) -> None:
        now = timezone.now()
        for n, (error, processed) in enumerate([("x", None), ("", None), ("x", now), ("", now)]):
            WebhookDelivery.objects.create(
                svix_id=str(n), type="t", payload={}, error=error, processed_at=processed
            )
        assert sign("Webhooks").text.startswith("2 not processed")
        rows = desk.get(sign("Webhooks").href).context["page"].rows
        assert {row.delivery.svix_id for row in rows} == {"0", "1"}
        make_charge(alice, hold=True)
        late = make_charge(alice, hold=True, lease_seconds=2)
        clock.move(seconds=5)
        assert sign("Holds").text.startswith("1 ")
        assert [one.id for one in desk.get(sign("Holds").href).context["page"].rows] == [late.id]

    def test_a_feature_that_the_database_would_refuse_is_seen(self) -> None:
        assert sign("Features").text == f"all {len(ALL_FEATURES)} map to their operation type"
        sql(
            "CREATE OR REPLACE FUNCTION credits_is_charged(operation text) RETURNS boolean"
            " LANGUAGE sql IMMUTABLE AS $$ SELECT operation = 'AI_TEXT_CHAT' $$"
        )
        assert sign("Features").state == "bad"
        assert "ai_image_generation" in sign("Features").text

    def test_the_proof_and_its_age(self) -> None:
        assert sign("Ledger").text == "ledger not checked yet"
        check_and_keep()
        assert sign("Ledger").state == "ok"
        LedgerCheck.objects.update(started_at=timezone.now() - timedelta(minutes=2))
        assert sign("Ledger").text == "ledger checked 2 min ago"
        LedgerCheck.objects.update(started_at=timezone.now() - timedelta(days=2))
        assert sign("Ledger").state == "warn"
        LedgerCheck.objects.update(ok=False)
        assert (sign("Ledger").state, sign("Ledger").text) == ("bad", "ledger has differences")

    @pytest.mark.parametrize(
        ("whole", "changed", "state", "text"),
        [
            ((True, 5), (True, 2), "ok", "ledger checked 2 min ago, the whole 5 min ago"),
            ((True, 2), (True, 5), "ok", "ledger checked 2 min ago"),
            ((True, 60 * 49), (True, 2), "warn", "ledger checked 2 min ago, the whole 2 days ago"),
            ((True, 60 * 30), (True, 60 * 7), "warn", "ledger checked 7 h ago, the whole 30 h ago"),
            ((True, 5), (False, 2), "bad", "ledger has differences"),
            ((False, 5), (True, 2), "bad", "ledger has differences"),
            ((True, 2), (False, 5), "ok", "ledger checked 2 min ago"),
        ],
    )
    def test_the_newest_check_of_each_kind_counts(
        self, whole: tuple[bool, int], changed: tuple[bool, int], state: str, text: str
    ) -> None:
        """A check of what changed says nothing of the rest, and a whole one all there is to say."""
        for of_all, (ok, minutes) in ((True, whole), (False, changed)):
            make_check(
                whole=of_all,
                ok=ok,
                started_at=timezone.now() - timedelta(minutes=minutes, seconds=9),
            )
        assert (sign("Ledger").state, sign("Ledger").text) == (state, text)
        assert (get_brief()[0].state, get_brief()[0].text) == (state, text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (119, "1 min"), (7199, "1 h"),
     (3600 * 47, "47 h"), (86400 * 3, "3 days")],
)  # fmt: skip
def test_ages_in_words(seconds: float, text: str) -> None:
    assert ago(seconds) == text


class TestPages:
    def test_every_page_of_the_desk_says_how_it_stands(self, desk: Client) -> None:
        beat(3)
        check_and_keep()
        for page in ("/admin", "/admin/health", "/admin/usage", "/admin/audit"):
            text = desk.get(page).text
            assert "ledger checked 0 s ago" in text
            assert "worker alive" in text

    def test_it_costs_one_query(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(1):
            get_brief()

    def test_what_differs_is_named(self, desk: Client, alice: User) -> None:
        difference = {"name": "rows_chain", "invariant": "I2", "sentence": "Rows <chain>.",
                      "offender": "row", "offences": 1234, "offenders": ["7", "8"]}  # fmt: skip
        make_check(ok=False, differences=[difference])
        page = desk.get("/admin/health").text
        assert "1,234 broken, first row: 7, 8" in page
        assert "Rows &lt;chain&gt;." in page
        assert "ledger has differences" in desk.get("/admin").text

    def test_checks_of_both_kinds_are_listed_with_their_times(self, desk: Client) -> None:
        make_check(whole=True, seconds=88.25)
        for seconds in range(30):
            make_check(whole=False, seconds=seconds)
        text = desk.get("/admin/health").text
        assert text.count("the whole ledger</td>") == 1
        assert text.count("what changed</td>") == 15
        assert "88.3" in text

    def test_before_the_first_proof_it_says_what_to_do(self, desk: Client) -> None:
        assert "Not proved yet" in desk.get("/admin/health").text

    def test_a_check_is_asked_for_once_and_written_down(self, desk: Client, admin: User) -> None:
        for said in ("as soon as a worker is free", "is asked for already"):
            answer = desk.post("/admin/health/check", follow=True)
            assert said in answer.text
            assert "asked for" in answer.text
        [entry] = AuditEntry.objects.all()
        assert (entry.actor, entry.action) == (admin, "ledger.check")

    def test_it_is_no_link(self, desk: Client) -> None:
        assert desk.get("/admin/health/check").status_code == 405
