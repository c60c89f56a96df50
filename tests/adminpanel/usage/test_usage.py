"""GET /admin/usage: everybody's rows, their filters, sums and pages."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from credits.ledger import refund_charge
from credits.models import UsageHistory, User
from credits.reports.journal import PAGE, Filters, find_matches, get_page, matching
from credits.reports.rollup import close_days
from tests.adminpanel.usage.rows import (
    DAY,
    FILTERS,
    asked,
    image,
    rows_of,
    spelt,
    sums_of,
    three_days,
    today,
)
from tests.clock import Clock
from tests.factories import make_charge, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("closed", [False, True], ids=["journal", "rollup"])
@pytest.mark.parametrize("query, means", FILTERS, ids=[str(one) for one, _ in FILTERS])  # noqa: PT006
def test_filters_find_the_rows_and_their_sums(
    desk: Client, noon: Clock, alice: User, bob: User, query: Any, means: Any, closed: bool
) -> None:
    three_days(alice, bob, noon)
    if closed:
        assert close_days() == 2
    page = asked(desk, **spelt(query))
    rows = UsageHistory.objects.select_related("user", "hold", "refund_of").order_by("-pk")
    expected = [row for row in rows if means(row)]
    assert rows_of(page) == [row.pk for row in expected]
    plural = "" if len(expected) == 1 else "s"
    assert f"<b>{len(expected)}</b> row{plural}" in page
    if not expected:
        assert "No such rows" in page
        return
    sums = {key: int(value) for key, (_, value) in sums_of(page).items()}
    assert sums["Spent"] == sum(row.credits_used for row in expected if row.unit_cost is not None)
    of_rows = -sum(row.credits_used for row in expected)
    assert of_rows == (
        sums["Refunded"] + sums["Granted"] + sums["Adjusted"] - sums["Spent"] - sums["Expired"]
    )


class TestBadInput:
    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("kind=tea", "There is no such choice."),
            ("feature=ai_tea", "There is no such choice."),
            ("state=ajar", "There is no such choice."),
            ("way=up", "There is no such choice."),
            ("sync=x", "There is no such sync."),
            ("sync=00000000-0000-4000-8000-000000000000", "There is no such sync."),
            ("from=yesterday", "Write a day as 2026-11-30."),
            ("to=2026-13-01", "Write a day as 2026-11-30."),
            ("from=0001-01-01", "There is nothing before 2020."),
            ("to=9999-12-31", "There is nothing after 2100."),
            ("from=2026-02-02&to=2026-02-01", "The first day is after the last one."),
            ("user=nobody%40example.com", "Nobody has this id or e-mail."),
            ("user=999999999", "Nobody has this id or e-mail."),
            ("user=99999999999999999999999", "Nobody has this id or e-mail."),
            ("user=%D9%A1", "Nobody has this id or e-mail."),
            ("user=%00", "Null characters"),
            ("model=%00", "Null characters"),
            ("reason=a%00b", "Null characters"),
            ("model=" + "m" * 501, "at most 500 characters"),
            ("row=0", "There is no such row."),
            ("row=-1", "There is no such row."),
            ("row=1.5", "There is no such row."),
            ("row=99999999999999999999", "There is no such row."),
            ("before=x", "There is no such row."),
            ("after=9223372036854775807", "There is no such row."),
            ("reason=x&kind=charge", "Only refunds have a reason of this kind."),
        ],
    )
    def test_is_answered_with_a_sentence(
        self, desk: Client, alice: User, query: str, said: str
    ) -> None:
        answer = desk.get(f"/admin/usage?{query}")
        assert answer.status_code == 400
        assert said in answer.text
        assert rows_of(answer.text) == []
        assert desk.get(f"/admin/usage.csv?{query}").status_code == 400

    @pytest.mark.parametrize(
        "query",
        ["model=%27%22%3B--", "reason=%25", "user=+", "kind=&from=&to=&row=&user=", "x=y",
         "row=9223372036854775806", "before=1", "after=9223372036854775806", "model=%EF%BF%BD"],
    )  # fmt: skip
    def test_what_is_only_odd_finds_little_and_breaks_nothing(
        self, desk: Client, alice: User, query: str
    ) -> None:
        assert desk.get(f"/admin/usage?{query}").status_code == 200
        file = desk.get(f"/admin/usage.csv?{query}")
        assert file.getvalue().startswith(b"Row,")

    def test_what_was_written_comes_back_as_text(self, desk: Client) -> None:
        page = desk.get('/admin/usage?model="><script>alert(1)</script>&kind=x').text
        assert "<script>alert" not in page
        assert "&quot;&gt;&lt;script&gt;" in page


def test_each_sum_leads_to_the_rows_that_make_it(
    desk: Client, noon: Clock, alice: User, bob: User
) -> None:
    three_days(alice, bob, noon)
    page = asked(desk, first=today() - 3 * DAY)
    linked = {label: found for label, found in sums_of(page).items() if found[0]}
    assert {"Spent", "Refunded", "Granted"} <= set(linked)
    for label, (href, value) in linked.items():
        rows = desk.get(unescape(href)).text
        assert sums_of(rows)[label] == (href, value)
        assert {found for _, found in sums_of(rows).values()} == {"0", value}
        assert f"from={today() - 3 * DAY}" in href


class TestPages:
    @pytest.mark.parametrize("closed", [False, True], ids=["journal", "rollup"])
    @pytest.mark.parametrize("query", [{}, {"kind": "refund"}, {"model": "rare"}])
    def test_lead_through_all_rows_and_back(
        self, desk: Client, noon: Clock, query: dict[str, Any], closed: bool
    ) -> None:
        """Over days, some of which have none of what is looked for."""
        users = [make_user(credits=500) for _ in range(3)]
        noon.move(days=-6)
        for day in range(6):
            for n in range(40):
                charge = make_charge(users[n % 3], details={"model": "rare" if day % 2 else "m"})
                if day != 3:
                    refund_charge(charge_id=charge.id, reason="r", idempotency_key=f"{day}.{n}")
            noon.move(days=1)
        if closed:
            assert close_days() == 6
        expected = [row.pk for row in matching(Filters(**query)).order_by("-pk")]
        assert len(expected) > 2 * PAGE
        seen, page, addresses = [], asked(desk, **query), []
        while True:
            seen += rows_of(page)
            further = re.search(r'rel="next" href="([^"]+)"', page)
            if not further:
                break
            page = desk.get(further[1].replace("&amp;", "&")).text
            addresses.append(rows_of(page))
        assert seen == expected
        for earlier in [*addresses[:-1][::-1], expected[:PAGE]]:
            back = re.search(r'rel="prev" href="([^"]+)"', page)
            assert back
            page = desk.get(back[1].replace("&amp;", "&")).text
            assert rows_of(page) == earlier
        assert 'rel="prev"' not in page

    def test_a_rare_row_is_found_without_reading_the_common_ones(
        self, noon: Clock, alice: User
    ) -> None:
        """The rollup says between which ids the rare rows are."""
        noon.move(days=-3)
        rare = image(alice, model="rare")
        for _ in range(20):
            make_charge(alice)
        noon.move(days=1)
        make_charge(alice)
        noon.move(days=2)
        close_days()
        filters = Filters(model="rare")
        found = find_matches(filters)
        assert found.spans == [(rare, rare)]
        assert [one.id for one in get_page(filters, found).rows] == [rare]


class TestLines:
    def test_say_who_what_and_lead_on(self, desk: Client, alice: User, bob: User) -> None:
        charge = image(alice, 2, model="painter")
        refund = refund_charge(
            charge_id=charge, reason="empty_answer", idempotency_key="a", amount=5
        )
        page = asked(desk, user="alice@example.com")
        line = page[page.index(f'id="row-{charge}"') :].split("</tr>")[0]
        assert f'href="/admin/users/{alice.pk}">alice@example.com</a>' in line
        assert "2 images" in line and "painter" in line
        assert f'href="/admin/usage?row={refund.id}"' in line
        assert f'href="/admin/users/charges/{charge}/refund"' in line
        returned = page[page.index(f'id="row-{refund.id}"') :].split("</tr>")[0]
        assert f'href="/admin/usage?row={charge}"' in returned
        assert "painter" in returned, "A refund counts for the model of its charge."
        assert "/refund" not in returned

    def test_only_what_can_be_refunded_offers_it(self, desk: Client, alice: User) -> None:
        whole = make_charge(alice, 2)
        refund_charge(charge_id=whole.id, reason="r", idempotency_key="a")
        held = make_charge(alice, 1, hold=True)
        open_ = make_charge(alice, 1)
        page = asked(desk)
        assert f"charges/{open_.id}/refund" in page
        assert f"charges/{whole.id}/refund" not in page
        assert f"charges/{held.id}/refund" not in page
        assert "in flight" in page

    def test_one_row_comes_with_those_it_belongs_to(self, desk: Client, alice: User) -> None:
        charge = make_charge(alice, 5)
        first, second = (
            refund_charge(charge_id=charge.id, reason="r", idempotency_key=key, amount=1).id
            for key in "ab"
        )
        other = make_charge(alice, 1).id
        for row in (charge.id, first, second):
            assert rows_of(asked(desk, row=row)) == [second, first, charge.id]
        assert rows_of(asked(desk, row=other)) == [other]
        assert "No such rows" in asked(desk, row=other + 1000)

    def test_an_empty_journal_says_what_to_do(self, desk: Client) -> None:
        assert "Nothing has moved yet" in asked(desk)


class TestFragment:
    def test_htmx_gets_the_rows_alone_and_the_rest_gets_the_page(
        self, desk: Client, alice: User
    ) -> None:
        part = desk.get("/admin/usage", headers={"HX-Request": "true"})
        assert part.text.lstrip().startswith('<div class="stack" id="found">')
        assert "HX-Request" in part["Vary"]
        for header in ("HX-Boosted", "HX-History-Restore-Request"):
            whole = desk.get("/admin/usage", headers={"HX-Request": "true", header: "true"})
            assert "<!doctype html>" in whole.text

    def test_a_mistake_is_shown_there_too(self, desk: Client) -> None:
        part = desk.get("/admin/usage?kind=tea", headers={"HX-Request": "true"})
        assert part.status_code == 422
        assert "There is no such choice." in part.text


def test_sums_of_a_user_with_very_many_rows_say_that_they_are_of_the_newest(
    desk: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.reports.journal.SUMMED", 3)
    for _ in range(5):
        make_charge(alice, 2)
    page = asked(desk, user=alice.pk)
    assert "<b>3</b> rows" in page
    assert "the newest; there may be more" in page
    assert sums_of(page)["Spent"][1] == "6"
