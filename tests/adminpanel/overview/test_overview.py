"""The overview's numbers, each with the rows that make it."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from adminpanel.overview.charts import charts_of
from adminpanel.overview.metrics import DAYS, get_overview, percent
from credits.adjustments import adjust_credits
from credits.catalogue.models import fill_catalogue
from credits.features import ALL_FEATURES
from credits.ledger import deduct_credits_for_feature, refund_charge, release_charge
from credits.models import User, WebhookDelivery
from credits.reports.rollup import close_days
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user
from tests.ledger import sql

pytestmark = pytest.mark.django_db


def today() -> date:
    return datetime.now(UTC).date()


def busy(user: User, clock: Clock) -> None:
    """Of everything something: 9 spent on text and 10 on images, 4 of text came back."""
    fill_catalogue()
    make_grant(user, 50, expires_at=clock.now() + timedelta(seconds=30))
    make_charge(user, 9, details={"model": "smollm2-135m"})
    deduct_credits_for_feature(
        user_id=user.pk, feature="ai_image_generation", quantity=2, details={"model": "painter"}
    )
    charge = make_charge(user, 4, hold=True, details={"model": "smollm2-135m"})
    release_charge(charge_id=charge.id, reason="provider_timeout")
    clock.move(seconds=31)
    make_charge(make_user(credits=3), 1)
    adjust_credits(
        user_id=user.pk, delta=-2, target=None, reason="test", actor="x", idempotency_key="a"
    )


class TestNumbers:
    def test_what_moved_today_and_in_thirty_days(self, noon: Clock, alice: User) -> None:
        noon.move(days=-2)
        make_charge(alice, 5)
        noon.move(days=2)
        busy(alice, noon)
        for _ in range(2):
            lines = {(one.label, one.part): one for one in get_overview(today()).lines}
            of = {
                label: (one.today.credits, one.days.credits)
                for (label, part), one in lines.items()
                if not part
            }
            assert of == {
                "Spent": (24, 29),
                "Refunded": (4, 4),
                "Granted": (153, 153),
                "Expired": (31, 31),
                "Adjusted": (-2, -2),
            }
            assert lines["Text chat", True].days.credits == 4, "the refunded part of text"
            assert lines["Image", True].today.credits == 0
            close_days()

    def test_every_number_leads_to_rows_that_add_up_to_it(
        self, desk: Client, noon: Clock, alice: User
    ) -> None:
        noon.move(days=-1)
        busy(alice, noon)
        noon.move(days=1)
        make_charge(alice, 3)
        names = {"Spent": "Spent", "Refunded": "Refunded", "Granted": "Granted",
                 "Expired": "Expired", "Adjusted": "Adjusted"}  # fmt: skip
        column = ""
        for line in get_overview(today()).lines:
            column = names.get(line.label, column)
            for number in (line.today, line.days):
                page = desk.get(number.href)
                assert page.status_code == 200
                assert f"<b>{number.rows}</b> row" in page.text
                if number.rows:
                    shown = re.search(rf"<dt>{column}</dt><dd>(?:<a [^>]*>)?(-?\d+)<", page.text)
                    assert shown and int(shown[1]) == number.credits

    def test_refund_rate_reasons_and_models(self, noon: Clock, alice: User) -> None:
        busy(alice, noon)
        refunds = get_overview(today()).refunds
        assert refunds.percent == percent(4, 24) == 16.7
        assert refunds.of_charges == 25.0
        assert [(one.label, one.rows, one.credits) for one in refunds.reasons] == [
            ("the provider took too long", 1, 4)
        ]
        models = {one.label: (one.rows, one.credits, one.refunded) for one in refunds.models}
        assert models["SmolLM2 135M"] == (2, 13, 4)
        assert models["painter"] == (1, 10, 0)

    def test_days_before_the_range_are_not_in_it(self, noon: Clock, alice: User) -> None:
        noon.move(days=-DAYS)
        make_charge(alice, 5)
        noon.move(days=1)
        make_charge(alice, 2)
        noon.move(days=DAYS - 1)
        for _ in range(2):
            figures = get_overview(today())
            assert figures.lines[0].days.credits == 2
            assert (figures.active, figures.active_today) == (1, 0)
            close_days()

    def test_what_stands_now(self, noon: Clock, alice: User, bob: User) -> None:
        make_charge(alice, 4, hold=True)
        make_charge(bob, 1, hold=True, lease_seconds=2)
        noon.move(seconds=3)
        WebhookDelivery.objects.create(svix_id="a", type="t", payload={}, error="ValueError")
        WebhookDelivery.objects.create(svix_id="b", type="t", payload={})
        WebhookDelivery.objects.create(  # It was processed, and its replay failed.
            svix_id="c", type="t", payload={}, error="ValueError", processed_at=noon.now()
        )
        now = get_overview(today()).now
        assert (now.liability, now.holders) == (96 + 9, 2)
        assert (now.in_flight, now.held, now.overdue, now.webhooks_failed) == (2, 5, 1, 2)

    def test_what_stands_now_leads_to_as_many(
        self, desk: Client, noon: Clock, alice: User, bob: User, carol: User
    ) -> None:
        make_charge(alice, 4, hold=True)
        make_charge(bob, 10)
        for n, processed in enumerate([None, noon.now()]):
            WebhookDelivery.objects.create(
                svix_id=str(n), type="t", payload={}, error="E", processed_at=processed
            )
        page = desk.get("/admin").text
        of = {key: unescape(href) for href, key in re.findall(
            r'<a href="([^"]+)">(?:[^<]+)</a> (user|held)', page)}  # fmt: skip
        assert [str(one) for one in desk.get(of["user"]).context["page"].rows] == [str(alice)]
        assert [one.credits_used for one in desk.get(of["held"]).context["page"].rows] == [4]
        failed = desk.get("/admin/webhooks?status=failed").context["page"].rows
        assert len(failed) == get_overview(today()).now.webhooks_failed == 2


class TestPage:
    def test_an_empty_site_says_so_and_does_not_divide_by_nothing(self, desk: Client) -> None:
        page = desk.get("/admin")
        assert page.status_code == 200
        assert "Nobody spent anything in these 30 days." in page.text
        assert page.text.count("<svg viewBox") >= 3

    def test_charts_and_their_tables_say_the_same(
        self, desk: Client, noon: Clock, alice: User
    ) -> None:
        busy(alice, noon)
        charts = charts_of(get_overview(today()))
        assert [len(chart.bars) for chart in charts] == [DAYS] * 3
        spent, refunded, active = (chart.bars[-1] for chart in charts)
        unused = [0] * (len(ALL_FEATURES) - 2)
        assert (spent.values, refunded.values, active.values) == ([14, 10, *unused], [4], [2])
        assert sum(part.height for part in spent.parts) == 100
        assert spent.parts[-1].y == 0
        table = desk.get("/admin").text
        label = f"{today().day} {today():%b}"
        cells = rf">{label}</a></td><td class=\"n\">14</td><td class=\"n\">10</td>"
        assert re.search(cells, table)

    def test_every_link_of_the_page_answers(self, desk: Client, noon: Clock, alice: User) -> None:
        busy(alice, noon)
        page = desk.get("/admin").text
        links = {unescape(href) for href in re.findall(r'href="(/admin[^"]*)"', page)}
        assert len(links) > 40
        broken = {link for link in links if desk.get(link).status_code != 200}
        assert not broken

    def test_it_asks_few_questions_of_the_database(
        self,
        desk: Client,
        noon: Clock,
        alice: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for n in range(5):
            make_charge(alice, 1, details={"model": f"m{n}"})
        with django_assert_max_num_queries(24):
            desk.get("/admin")

    def test_a_reason_that_an_admin_wrote_is_text(
        self, desk: Client, noon: Clock, alice: User
    ) -> None:
        charge = make_charge(alice, 2)
        reason = "<script>alert(1)</script> & more"
        refund_charge(charge_id=charge.id, reason=reason, idempotency_key="r")
        page = desk.get("/admin").text
        assert "<script>alert" not in page
        link = next(one for one in get_overview(today()).refunds.reasons).href
        assert f'href="{link.replace("&", "&amp;")}"' in page
        assert "<b>1</b> row" in desk.get(link).text


def test_the_page_reads_closed_days_from_the_rollup(noon: Clock, alice: User) -> None:
    """Else it would be slow on a large journal; the checks prove that both say the same."""
    noon.move(days=-3)
    make_charge(alice, 5)
    noon.move(days=3)
    close_days()
    sql("UPDATE credits_usageslice SET credits = 500 WHERE kind = 'charge'")
    try:
        assert get_overview(today()).lines[0].days.credits == 500
    finally:
        sql("UPDATE credits_usageslice SET credits = 5 WHERE kind = 'charge'")
