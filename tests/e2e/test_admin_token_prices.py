"""Prices by tokens and what models brought in, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from credits.models import AIModel, TokenPrice, Use, User
from credits.models.tokens import ASKED
from credits.uses import Tokens, settle_use
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_model, make_reserve, make_token_price, price_in_force

SIZES: list[Size] = ["desktop", "phone"]


def use(user: User, model: AIModel, output: int = 400) -> None:
    reserve = make_reserve(user, model)
    used = Tokens(500, 100, 0, output, 50, Use.Source.PROVIDER)
    settle_use(charge_id=reserve.id, tokens=used)


def check_look(page: Page) -> None:
    axe(page)
    fits(page)


@pytest.mark.parametrize("size", SIZES)
def test_a_price_is_typed_reviewed_announced_and_withdrawn(
    window: Window, admin: User, alice: User, size: Size
) -> None:
    window.allow("status of 422")
    model = make_model("mini", label="Mini")
    make_token_price(model, input=10**9, output=10**9)
    use(alice, model)
    page = window(admin, size=size)
    page.goto("/admin/settings")
    page.get_by_role("link", name="Mini", exact=True).click()
    page.get_by_role("link", name="Price by tokens").click()
    expect(page.get_by_role("heading", name="Price of Mini")).to_be_visible()
    check_look(page)
    page.get_by_label("Input", exact=True).fill("0,5")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_text("Must be credits from 0 to 100,000").first).to_be_visible()
    check_look(page)
    page.get_by_label("Input", exact=True).fill("500.5")
    page.get_by_label("Input: what the provider asks").fill("100")
    page.get_by_label("Output: what the provider asks").fill("200")
    page.get_by_label("From when on").fill("2099-12-01T12:00")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_text("would pay more")).to_be_visible()
    assert TokenPrice.objects.count() == 1
    check_look(page)
    page.get_by_role("link", name="Back to editing").click()
    expect(page.get_by_label("Input", exact=True)).to_have_value("500.5")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Confirm and save").click()
    expect(page.get_by_role("heading", name="Announced")).to_be_visible()
    check_look(page)
    page.get_by_role("button", name="Withdraw the price").click()
    expect(page.get_by_text("It is withdrawn.").first).to_be_visible()
    expect(page.get_by_role("heading", name="Announced")).to_have_count(0)
    price = price_in_force(model)
    assert price is not None
    assert price.input == 10**9


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_pages_of_what_tokens_cost_can_be_read_by_everybody(
    window: Window, admin: User, alice: User, size: Size, scheme: Scheme
) -> None:
    model = make_model("mini", label="A model with quite a long name")
    make_token_price(model, input=10**9, output=10**9, **dict.fromkeys(ASKED, 10**8))
    make_token_price(make_model("other"), input=123_456_789, output=987_654_321)
    use(alice, model)
    use(alice, model, output=9000)
    page = window(admin, size=size, scheme=scheme)
    for path in ("/admin", "/admin/usage/models", "/admin/health", "/admin/settings", "/pricing",
                 f"/admin/settings/models/{model.pk}/price"):  # fmt: skip
        page.goto(path)
        check_look(page)
    page.goto("/admin/health")
    expect(page.get_by_text("not collected in 24 h").first).to_be_visible()


def test_a_price_is_set_without_scripts(window: Window, admin: User) -> None:
    model = make_model("mini", label="Mini")
    page = window(admin, javascript=False)
    page.goto(f"/admin/settings/models/{model.pk}/price")
    page.get_by_label("Input", exact=True).fill("0.25")
    page.get_by_label("Output", exact=True).fill("2")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Confirm and save").click()
    expect(page.get_by_role("heading", name="Now")).to_be_visible()
    assert price_in_force(model) is not None
