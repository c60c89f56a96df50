"""A newcomer's way with a model that is priced by tokens: the button, the receipt that counts, and
the line of the statement."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from credits.models import TokenPrice, User
from tests.ai_chat.tokens import assert_paid_exactly, price_by_tokens
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.e2e.pickers import choose_model
from tests.factories import make_model, make_token_price, make_user
from tests.live import Site


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    return price_by_tokens(output_tokens=1000)


@pytest.fixture
def chat(browser: Browser, chat_site: Site, price: TokenPrice) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        yield window


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_newcomer_sees_what_a_message_takes_and_took(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    send = page.get_by_role("button", name=re.compile("^Send"))
    expect(send).to_have_text(re.compile(r"Send\s+up to 3 credits"))
    fits(page)
    words = "Tell me about the sea. [[tokens:80]] [[delay:0.05]] "
    page.get_by_label("Message").fill(words + "and the wind " * 70)
    expect(send).to_have_text(re.compile(r"up to 4 credits"))
    send.click()
    so_far = page.locator(".receipt .so-far")
    expect(so_far).to_have_text(re.compile(r"about 0\.[0-9]+ credits so far"))
    expect(page.locator(".receipt")).to_contain_text("up to 4 credits held")
    fits(page)
    receipt = page.locator(".receipt")
    expect(receipt.locator("b")).to_have_text(re.compile(r"^0\.\d+ credits$"))
    expect(receipt).to_contain_text("80 out")
    expect(receipt).to_contain_text("took 1 credit, 0.")
    fits(page)
    page.locator(".receipt").get_by_role("link", name="#").click()
    line = page.locator(":target")
    expect(line).to_contain_text("80 out")
    expect(line).to_contain_text("4 reserved, 1 kept")
    expect(page.get_by_text("of a credit is paid ahead")).to_be_visible()
    fits(page)
    axe(page)
    assert_paid_exactly(alice)


def test_the_button_follows_the_model_and_what_is_written(
    chat: Window, alice: User, price: TokenPrice
) -> None:
    other = make_model(label="Dear one", output_tokens=1000)
    make_token_price(other, input=10**10, output=2 * 10**10, reasoning=2 * 10**10)
    page = chat(alice)
    page.goto("/ai-chat")
    send = page.get_by_role("button", name=re.compile("^Send"))
    expect(send).to_have_text(re.compile("up to 3 credits"))
    page.get_by_label("Message").press_sequentially("é" * 600)
    expect(send).to_have_text(re.compile("up to 4 credits"))
    choose_model(page, "Dear one")
    expect(send).to_have_text(re.compile("up to 3[0-9] credits"))


def test_too_few_credits_say_so(chat: Window) -> None:
    poor = make_user(credits=1)
    page = chat(poor, size="phone")
    page.goto("/ai-chat")
    expect(page.locator("#offer")).to_contain_text("The answer may be cut at about 300 words")
    page.get_by_label("Message").fill("x" * 900)
    expect(page.locator("#offer")).to_contain_text("For the shortest answer 2 credits have")
    expect(page.get_by_role("button", name=re.compile("^Send"))).to_be_disabled()
    fits(page)


def test_a_line_of_a_phone_that_took_nothing_has_no_sign(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone")
    signs = []
    for tokens in (80, 10):
        page.goto("/ai-chat")
        page.get_by_label("Message").fill(f"Hello [[tokens:{tokens}]]")
        page.get_by_role("button", name=re.compile("^Send")).click()
        page.locator(".receipt").get_by_role("link", name="#").click()
        amount = page.locator(":target .out")
        before = amount.evaluate("each => getComputedStyle(each, '::before').content")
        signs.append((amount.inner_text(), before))
    assert signs == [("1", '"−"'), ("0", "none")]
