"""Prices by tokens: entered exactly, announced, withdrawn, undone, and what is refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InvalidInput
from credits.amounts import as_exact, in_pico
from credits.catalogue.exceptions import CannotUndo, ChangedMeanwhile, NotInCatalogue
from credits.catalogue.fields import REQUEST_PRICE, TOKEN_PRICE
from credits.catalogue.models import all_offered, offered_models
from credits.catalogue.token_price_changes import set_token_price, withdraw_price
from credits.catalogue.token_prices import (
    price_state,
    prices_of,
    pricing_of,
)
from credits.catalogue.undo import undo_change
from credits.models import AIModel, AuditEntry, SettingsChange, TokenPrice, User
from tests.clock import Clock
from tests.factories import make_model, make_token_price, price_in_force, sql_now

pytestmark = pytest.mark.django_db
MINI = {"input": "0.25", "cached": "0.025", "output": "2"}


@pytest.fixture
def model(db: None) -> AIModel:
    return make_model("mini")


def put(prices: Any = MINI, **more: Any) -> TokenPrice | None:
    return set_token_price(actor=None, model="mini", prices=prices, **more)


def inputs(model: AIModel) -> list[str | None]:
    """The price of input that holds, then those that are announced; None: a price per message."""
    prices = prices_of([model])[model.pk]
    states = [price_state(row) for row in [prices.in_force, *prices.announced]]
    return [state["input"] if state else None for state in states]


def refusal(prices: Any, **more: Any) -> list[tuple[list[Any], str]]:
    with pytest.raises(InvalidInput) as refused:
        put(prices, **more)
    return [(each["path"], each["message"]) for each in refused.value.issues]


class TestExactness:
    @given(st.decimals(0, 100_000, places=6))
    def test_a_price_is_the_same_after_it_was_written_and_read(self, price: Decimal) -> None:
        text = f"{price:f}"
        assert TOKEN_PRICE.accepts(text)
        pico = in_pico(text)
        assert pico == price * 10**12
        assert pico % 10**6 == 0
        assert Decimal(as_exact(pico)) == price

    @given(st.decimals(0, 100, places=12))
    def test_the_price_of_a_request_is_exact_to_the_pico_credit(self, price: Decimal) -> None:
        assert REQUEST_PRICE.accepts(f"{price:f}")
        assert Decimal(as_exact(in_pico(f"{price:f}"))) == price

    @pytest.mark.parametrize(
        "text",
        ["", " 1", "1e3", "-1", "+1", "1,5", ".5", "5.", "0.0000001", "100000.000001", "100001",
         "٥", "NaN", "1_000", "0x1", 1, 0.25, True, None, Decimal(1)],
    )  # fmt: skip
    def test_what_is_no_price(self, text: object) -> None:
        assert not TOKEN_PRICE.accepts(text)

    @pytest.mark.parametrize("text", ["0", "0.000001", "100000", "100000.000000", "00000.1"])
    def test_what_is_a_price(self, text: str) -> None:
        assert TOKEN_PRICE.accepts(text)


class TestSetting:
    def test_a_price_holds_at_once_and_the_change_is_recorded(
        self, model: AIModel, admin: User
    ) -> None:
        set_token_price(actor=admin, model="mini", prices=MINI, reason="As agreed")
        price = TokenPrice.objects.get()
        assert (price.input, price.cached, price.cache_write) == (250_000, 25_000, 250_000)
        assert (price.output, price.reasoning, price.request) == (2_000_000, 2_000_000, 0)
        assert (price.max_input, price.provider_input, price.created_by) == (None, None, admin)
        assert price_in_force(model) == price
        change = SettingsChange.objects.get()
        assert (change.actor, change.subject, change.name) == (admin, "token_price", "mini")
        assert change.before is None
        assert change.after["input"] == "0.25"
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.reason) == ("token_price.add", "As agreed")

    def test_what_the_provider_asks_is_kept_beside_it(self, model: AIModel) -> None:
        put({**MINI, "request": "0.000000000001", "maxInput": 1000,
             "provider": {"input": "0.1", "output": "1", "request": "0.5"}})  # fmt: skip
        price = TokenPrice.objects.get()
        assert (price.request, price.max_input) == (1, 1000)
        assert (price.provider_input, price.provider_cached) == (100_000, 100_000)
        assert (price.provider_reasoning, price.provider_request) == (10**6, 5 * 10**11)

    def test_the_same_price_again_is_no_change(self, model: AIModel) -> None:
        first = put()
        assert put() is None
        assert put({**MINI, "cacheWrite": "0.250", "request": "0"}) is None
        assert put(valid_from=first.valid_from if first else None) is None
        assert TokenPrice.objects.count() == SettingsChange.objects.count() == 1

    def test_back_to_a_price_per_message(self, model: AIModel) -> None:
        assert put(None) is None
        put()
        assert put(None) is not None
        assert price_in_force(model) is None
        assert SettingsChange.objects.latest("pk").after.keys() == {"validFrom"}

    def test_what_is_refused(self, model: AIModel) -> None:
        sentence = TOKEN_PRICE.sentence
        assert refusal({"output": "1"}) == [(["input"], sentence)]
        assert refusal({**MINI, "reasoning": "0.0000001"}) == [(["reasoning"], sentence)]
        assert refusal({**MINI, "provider": {"input": 1}}) == [
            (["provider", "input"], sentence), (["provider", "output"], sentence),
        ]  # fmt: skip
        [(path, _)] = refusal({**MINI, "maxInput": 0})
        assert path == ["maxInput"]
        assert refusal(MINI, valid_from=sql_now() - timedelta(seconds=5)) == [
            (["validFrom"], "A price begins now or later.")
        ]
        assert not TokenPrice.objects.exists()

    def test_only_a_model_for_text_may_have_one(self) -> None:
        make_model("painter", feature="ai_image_generation")
        with pytest.raises(InvalidInput, match="Only models for text"):
            set_token_price(actor=None, model="painter", prices=MINI)
        with pytest.raises(NotInCatalogue):
            set_token_price(actor=None, model="none", prices=MINI)

    def test_of_two_who_read_the_same_the_second_is_refused(self, model: AIModel) -> None:
        version = prices_of([model])[model.pk].version
        put(expected_version=version)
        with pytest.raises(ChangedMeanwhile):
            put({**MINI, "input": "3"}, expected_version=version)
        assert inputs(model) == ["0.25"]


class TestAnnouncing:
    @pytest.fixture
    def days(self, clock: Clock, model: AIModel) -> list[datetime]:
        """Noon today and the four days after it. The price is 0.25 now."""
        noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
        clock.freeze(noon)
        put()
        return [noon + timedelta(days=day) for day in range(5)]

    def announce(self, price: str, begins: datetime) -> None:
        put({**MINI, "input": price}, valid_from=begins)

    def test_an_announced_price_holds_from_its_moment_on(
        self, days: list[datetime], model: AIModel, clock: Clock
    ) -> None:
        self.announce("1", days[1])
        self.announce("2", days[2])
        assert inputs(model) == ["0.25", "1", "2"]
        assert [row.valid_from for row in prices_of([model])[model.pk].announced] == days[1:3]
        clock.freeze(days[1])
        assert inputs(model) == ["1", "2"]
        at = price_in_force(model, days[2])
        assert at is not None
        assert at.input == 2 * 10**6

    def test_the_newest_of_one_moment_holds(self, days: list[datetime], model: AIModel) -> None:
        self.announce("1", days[1])
        self.announce("3", days[1])
        assert inputs(model) == ["0.25", "3"]

    def test_what_is_withdrawn_never_comes(
        self, days: list[datetime], model: AIModel, clock: Clock
    ) -> None:
        self.announce("1", days[1])
        self.announce("2", days[2])
        withdraw_price(actor=None, model="mini", valid_from=days[1])
        assert inputs(model) == ["0.25", "2"]
        assert withdraw_price(actor=None, model="mini", valid_from=days[1]) is None
        assert withdraw_price(actor=None, model="mini", valid_from=days[3]) is None
        clock.freeze(days[1])
        assert inputs(model) == ["0.25", "2"]
        with pytest.raises(InvalidInput, match="It holds already"):
            withdraw_price(actor=None, model="mini", valid_from=days[1])

    def test_withdrawing_in_any_order_leaves_nothing_behind(
        self, days: list[datetime], model: AIModel, clock: Clock
    ) -> None:
        """What was withdrawn says what held before it: that must follow what holds now."""
        for price, begins in (("1", days[1]), ("2", days[2]), ("3", days[3])):
            self.announce(price, begins)
        withdraw_price(actor=None, model="mini", valid_from=days[2])
        withdraw_price(actor=None, model="mini", valid_from=days[1])
        assert inputs(model) == ["0.25", "3"]
        self.announce("9", days[0])
        assert inputs(model) == ["9", "3"]
        clock.freeze(days[2])
        assert inputs(model) == ["9", "3"]
        clock.freeze(days[3])
        assert inputs(model) == ["3"]

    def test_a_model_without_a_price_by_tokens_gets_one_later(self, clock: Clock) -> None:
        other = make_model("other")
        begins = sql_now() + timedelta(days=1)
        set_token_price(actor=None, model="other", prices=MINI, valid_from=begins)
        assert inputs(other) == [None, "0.25"]
        withdraw_price(actor=None, model="other", valid_from=begins)
        assert inputs(other) == [None]
        clock.freeze(begins)
        assert inputs(other) == [None]

    def test_undoing_an_announcement_withdraws_it(
        self, days: list[datetime], model: AIModel
    ) -> None:
        self.announce("1", days[1])
        undo_change(actor=None, change_id=SettingsChange.objects.latest("pk").pk)
        assert inputs(model) == ["0.25"]

    def test_undoing_a_price_that_holds_sets_the_former_one_again(
        self, days: list[datetime], model: AIModel, clock: Clock
    ) -> None:
        clock.freeze(days[1])
        self.announce("1", days[1])
        change = SettingsChange.objects.latest("pk")
        clock.freeze(days[2])
        undo_change(actor=None, change_id=change.pk)
        assert inputs(model) == ["0.25"]
        [used_meanwhile, *_] = TokenPrice.objects.filter(valid_from=days[1])
        with pytest.raises(CannotUndo):
            undo_change(actor=None, change_id=change.pk)
        clock.freeze(days[1])
        assert price_in_force(model) == used_meanwhile

    def test_undoing_the_first_price_leads_back_to_messages(
        self, days: list[datetime], model: AIModel
    ) -> None:
        undo_change(actor=None, change_id=SettingsChange.objects.get().pk)
        assert inputs(model) == [None]


class TestOffered:
    def test_offered_models_have_their_price_by_tokens_or_a_cost(
        self, alice: User, django_assert_num_queries: Any
    ) -> None:
        plain, mini = make_model("plain", price_factor=3), make_model("mini")
        price = make_token_price(mini, output=5 * 10**6)
        make_token_price(plain, valid_from=sql_now() + timedelta(days=1))
        with django_assert_num_queries(1):
            offered = {model.name: model for model in all_offered(user_id=alice.pk)}
        assert (offered["mini"].token_price, offered["mini"].cost) == (price, None)
        assert (offered["plain"].token_price, offered["plain"].cost) == (None, 3)
        assert pricing_of(offered["plain"]) == {"unit": "message", "credits": 3}
        assert pricing_of(offered["mini"]) == {
            "unit": "1M_tokens", "input": "1", "cached": "1", "cacheWrite": "1", "output": "5",
            "reasoning": "1", "request": "0", "maxInput": None, "version": price.pk,
        }  # fmt: skip

    def test_a_price_back_to_messages_is_none(self, alice: User, model: AIModel) -> None:
        put()
        put(None)
        [offered] = offered_models("ai_text_chat", user_id=alice.pk)
        assert (offered.token_price, offered.cost) == (None, 1)


def test_prices_in_words(model: AIModel) -> None:
    put({"input": "0.25", "output": "100", "request": "0.01"})
    price = price_in_force(model)
    assert price is not None
    assert price.words == "0.25 in, 100 out per 1M tokens"
    assert price.example == "0.08"
    put({"input": "1234.5", "output": "100000"})
    price = price_in_force(model)
    assert price is not None
    assert price.words == "1,234.5 in, 100,000 out per 1M tokens"
