"""Lines of a statement: a charge by tokens and what came back of it unused are one."""

import csv
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from credits.ledger import get_balance, refund_charge, release_charge, settle_charge
from credits.models import AIModel, UsageHistory, User
from credits.statement import rows
from credits.statement.days import FIRST_DAY, LAST_DAY
from credits.statement.lines import fold, without_returns
from credits.uses import Tokens, settle_use
from tests.api import Api
from tests.clock import Clock
from tests.factories import (
    make_admin,
    make_charge,
    make_grant,
    make_model,
    make_reserve,
    make_token_price,
)

NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}


@pytest.fixture
def model(db: None) -> AIModel:
    """1 credit per 1,000 tokens that are read, a tenth from the cache, 2 per 1,000 written."""
    model = make_model(label="By tokens")
    make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                     reasoning=2 * 10**9)  # fmt: skip
    return model


@pytest.fixture
def november(clock: Clock, alice: User) -> Clock:
    """The ledger's clock stands at noon on 10 November 2026, after alice got her credits."""
    clock.freeze(datetime(2026, 11, 28, 12, tzinfo=UTC))
    return clock


def use(charge_id: int, output: int, **more: Any) -> None:
    values = {"input": 0, "cached": 0, "cache_write": 0, "reasoning": 0, "source": "provider"}
    settle_use(charge_id=charge_id, tokens=Tokens(**{**values, "output": output, **more}))


def page_of(user: User, path: str = "/usage", **query: Any) -> str:
    client = Client()
    client.force_login(user)
    return client.get(path, query).text


def cells(page: str, row_id: int) -> list[str]:
    """The cells of a line, as they are read."""
    row = page.partition(f'id="row-{row_id}"')[2].partition("</tr>")[0]
    words = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in words]


def lines_on(page: str) -> list[int]:
    return [int(row) for row in re.findall(r'<tr id="row-(\d+)"', page)]


def test_a_charge_by_tokens_is_one_line(alice: User, model: AIModel) -> None:
    charge = make_reserve(alice, model).id
    assert cells(page_of(alice), charge)[1:] == [
        "Text chat By tokens up to 3 held", f"#{charge}", "3", "", "97"
    ]  # fmt: skip
    use(charge, 300, input=1200, cached=1000, reasoning=20)
    page = page_of(alice)
    [_, what, ref, out, into, balance] = cells(page, charge)
    assert what == (
        "Text chat By tokens · 0.9 credits 1,200 tokens in (1,000 from cache), "
        f"300 out (20 thinking) · 3 reserved, 1 kept · 0.1 paid ahead · price "
        f"{UsageHistory.objects.get(pk=charge).price_id}"
    )
    assert (ref, out, into, balance) == (f"#{charge}", "1", "", "99")
    back = UsageHistory.objects.get(refund_of=charge)
    assert back.pk not in lines_on(page)
    assert "0.1 of a credit is paid ahead." in page
    # A link to the second row leads to the line.
    assert lines_on(page_of(alice, row=back.pk))[0] == charge


def test_a_failed_charge_by_tokens_has_its_refund(alice: User, model: AIModel) -> None:
    charge = make_reserve(alice, model).id
    release_charge(charge_id=charge, reason="provider_error")
    page = page_of(alice)
    refund = UsageHistory.objects.get(refund_of=charge)
    assert lines_on(page)[:2] == [refund.pk, charge]
    assert cells(page, charge)[1:5] == ["Text chat By tokens", f"#{charge}", "3", ""]


def test_sums_and_chart_count_what_was_used(alice: User, model: AIModel) -> None:
    make_charge(alice, 2)
    for output in (300, 900):
        use(make_reserve(alice, model).id, output)
    release_charge(charge_id=make_reserve(alice, model).id, reason="provider_error")
    page = page_of(alice)
    sums = dict(re.findall(r"<dt>(\w+)</dt>\s*<dd>([^<]*)</dd>", page))
    # 2, then 0.6 and 1.8 of which 3 whole credits, and 3 that were refunded.
    assert (sums["Spent"], sums["Refunded"], sums["Closing"]) == ("−8", "+3", "95")
    assert re.findall(r"<title>\d+ \w+: ([1-9]\d* spent[^<]*)</title>", page) == [
        "8 spent, 3 refunded"
    ]


def test_refunds_are_listed_without_what_was_not_used(alice: User, model: AIModel) -> None:
    use(make_reserve(alice, model).id, 1)
    charge = make_reserve(alice, model).id
    release_charge(charge_id=charge, reason="provider_error")
    refund = UsageHistory.objects.get(refund_of=charge)
    assert lines_on(page_of(alice, kind="refund")) == [refund.pk]
    assert '<option value="unused"' not in page_of(alice)


def live(user: User, model: AIModel, clock: Clock, draw: random.Random) -> None:
    """A few days of charges of both sorts that lie across each other and across midnight."""
    held: list[int] = []
    acts: dict[str, Callable[[], Any]] = {
        "reserve": lambda: held.append(make_reserve(user, model).id),
        "use": lambda: use(held.pop(draw.randrange(len(held))), draw.randrange(1, 400)),
        "fail": lambda: release_charge(charge_id=held.pop(), reason="provider_error"),
        "charge": lambda: settle_charge(charge_id=make_charge(user, 1, hold=True).id),
        "grant": lambda: make_grant(user, 5),
        "refund": lambda: refund_charge(
            charge_id=make_charge(user, 2).id, reason="goodwill", amount=1,
            idempotency_key=f"{draw.random()}",
        ),
    }  # fmt: skip
    for _ in range(70):
        clock.move(hours=draw.choice([0, 0, 1, 5]))
        names = [name for name in acts if held or name not in {"use", "fail"}]
        names += ["use", "use"] * bool(held)
        acts[draw.choice(names) if len(held) < 6 else "use"]()


def test_balances_chain_from_line_to_line_whatever_lies_between(
    alice: User, model: AIModel, november: Clock
) -> None:
    live(alice, model, november, random.Random(5))
    days = sorted({at.date() for at in UsageHistory.objects.values_list("created_at", flat=True)})
    everything = without_returns(UsageHistory.objects.filter(account=alice.pk)).order_by("pk")
    lines = list(everything)
    fold(lines)
    before = 0
    for line in lines:
        before += line.into - line.out * (not line.into)
        assert line.balance_then == before, line
    assert before == get_balance(user_id=alice.pk).remaining
    assert len(lines) < UsageHistory.objects.count() - 5
    for first in days:
        for last in (day for day in days if day >= first):
            span = rows.get_range(user_id=alice.pk, first=first, last=last)
            moved = rows.total(rows.sums_by_step(span).values())
            difference = moved.granted + moved.refunded + moved.adjusted - moved.spent
            assert span.closing.balance - span.opening.balance == difference, (first, last)
            page = rows.get_page(span)
            if page.rows and not page.newer:
                assert page.rows[0].balance_then == span.closing.balance


def test_pages_of_lines_agree_with_one_another(alice: User, model: AIModel) -> None:
    charges = [make_reserve(alice, model).id for _ in range(10)]
    for _ in range(60):
        make_charge(alice)
    for charge in charges:
        use(charge, 1)
    span = rows.get_range(user_id=alice.pk, first=FIRST_DAY, last=LAST_DAY)
    newest = rows.get_page(span)
    assert newest.older
    older = rows.get_page(span, older_than=(newest.rows[-1].pk,))
    lines = [*newest.rows, *older.rows]
    assert lines[0].balance_then == get_balance(user_id=alice.pk).remaining == 39
    assert [line.balance_then for line in lines] == [*range(39, 100), *[99] * 9, 100]
    assert [line.out for line in lines[60:70]] == [0] * 9 + [1]


def test_the_file_has_every_row_and_adds_up(alice: User, model: AIModel) -> None:
    charge = make_reserve(alice, model).id
    use(charge, 300, input=1200, cached=1000, reasoning=20)
    client = Client()
    client.force_login(alice)
    text = b"".join(client.get("/usage.csv").streaming_content).decode()  # type: ignore[attr-defined]
    table = list(csv.DictReader(StringIO(text)))
    assert sum(int(row["Credits used"].lstrip("'")) for row in table) == -99
    [row] = [row for row in table if row["Row"] == str(charge)]
    assert (row["Tokens in"], row["From cache"], row["Tokens out"], row["Thinking"]) == (
        "1200", "1000", "300", "20"
    )  # fmt: skip
    assert (row["Cost"], row["Paid ahead"]) == ("0.900000000000", "0.100000000000")
    [back] = [row for row in table if row["Refund of"] == str(charge)]
    assert (back["What"], back["Cost"]) == ("Not used", "")


def test_programs_have_row_after_row_with_what_was_used(alice: User, model: AIModel) -> None:
    charge = make_reserve(alice, model)
    api = Api(alice)
    [held] = api.get("/api/credits/usage?kind=charge").json()["items"]
    assert (held["held"], held["usage"], held["cost"]) == (True, None, None)
    use(charge.id, 300, input=1200, cached=1000, reasoning=20)
    back, row, _ = api.get("/api/credits/usage").json()["items"]
    assert (row["creditsUsed"], row["priceVersion"]) == (3, charge.price_id)
    assert row["usage"] == {
        "input": 1200, "cached": 1000, "cacheWrite": 0, "output": 300, "reasoning": 20,
        "source": "provider",
    }  # fmt: skip
    assert (row["cost"], row["paidAhead"]) == ("0.900000000000", "0.100000000000")
    assert (back["kind"], back["reason"], back["creditsUsed"]) == ("unused", "unused", -2)
    assert (back["usage"], back["cost"], back["paidAhead"]) == (None, None, None)
    me = api.get("/api/credits/me").json()
    assert (me["creditsRemaining"], me["paidAhead"]) == (99, "0.100000000000")


def test_the_desk_has_the_same_lines(alice: User, model: AIModel) -> None:
    charge = make_reserve(alice, model).id
    use(charge, 300)
    back = UsageHistory.objects.get(refund_of=charge).pk
    admin = make_admin()
    for path in (f"/admin/users/{alice.pk}", "/admin/usage"):
        page = page_of(admin, path)
        assert 'id="row-' in page, page[:500]
        assert back not in lines_on(page)
        assert "0 tokens in, 300 out · 3 reserved, 1 kept" in page
        assert cells(page, charge)[-3 if "users" in path else -4 :][:3] == ["1", "", "99"]
    assert back in lines_on(page_of(admin, "/admin/usage", kind="unused"))
