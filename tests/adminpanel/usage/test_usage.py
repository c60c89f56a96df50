"""Everybody's rows: filters, sums, pages, the file."""

import csv
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from credits.ledger import (
    adjust_credits,
    deduct_credits_for_feature,
    refund_charge,
    release_charge,
)
from credits.models import AuditEntry, UsageHistory, User
from credits.reports.journal import PAGE, Filters, find_matches, get_page, matching
from credits.reports.rollup import close_days
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user

pytestmark = pytest.mark.django_db


def image(user: User, quantity: int = 1, model: str = "painter") -> int:
    return deduct_credits_for_feature(
        user_id=user.pk,
        feature="ai_image_generation",
        quantity=quantity,
        details={"model": model},
    ).id


def three_days(alice: User, bob: User, clock: Clock) -> None:
    """Rows of every kind on three days, the last of which is today."""
    clock.move(days=-2)
    make_charge(alice, 3, details={"model": "m1"})
    refund_charge(charge_id=image(alice, 2), reason="empty_answer", idempotency_key="a", amount=5)
    clock.move(days=1)
    held = make_charge(bob, 2, hold=True, details={"model": "m1"})
    release_charge(charge_id=held.id, reason="provider_error")
    make_grant(bob, 7, expires_at=clock.now() + timedelta(hours=1))
    clock.move(days=1)
    make_charge(bob, 1, details={"model": "m2"})
    adjust_credits(
        user_id=alice.pk, delta=4, target=None, reason="=cmd()", actor="x", idempotency_key="b"
    )
    make_charge(alice, 1, hold=True, lease_seconds=2, details={"model": "m2"})
    make_charge(alice, 2, hold=True, details={"model": "m2"})
    clock.move(seconds=3)


def rows_of(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'<tr id="row-(\d+)"', page)]


def asked(desk: Client, **query: Any) -> str:
    """The page for these filters; `first` is `from`."""
    query = {"from" if key == "first" else key: value for key, value in query.items()}
    answer = desk.get(f"/admin/usage?{urlencode(query)}")
    assert answer.status_code == 200
    return answer.text


def sums_of(page: str) -> dict[str, tuple[str, str]]:
    """Each sum of the page: where it leads, and what it is."""
    found = re.findall(r'<dt>(\w+)</dt><dd>(?:<a href="([^"]*)">)?(-?\d+)<', page)
    return {label: (href, value) for label, href, value in found}


DAY = timedelta(days=1)
#: Filters, and the rows that a person would say they mean.
FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda _: True),
    ({"kind": "charge"}, lambda row: row.unit_cost is not None),
    ({"kind": "refund"}, lambda row: row.refund_of_id is not None),
    ({"kind": "grant"}, lambda row: row.operation_type == "GRANT"),
    ({"kind": "adjustment"}, lambda row: row.operation_type == "ADJUSTMENT"),
    ({"kind": "expiry"}, lambda row: row.operation_type == "EXPIRY"),
    ({"feature": "ai_image_generation"}, lambda row: "IMAGE" in row.operation_type),
    ({"kind": "charge", "feature": "ai_text_chat"},
     lambda row: "TEXT" in row.operation_type and row.unit_cost is not None),
    ({"model": "m1"}, lambda row: model(row) == "m1"),
    ({"model": "painter", "kind": "refund"},
     lambda row: model(row) == "painter" and row.refund_of_id is not None),
    ({"reason": "provider_error"}, lambda row: row.details.get("reason") == "provider_error"),
    ({"reason": "nothing like it"}, lambda _: False),
    ({"first": -1}, lambda row: row.created_at.date() >= today() - DAY),
    ({"to": -1}, lambda row: row.created_at.date() < today()),
    ({"first": -1, "to": -1, "kind": "charge"},
     lambda row: row.created_at.date() == today() - DAY and row.unit_cost is not None),
    ({"user": "alice@example.com"}, lambda row: row.user.email == "alice@example.com"),
    ({"user": "BOB@example.com", "kind": "charge"},
     lambda row: row.user.email == "bob@example.com" and row.unit_cost is not None),
    ({"state": "held"}, lambda row: hasattr(row, "hold")),
    ({"state": "overdue"}, lambda row: hasattr(row, "hold") and row.credits_used == 1),
    ({"way": "in"}, lambda row: row.credits_used < 0),
    ({"way": "out", "to": -1},
     lambda row: row.credits_used >= 0 and row.created_at.date() < today()),
    ({"way": "in", "kind": "adjustment"},
     lambda row: row.operation_type == "ADJUSTMENT" and row.credits_used < 0),
    ({"way": "out", "kind": "adjustment"}, lambda _: False),
]  # fmt: skip


def today() -> Any:
    return datetime.now(UTC).date()


def model(row: UsageHistory) -> str | None:
    return row.details.get("model") or (
        row.refund_of.details.get("model") if row.refund_of else None
    )


def spelt(query: dict[str, Any]) -> dict[str, Any]:
    """Days are given as so many from today."""
    return {
        key: today() + timedelta(days=value) if isinstance(value, int) else value
        for key, value in query.items()
    }


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


class TestFile:
    def file(self, desk: Client, **query: Any) -> list[dict[str, str]]:
        query = {"from" if key == "first" else key: value for key, value in query.items()}
        answer = desk.get(f"/admin/usage.csv?{urlencode(query)}")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer["Content-Disposition"]
        content = answer.getvalue().decode()
        return list(csv.DictReader(StringIO(content)))

    @pytest.mark.parametrize("closed", [False, True], ids=["journal", "rollup"])
    @pytest.mark.parametrize("query, means", FILTERS, ids=[str(one) for one, _ in FILTERS])  # noqa: PT006
    def test_holds_what_the_page_holds(
        self, desk: Client, noon: Clock, alice: User, bob: User, query: Any, means: Any,
        closed: bool,
    ) -> None:  # fmt: skip
        three_days(alice, bob, noon)
        if closed:
            close_days()
        rows = UsageHistory.objects.select_related("user", "hold", "refund_of").order_by("-pk")
        expected = [(str(row.pk), str(row.credits_used)) for row in rows if means(row)]
        file = self.file(desk, **spelt(query))
        assert [(one["Row"], one["Credits used"]) for one in file] == expected

    def test_is_written_down_with_its_filters(self, desk: Client, admin: User, alice: User) -> None:
        self.file(desk, user="alice@example.com", kind="refund", first="2031-05-01", row="")
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.action, entry.user) == (admin, "usage.export", alice)
        assert entry.after == {"user": str(alice.pk), "kind": "refund", "from": "2031-05-01"}
        assert desk.head("/admin/usage.csv").status_code == 405, "Nothing would be taken."
        assert AuditEntry.objects.count() == 1

    def test_is_whole_however_long(self, desk: Client, alice: User, monkeypatch: Any) -> None:
        monkeypatch.setattr("credits.statement.history.in_batches.__kwdefaults__", {"size": 7})
        for _ in range(30):
            make_charge(alice)
        assert len(self.file(desk)) == 31

    def test_nothing_in_it_runs_in_a_spreadsheet(self, desk: Client) -> None:
        user = make_user("=evil@example.com", name="x", credits=50)
        charge = make_charge(user, 3, details={"model": "+m"})
        refund_charge(charge_id=charge.id, reason="@SUM(A1)", idempotency_key="a", amount=1)
        adjust_credits(
            user_id=user.pk, delta=1, target=None, reason="=1+1", actor="-x", idempotency_key="b"
        )
        texts = ("User", "What", "Note", "Model", "Reason", "Kind")
        cells = [one[name] for one in self.file(desk) for name in texts]
        assert "'=evil@example.com" in cells and "'@SUM(A1)" in cells and "'+m" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]

    def test_belongs_to_admins(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        assert client.get("/admin/usage.csv").status_code == 404


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
