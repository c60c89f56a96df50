"""The log of calls by API keys in a real browser: on a desktop and a phone, light and dark."""

import pytest
from playwright.sync_api import expect

from ai_chat.calls import counts
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.calls.making import State, make_call, start_call
from tests.ai_chat.tokens import price_by_tokens
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_key


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_calls_of_keys_can_be_looked_through(
    window: Window, alice: User, admin: User, size: Size, scheme: Scheme
) -> None:
    price_by_tokens()
    key, other = make_key(alice, name="Continuous integration"), make_key(alice, name="Notebook")
    make_call(alice, other)
    done = make_call(alice, key, streamed=True)
    ends = [
        {"state": State.STOPPED, "streamed": True, "tokens": (80, 0, 0, 3, 0)},
        {"state": State.FAILED, "failure": Reason.CUT_OFF, "streamed": True},
        {"state": State.FAILED, "failure": Reason.BUSY, "first": None},
    ]
    for end in ends:
        counts.count_call(make_call(alice, key, **end))  # type: ignore[arg-type]
    start_call(alice, key)
    counts.count(key_id=key.pk, endpoint="models", status=429, code="busy")
    counts.write()
    page = window(alice, size=size, scheme=scheme)
    page.goto(f"/account/keys/{key.public_id}")
    page.get_by_role("link", name="Calls", exact=True).click()
    rows = page.locator("tbody tr[id]")
    expect(rows).to_have_count(5)
    expect(page.get_by_text("going on", exact=True)).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_label("Outcome").select_option(label="Broke off")
    page.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("broke off")
    page.get_by_role("link", name="All calls").click()
    expect(rows).to_have_count(6)
    axe(page)
    fits(page)
    page.get_by_label("Request").fill(done.request_id)
    page.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(1)
    rows.get_by_role("link", name="0.9", exact=True).click()
    line = page.locator(f"#row-{done.charge_id}")
    expect(line).to_contain_text("by key Continuous integration")
    axe(page)
    fits(page)
    line.get_by_role("link").first.click()
    expect(page.locator(f"#call-{done.pk}")).to_be_visible()
    desk = window(admin, size=size, scheme=scheme)
    desk.goto("/admin/usage/keys")
    expect(desk.locator("tbody tr[id]")).to_have_count(2)
    axe(desk)
    fits(desk)
    desk.get_by_role("link", name="Continuous integration").click()
    expect(desk.locator("tbody tr[id]")).to_have_count(5)
    axe(desk)
    fits(desk)


def test_the_description_of_v1_fits(window: Window, alice: User) -> None:
    for size in ("desktop", "phone"):
        page = window(alice, size=size)
        page.goto("/api/docs/v1")
        expect(page.get_by_text("/v1/chat/completions")).not_to_have_count(0)
        axe(page)
        fits(page)
