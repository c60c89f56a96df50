"""/admin/settings: the price of a model by tokens, and what a new one would have done."""

import random
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.test import Client

from adminpanel.settings.preview import token_effect
from adminpanel.templatetags.desk import in_credits
from credits.amounts import PICO
from credits.catalogue.token_price_changes import columns_of, set_token_price
from credits.catalogue.token_prices import price_state
from credits.ledger import refund_charge, release_charge
from credits.models import AIModel, SettingsChange, TokenPrice, Use, User
from credits.models.tokens import ASKED, BUCKETS
from credits.uses import Tokens, settle_use
from tests.adminpanel.settings.words import value_of, words
from tests.clock import Clock
from tests.credits.reports.test_models import cost_of
from tests.factories import (
    make_charge,
    make_grant,
    make_model,
    make_reserve,
    make_token_price,
    price_in_force,
)

pytestmark = pytest.mark.django_db
MINI = {"by": "tokens", "input": "0.25", "cached": "0.025", "output": "2"}


@pytest.fixture
def model(db: None) -> AIModel:
    return make_model("mini", label="Mini <b>")


@pytest.fixture
def page(model: AIModel) -> str:
    return f"/admin/settings/models/{model.pk}/price"


def use(user: User, model: AIModel, output: int = 20) -> None:
    reserve = make_reserve(user, model)
    settle_use(charge_id=reserve.id, tokens=Tokens(100, 0, 0, output, 0, Use.Source.PROVIDER))


def confirm(desk: Client, page: str, **fields: Any) -> Any:
    """Reviews a price and says yes, as a browser does."""
    shown = desk.get(page)
    fields = {**MINI, "version": value_of(shown, "version"), **fields}
    review = desk.get(f"{page}/review", fields)
    assert review.status_code == 200, words(review)
    return desk.post(page, {name: value_of(review, name) for name in fields}, follow=True)


class TestSetting:
    def test_a_price_is_typed_reviewed_and_confirmed(
        self, desk: Client, page: str, model: AIModel, admin: User
    ) -> None:
        assert "Whatever it uses: 1 credit a message" in words(desk.get(page))
        assert "Nobody has changed it yet." in words(desk.get(page))
        answer = confirm(desk, page, provider_input="0.1", provider_output="1", max_input="5000")
        assert "Mini <b> has another price." in words(answer)
        assert "Input 0.25 0.1 Input from a cache 0.025 0.1" in words(answer)
        price = price_in_force(model)
        assert price is not None
        assert (price.input, price.cached, price.cache_write) == (250_000, 25_000, 250_000)
        assert (price.provider_reasoning, price.max_input) == (1_000_000, 5000)
        assert SettingsChange.objects.get().actor == admin
        listed = words(desk.get("/admin/settings"))
        assert "0.25 in, 2 out per 1M tokens" in listed
        assert "Token price of Mini <b>" in listed
        assert "0.25 in, 2 out per 1M tokens now" in words(desk.get(page.removesuffix("/price")))

    def test_an_announced_price_is_shown_and_withdrawn(
        self, desk: Client, page: str, model: AIModel, noon: Clock
    ) -> None:
        begins = noon.now() + timedelta(days=2)
        answer = confirm(desk, page, valid_from=f"{begins:%Y-%m-%dT%H:%M}")
        assert f"Announced: Mini <b> has another price from {begins:%-d %b %Y %H:%M} UTC on." in (
            words(answer)
        )
        assert f"From Input Output Withdraw {begins:%-d %b %Y %H:%M} UTC 0.25 2" in words(answer)
        assert price_in_force(model) is None
        fields = {name: value_of(answer, name) for name in ("valid_from", "version")}
        answer = desk.post(f"{page}/withdraw", fields, follow=True)
        assert "It is withdrawn." in words(answer)
        noon.move(days=3)
        assert price_in_force(model) is None
        answer = desk.post(f"{page}/withdraw", fields, follow=True)
        assert "is not announced, or not any more" in words(answer)

    def test_a_time_is_in_the_admins_zone(self, desk: Client, page: str, noon: Clock) -> None:
        desk.cookies["tz"] = "Asia/Tokyo"
        confirm(desk, page, valid_from=f"{noon.now() + timedelta(days=2):%Y-%m-%d}T09:00")
        [row] = TokenPrice.objects.all()
        assert (row.valid_from.hour, row.valid_from.minute) == (0, 0)

    def test_back_to_a_price_per_message(self, desk: Client, page: str, model: AIModel) -> None:
        set_token_price(actor=None, model="mini", prices={"input": "1", "output": "1"})
        confirm(desk, page, by="message")
        assert price_in_force(model) is None

    @pytest.mark.parametrize("step", ["review", "save"])
    @pytest.mark.parametrize(
        ("field", "value", "sentence"),
        [
            ("input", "", "Must be credits from 0 to 100,000"),
            ("input", "0,25", "Must be credits from 0 to 100,000"),
            ("output", "1e3", "Must be credits from 0 to 100,000"),
            ("reasoning", "0.0000001", "with at most 6 decimals"),
            ("request", "100.5", "Must be credits from 0 to 100"),
            ("provider_cached", "0.1", "Must be credits from 0 to 100,000"),
            ("max_input", "0", "Must be a whole number from 1"),
            ("valid_from", "yesterday", "Write a date and a time"),
            ("valid_from", "0001-01-01T00:00", "Write a date and a time"),
            ("valid_from", "9999-12-31T23:59", "Write a date and a time"),
            ("valid_from", "2020-01-01T00:00", "A price begins now or later."),
            ("by", "air", "Select a valid choice"),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_field(
        self, desk: Client, page: str, step: str, field: str, value: str, sentence: str
    ) -> None:
        fields = {**MINI, "version": "0", field: value}
        reviews = step == "review"
        answer = desk.get(f"{page}/review", fields) if reviews else desk.post(page, fields)
        assert answer.status_code == 422
        assert sentence in words(answer)
        assert value_of(answer, "cached") == "0.025"
        assert not TokenPrice.objects.exists()

    def test_of_two_admins_the_second_is_told(
        self, desk: Client, page: str, model: AIModel
    ) -> None:
        review = desk.get(f"{page}/review", {**MINI, "version": "0"})
        set_token_price(actor=None, model="mini", prices={"input": "7", "output": "7"})
        fields = {name: value_of(review, name) for name in (*MINI, "version")}
        answer = desk.post(page, fields)
        assert answer.status_code == 409
        assert "Somebody else has changed this price" in words(answer)
        assert "Input 7" in words(answer)
        assert price_state(price_in_force(model)) is not None
        assert TokenPrice.objects.count() == 1
        again = {**fields, "version": value_of(answer, "version")}
        assert desk.post(page, again).status_code == 302
        assert TokenPrice.objects.count() == 2

    def test_only_a_model_for_text_has_this_page(self, desk: Client) -> None:
        painter = make_model("painter", feature="ai_image_generation")
        assert desk.get(f"/admin/settings/models/{painter.pk}/price").status_code == 404
        page = desk.get(f"/admin/settings/models/{painter.pk}")
        assert f"{painter.pk}/price" not in page.text

    def test_it_can_be_undone_from_the_history(
        self, desk: Client, page: str, model: AIModel
    ) -> None:
        confirm(desk, page)
        change = SettingsChange.objects.get()
        address = f"/admin/settings/history/{change.pk}/undo"
        assert "Token price of Mini" in words(desk.get(address))
        assert "Undone" in words(desk.post(address, follow=True))
        assert price_in_force(model) is None


class TestPreview:
    def test_last_weeks_uses_at_the_new_price(
        self, desk: Client, page: str, model: AIModel, alice: User, noon: Clock
    ) -> None:
        asked = dict.fromkeys(ASKED, 10**8)
        make_token_price(model, input=10**9, output=10**9, **asked)
        use(alice, model)
        noon.move(days=8)
        use(alice, model)
        use(alice, model, output=900)
        release_charge(charge_id=make_reserve(alice, model).id, reason="provider_error")
        review = desk.get(f"{page}/review", {**MINI, "input": "5000", "output": "500",
                                             "version": "1", "cached": ""})  # fmt: skip
        text = words(review)
        # 200 read and 920 written: 1.12 then, 1.46 at the new price; the short one costs more.
        assert "2 1 would pay more" in text
        assert "1.1 → 1.5 1.1 collected" in text
        assert "The provider asks 0.11 → unknown" in text
        assert "Margin 1 → unknown 90.0 % → unknown" in text
        assert "The same tokens at the other price" in text

    def test_of_answers_priced_per_message_the_tokens_are_not_known(
        self, desk: Client, page: str, model: AIModel, alice: User
    ) -> None:
        make_charge(alice, model=model.name)
        charge = make_charge(alice, 2, model=model.name)
        refund_charge(charge_id=charge.id, reason="goodwill", idempotency_key="a", amount=1)
        text = words(desk.get(f"{page}/review", {**MINI, "version": "0"}))
        assert "No call was priced by tokens in these days." in text
        assert "2 answers were priced per message in these days, for 2 credits." in text
        assert "is not known" in text
        assert "So far a message costs 1 credit." in text

    def test_back_to_messages_each_use_costs_as_much(self, model: AIModel, alice: User) -> None:
        make_token_price(model, input=10**10, output=10**9)
        use(alice, model)
        use(alice, model, output=900)
        effect = token_effect(model, None, per_unit=3)
        assert (effect.at.uses, effect.at.new_cost) == (2, 6 * PICO)
        assert effect.at.dearer == 2
        assert effect.new_margin is None

    @pytest.mark.parametrize("seed", range(3))
    def test_it_is_exact(self, model: AIModel, seed: int) -> None:
        rng = random.Random(seed)
        user = User.objects.create_user("u@example.com", "x")
        make_grant(user, 10**6)
        made = []
        for _ in range(4):
            price = make_token_price(model, **{name: rng.randrange(10**9) for name in BUCKETS})
            for _ in range(3):
                cached, thought = rng.randrange(300), rng.randrange(300)
                read, written = cached + rng.randrange(500), thought + rng.randrange(500)
                tokens = Tokens(read, cached, 0, written, thought, Use.Source.PROVIDER)
                settle_use(charge_id=make_reserve(user, model).id, tokens=tokens)
                made.append((price, tokens))
        asked: dict[str, str] = {
            name: f"{rng.randrange(100_000)}.{rng.randrange(10**6):06}"
            for name in ("input", "cached", "output", "reasoning")
        }
        wanted = TokenPrice(model=model, **columns_of({**asked, "provider": asked}))
        at = token_effect(model, wanted, per_unit=1).at
        before = [cost_of(price, tokens) for price, tokens in made]
        after = [cost_of(wanted, tokens) for _, tokens in made]
        assert Fraction(at.cost, PICO) == sum(before)
        assert Fraction(at.new_cost, PICO) == sum(after)
        assert at.new_provider_cost == at.new_cost
        dearer = sum(new > old for old, new in zip(before, after, strict=True))
        assert (at.uses, at.dearer) == (len(made), dearer)
        assert (at.known, at.provider_cost) == (0, None)


def test_what_nobody_knows_is_not_zero() -> None:
    shown: Callable[[int | None], str] = in_credits
    assert [shown(None), shown(0), shown(-PICO // 2)] == ["unknown", "0", "−0.5"]
