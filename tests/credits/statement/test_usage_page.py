"""GET /usage: the statement."""

import html
import re
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credits.adjustments import adjust_credits
from credits.catalogue.models import fill_catalogue
from credits.ledger import get_balance, refund_charge, release_charge, settle_charge
from credits.models import CreditGrant, UsageHistory, User
from credits.models.catalogue import model_label
from credits.statement import rows
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user

URL = reverse("usage")
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}


@pytest.fixture
def november(clock: Clock) -> Clock:
    """The ledger's clock stands at noon on 10 November 2026."""
    clock.freeze(datetime(2026, 11, 10, 12, tzinfo=UTC))
    return clock


@pytest.fixture
def ann(november: Clock) -> User:
    return make_user("ann@example.com", name="Ann", credits=100)


@pytest.fixture
def browser(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


def sums_on(page: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(\w+)</dt>\s*<dd>([^<]*)</dd>", page))


def rows_on(page: str) -> list[int]:
    return [int(row) for row in re.findall(r'<tr id="row-(\d+)"', page)]


def words_of(page: str, row_id: int) -> str:
    row = page.partition(f'<tr id="row-{row_id}"')[2].partition("</tr>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", row.partition(">")[2]).split())


def live_a_little(user: User, clock: Clock) -> None:
    """One of everything: 5 charges, a refund of each sort, an adjustment each way, an expiry."""
    fill_catalogue()
    make_grant(user, 30, source=CreditGrant.Source.PLAN, expires_at=clock.now() + timedelta(days=2))
    for number in range(4):
        charge = make_charge(user, 2, hold=True, details={"model": "smollm2-135m"})
        clock.move(minutes=1)
        if number == 3:
            release_charge(charge_id=charge.id, reason="provider_error")
        else:
            settle_charge(charge_id=charge.id)
    refund_charge(charge_id=charge.id - 1, reason="goodwill", idempotency_key="r1", amount=1)
    adjust(user, 7)
    adjust(user, -3)
    clock.move(days=3)
    get_balance(user_id=user.pk)
    make_charge(user, hold=True)


def adjust(user: User, delta: int) -> None:
    adjust_credits(
        user_id=user.pk, delta=delta, reason="goodwill", actor="ops", idempotency_key=f"a{delta}"
    )


def test_the_sums_add_up_from_opening_to_closing(
    browser: Client, ann: User, november: Clock
) -> None:
    november.move(days=1)
    live_a_little(ann, november)
    page = browser.get(URL, {"from": "2026-11-11", "to": "2026-11-30"}).text
    assert sums_on(page) == {
        "Opening": "100",
        "Granted": "+30",
        "Spent": "−9",
        "Refunded": "+3",
        "Expired": "−22",
        "Adjusted": "+4",
        "Closing": "106",
    }
    assert get_balance(user_id=ann.pk).remaining == 106


def test_the_sums_of_every_range_are_the_difference_of_its_edges(
    ann: User, november: Clock
) -> None:
    live_a_little(ann, november)
    days = [datetime(2026, 11, day, tzinfo=UTC).date() for day in range(9, 16)]
    for first in days:
        for last in (day for day in days if day >= first):
            span = rows.get_range(user_id=ann.pk, first=first, last=last)
            moved = rows.total(rows.sums_by_step(span).values())
            into = moved.granted + moved.refunded + moved.adjusted
            out = moved.spent + moved.expired
            assert span.closing.balance - span.opening.balance == into - out, (first, last)


def test_each_kind_of_row_says_what_it_was(browser: Client, ann: User, november: Clock) -> None:
    live_a_little(ann, november)
    page = browser.get(URL, NOVEMBER).text
    words = [words_of(page, row) for row in rows_on(page)]
    ids = list(UsageHistory.objects.order_by("-id").values_list("id", flat=True))
    last_charge = UsageHistory.objects.filter(credits_used=2).latest("id").id
    assert words == [
        f"13 Nov 12:04 Text chat in flight #{ids[0]} 1 106",
        f"13 Nov 12:04 Expiry Plan #{ids[1]} 22 107",
        f"10 Nov 12:04 Adjustment goodwill, by an admin #{ids[2]} 3 129",
        f"10 Nov 12:04 Adjustment goodwill, by an admin #{ids[3]} +7 132",
        f"10 Nov 12:04 Refund goodwill #{ids[4]} → #{last_charge - 1} +1 125",
        f"10 Nov 12:04 Refund the provider failed #{ids[5]} → #{last_charge} +2 124",
        f"10 Nov 12:03 2 messages SmolLM2 135M · 1 each #{ids[6]} 2 122",
        f"10 Nov 12:02 2 messages SmolLM2 135M · 1 each #{ids[7]} 2 124",
        f"10 Nov 12:01 2 messages SmolLM2 135M · 1 each #{ids[8]} 2 126",
        f"10 Nov 12:00 2 messages SmolLM2 135M · 1 each #{ids[9]} 2 128",
        f"10 Nov 12:00 Plan until 12 Nov 2026 #{ids[10]} +30 130",
        f"10 Nov 12:00 Credit pack #{ids[11]} +100 100",
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ai_text_chat", {"Text chat", "2 messages"}),
        ("ai_image_generation", set()),
        ("refund", {"Refund"}),
        ("grant", {"Plan", "Credit pack"}),
        ("adjustment", {"Adjustment"}),
        ("expiry", {"Expiry"}),
    ],
)
def test_a_kind_shows_only_its_rows(
    browser: Client, ann: User, november: Clock, kind: str, expected: set[str]
) -> None:
    live_a_little(ann, november)
    page = browser.get(URL, {**NOVEMBER, "kind": kind}).text
    what = r'class="what">(?:<svg.*?</svg>)?\s*(?:<a [^>]*>)?([^<]*)<'
    shown = {re.search(what, row, re.S)[1].strip() for row in page.split("<tr id=")[1:]}
    assert shown == expected
    assert f'<option value="{kind}" selected>' in page
    assert sums_on(page)["Spent"] == "−9", "The sums are those of the range, not of the kind."


def test_without_a_range_it_is_this_month(client: Client, db: None) -> None:
    client.force_login(make_user("new@example.com", credits=5))
    page = client.get(URL).text
    today = datetime.now(UTC)
    assert f'value="{today:%Y-%m}-01"' in page
    assert sums_on(page)["Granted"] == "+5"


def test_one_end_alone_is_completed(browser: Client) -> None:
    page = browser.get(URL, {"to": "2026-11-12"}).text
    assert 'name="from" value="2026-11-01"' in page
    page = browser.get(URL, {"from": "2026-11-12"}).text
    assert 'name="from" value="2026-11-12"' in page


def test_another_users_rows_are_never_shown(client: Client, ann: User, november: Clock) -> None:
    eve = make_user("eve@example.com", credits=9)
    live_a_little(ann, november)
    theirs = UsageHistory.objects.latest("id").id
    make_charge(eve)  # her first and last rows stand around all of Ann's
    client.force_login(eve)
    own = set(UsageHistory.objects.filter(user=eve).values_list("id", flat=True))
    others: list[dict[str, Any]] = [{}, {"before": theirs + 1}, {"after": 1}]
    for other in others:
        page = client.get(URL, {**NOVEMBER, **other}).text
        assert set(rows_on(page)) <= own
        assert sums_on(page)["Spent"] == "−1"
        assert "goodwill" not in page
    answer = client.get(URL, {"row": theirs})
    assert answer.status_code == 404
    assert f"There is no row #{theirs} in your statement." in answer.text


def many_rows(user: User, number: int) -> list[int]:
    for _ in range(number):
        make_charge(user)
    rows = UsageHistory.objects.filter(account_id=user.pk).order_by("-id")
    return list(rows.values_list("id", flat=True))


def test_pages_go_older_and_newer_without_a_gap_or_a_repeat(browser: Client, ann: User) -> None:
    make_grant(ann, 100)
    ids = many_rows(ann, 120)
    pages, url = [], f"{URL}?from=2026-11-01&to=2026-11-30"
    while url:
        page = browser.get(url).text
        pages.append(rows_on(page))
        url = link(page, "next")
    assert [len(rows) for rows in pages] == [50, 50, 22]
    assert list(chain.from_iterable(pages)) == ids
    back = [pages[-1]]
    while url := link(page, "prev"):
        page = browser.get(url).text
        back.append(rows_on(page))
    assert list(chain.from_iterable(reversed(back))) == ids


def link(page: str, rel: str) -> str:
    found = re.search(f'rel="{rel}" href="([^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def test_a_row_that_comes_in_meanwhile_does_not_shift_the_next_page(
    browser: Client, ann: User
) -> None:
    ids = many_rows(ann, 60)
    older = link(browser.get(URL, NOVEMBER).text, "next")
    make_charge(ann)
    assert rows_on(browser.get(older).text) == ids[50:]


def test_the_link_of_a_receipt_finds_its_row_on_a_late_page(
    browser: Client, ann: User, november: Clock
) -> None:
    make_grant(ann, 100)
    wanted = many_rows(ann, 1)[0]
    many_rows(ann, 80)
    november.move(days=40)
    make_charge(ann)
    page = browser.get(URL, {"row": wanted}).text
    assert rows_on(page)[0] == wanted
    assert 'name="from" value="2026-11-01"' in page, "It is in the month of the row."
    assert rows_on(browser.get(link(page, "prev")).text)[-1] == wanted + 1


def test_the_newest_row_has_no_link_to_newer_ones(browser: Client, ann: User) -> None:
    newest = many_rows(ann, 3)[0]
    page = browser.get(URL, {"row": newest}).text
    assert rows_on(page)[0] == newest
    assert not link(page, "prev")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"from": "yesterday"}, "Write a day as 2026-11-30."),
        ({"to": "2026-02-30"}, "Write a day as 2026-11-30."),
        ({"from": "0001-01-01"}, "There is nothing before 2020."),
        ({"to": "9999-12-31"}, "There is nothing after 2100."),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "The first day is after the last one."),
        ({"kind": "charge"}, "There is no such kind of row."),
        ({"kind": "\x00"}, "There is no such kind of row."),
        ({"row": "x"}, "There is no such row."),
        ({"row": "0"}, "There is no such row."),
        ({"before": "-1"}, "There is no such row."),
        ({"after": str(2**63)}, "There is no such row."),
        ({"row": "9" * 5000}, "There is no such row."),
        ({"from": "<script>alert(1)</script>"}, "Write a day as 2026-11-30."),
    ],
)
def test_a_filter_that_cannot_be_is_named(
    browser: Client, query: dict[str, str], message: str
) -> None:
    answer = browser.get(URL, query)
    assert answer.status_code == 400
    assert message in answer.text
    assert "<script>alert" not in answer.text


def test_a_row_far_beyond_the_last_is_not_found(browser: Client) -> None:
    assert browser.get(URL, {"row": str(2**63 - 2)}).status_code == 404


def test_words_of_a_model_or_an_admin_are_escaped(browser: Client, ann: User) -> None:
    make_charge(ann, details={"model": "<img src=x>"})
    adjust_credits(
        user_id=ann.pk, delta=1, reason="<b>hi</b>", actor="<i>", idempotency_key="x"
    )  # fmt: skip
    page = browser.get(URL, NOVEMBER).text
    assert "&lt;img src=x&gt;" in page
    assert "<img" not in page
    assert "<b>hi" not in page


def test_a_new_user_sees_what_will_stand_here(client: Client, carol: User) -> None:
    client.force_login(carol)
    page = client.get(URL).text
    assert "Nothing has moved yet" in page
    assert 'class="t lines"' not in page and '<table class="t">' not in page


def test_an_empty_range_is_not_the_same_as_an_empty_life(browser: Client) -> None:
    page = browser.get(URL, {"from": "2026-11-20", "to": "2026-11-21"}).text
    assert "No such lines" in page
    assert sums_on(page)["Opening"] == "100"


def test_expired_credits_have_left_when_the_statement_is_read(
    browser: Client, ann: User, november: Clock
) -> None:
    make_grant(ann, 30, expires_at=november.now() + timedelta(hours=1))
    november.move(hours=2)
    page = browser.get(URL, NOVEMBER).text
    assert sums_on(page)["Expired"] == "−30"
    assert sums_on(page)["Closing"] == "100"
    assert 'data-remaining="100"' in page


def test_a_day_of_the_chart_holds_what_was_spent_on_it(
    browser: Client, ann: User, november: Clock
) -> None:
    make_charge(ann, 4)
    november.move(days=1)
    charge = make_charge(ann, 2, hold=True)
    release_charge(charge_id=charge.id, reason="empty_answer")
    page = browser.get(URL, NOVEMBER).text
    assert "<title>10 Nov: 4 spent</title>" in page
    assert "<title>11 Nov: 2 spent, 2 refunded</title>" in page
    assert page.count('class="slot"') == 30
    assert "4 at most" in page


def test_a_long_range_is_drawn_by_the_month(browser: Client, ann: User) -> None:
    make_charge(ann, 4)
    page = browser.get(URL, {"from": "2026-01-15", "to": "2026-12-20"}).text
    assert "Credits spent per month" in page
    assert page.count('class="slot"') == 12
    assert "<title>Nov 2026: 4 spent</title>" in page


def test_days_are_cut_at_midnight_utc(browser: Client, ann: User, november: Clock) -> None:
    november.freeze(datetime(2026, 11, 10, 23, 59, 59, tzinfo=UTC))
    make_charge(ann)
    november.freeze(datetime(2026, 11, 11, 0, 0, 0, tzinfo=UTC))
    make_charge(ann)
    day = {"from": "2026-11-11", "to": "2026-11-11"}
    page = browser.get(URL, day).text
    assert len(rows_on(page)) == 1
    assert (sums_on(page)["Opening"], sums_on(page)["Closing"]) == ("99", "98")


def test_a_visitor_is_sent_to_sign_in_and_back(client: Client, db: None) -> None:
    answer = client.get(URL, {"row": 5})
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in?next=/usage%3Frow%3D5"


def test_the_number_of_queries_does_not_grow_with_the_rows(
    browser: Client, ann: User, november: Clock, django_assert_num_queries: Any
) -> None:
    live_a_little(ann, november)
    model_label("")  # The labels are read once in LABEL_SECONDS.
    # session and user, balance, price, two edges, sums, rows, what came back of them
    with django_assert_num_queries(9):
        browser.get(URL, NOVEMBER)
    many_rows(ann, 49)
    with django_assert_num_queries(9):
        browser.get(URL, NOVEMBER)


def test_the_statement_is_not_kept_by_the_browser(browser: Client) -> None:
    assert "no-store" in browser.get(URL)["Cache-Control"]


def test_only_reading_is_allowed(browser: Client) -> None:
    assert browser.post(URL).status_code == 405


def test_the_file_of_what_is_shown_is_one_click_away(client: Client, alice: User) -> None:
    make_charge(alice)
    client.force_login(alice)
    for query in ("", "?kind=refund", "?kind=ai_text_chat"):
        page = client.get(f"/usage{query}").text
        link = re.search(r'href="(/usage\.csv[^"]*)"', page)
        assert link, "The statement offers no file."
        answer = client.get(html.unescape(link[1]))
        assert answer.status_code == 200
        lines = answer.getvalue().decode().strip().splitlines()
        assert any("Text chat" in line for line in lines) is ("refund" not in query)
