"""/admin/usage/models, its file, its call, and where else what models used is shown."""

import csv
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from adminpanel.overview.health import get_health
from credits.models import AIModel, AuditEntry, Use, User
from credits.models.tokens import ASKED
from credits.uses import Tokens, settle_use
from tests.adminpanel.settings.words import words
from tests.clock import Clock
from tests.factories import make_charge, make_model, make_reserve, make_token_price

pytestmark = pytest.mark.django_db
PAGE = "/admin/usage/models"


@pytest.fixture
def mini(noon: Clock, alice: User) -> AIModel:
    """1 credit per 1,000 tokens; what the provider asks is a tenth. One use of 750 tokens."""
    model = make_model("mini", label="Mini <b>")
    make_token_price(model, input=10**9, cached=10**9, output=10**9, **dict.fromkeys(ASKED, 10**8))
    use(alice, model)
    return model


def use(user: User, model: AIModel, output: int = 250, **tokens: Any) -> None:
    reserve = make_reserve(user, model)
    used = Tokens(500, 100, 0, output, 0, tokens.get("source", Use.Source.PROVIDER))
    settle_use(charge_id=reserve.id, tokens=used)


def test_it_says_tokens_credits_cost_and_margin(desk: Client, mini: AIModel, alice: User) -> None:
    make_charge(alice, 3, model=make_model("plain").name)
    text = words(desk.get(PAGE))
    assert "Mini <b> mini 1 2 1 0 1" in text
    assert "plain plain 1 3 0 0 3" in text
    assert "Mini <b> mini 1 500 100 cached 250 0.75 0.075 0.67 90.0 % 0" in text


def test_what_the_provider_asks_is_unknown_and_not_zero(desk: Client, alice: User) -> None:
    model = make_model("mini")
    make_token_price(model)
    use(alice, model, source=Use.Source.ESTIMATED)
    text = words(desk.get(PAGE))
    assert "1 (1 estimated) 500 100 cached 250 0.00075 unknown unknown 0" in text
    make_token_price(model, **dict.fromkeys(ASKED, 10**5))
    use(alice, model)
    assert "of 1 uses; of 1 unknown" in words(desk.get(PAGE))


def test_without_uses_the_tokens_are_not_known(desk: Client, alice: User) -> None:
    assert "Nobody was charged for a model in these days." in words(desk.get(PAGE))
    make_charge(alice, model=make_model("plain").name)
    assert "No call of these days was priced by tokens" in words(desk.get(PAGE))
    answer = desk.get(PAGE, {"from": "2026-02-02", "to": "2026-01-01"})
    assert answer.status_code == 400


def test_the_file_is_exact_and_recorded(desk: Client, mini: AIModel) -> None:
    answer = desk.get(f"{PAGE}.csv", {"model": "mini"})
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    [row] = csv.DictReader(StringIO(body))
    assert (row["Model"], row["Credits spent"], row["Not used"]) == ("mini", "1", "1")
    assert (row["Cost"], row["Collected"]) == ("0.750000000000",) * 2
    assert (row["Provider asks"], row["Margin"]) == ("0.075100000000", "0.674900000000")
    assert AuditEntry.objects.get().action == "models.export"


def test_the_call_says_the_same(desk: Client, mini: AIModel) -> None:
    [row] = desk.get("/api/admin/usage/models").json()["models"]
    assert row == {
        "model": "mini", "charges": 1, "charged": 2, "unused": 1, "refunded": 0, "spent": 1,
        "uses": 1, "estimated": 0,
        "tokens": {"input": 500, "cached": 100, "cacheWrite": 0, "output": 250, "reasoning": 0},
        "cost": "0.750000000000", "collected": "0.750000000000", "uncollected": "0.000000000000",
        "providerCost": "0.075100000000", "providerCostUnknown": 0, "margin": "0.674900000000",
        "marginPercent": 90.0,
    }  # fmt: skip
    address = "/api/admin/usage/models"
    today = datetime.now(UTC).date()
    assert desk.get(address, {"from": f"{today}", "to": f"{today}"}).json() == {"models": [row]}
    assert desk.get(address, {"from": "2026-01-01", "to": "2026-01-31"}).json() == {"models": []}
    for wrong in ({"to": "2026-13-01"}, {"from": "2026-02-02", "to": "2026-02-01"}, {"day": "1"}):
        assert desk.get(address, wrong).status_code == 400
    assert desk.get("/api/admin/usage/models", {"model": "other"}).json() == {"models": []}


def test_the_overview_counts_what_was_used(desk: Client, mini: AIModel) -> None:
    text = words(desk.get("/admin"))
    assert "Spent today 1 1 in 30 days" in text
    assert "Priced by tokens" in text
    assert "Why credits came back Nothing was refunded" in text
    usage = words(desk.get("/admin/usage"))
    assert "Spent 2 Not used 1 Refunded 0" in usage
    only = words(desk.get("/admin/usage", {"kind": "unused"}))
    assert "1 row" in only
    assert "Not used reserved and not used" in only
    assert "0 rows" in words(desk.get("/admin/usage", {"kind": "refund"}))


def test_what_could_not_be_collected_is_an_alarm_and_a_metric(
    desk: Client, mini: AIModel, alice: User
) -> None:
    assert next(each for each in get_health().signs if each.label == "Token costs").state == "ok"
    use(alice, mini, output=5000)
    sign = next(each for each in get_health().signs if each.label == "Token costs")
    assert (sign.state, sign.href) == ("bad", PAGE)
    assert sign.text == "3.5 credits of 1 use not collected in 24 h: Mini <b>"
    metrics = desk.get("/metrics").text
    assert 'tally_uncollected_credits_total{model="mini"} 3.5' in metrics
    assert 'tally_uncollected_uses_total{model="mini"} 1.0' in metrics
    assert 'tally_used_tokens_total{kind="output",model="mini"} 5250.0' in metrics
