"""Every page of this part, in both colour schemes and both sizes: no serious accessibility fault,
no error in the console, nothing wider than a phone."""

import pytest
from playwright.sync_api import expect

from credits.ledger import release_charge
from credits.models import User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, wait_for_any
from tests.factories import make_charge, make_plan

PUBLIC = ["/", "/pricing", "/sign-in", "/sign-up", "/password-reset", "/password-reset/sent",
          "/password-reset/done", "/reset/x/y", "/api/docs", "/no/such/page"]  # fmt: skip
OWN = ["/usage", "/usage?kind=nonsense", "/pricing", "/account", "/account/password"]


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_pages_for_everyone(window: Window, size: Size, scheme: Scheme) -> None:
    window.allow("status of 404")
    make_plan()
    page = window(size=size, scheme=scheme)
    for url in PUBLIC:
        page.goto(url)
        axe(page)
        fits(page)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_pages_of_ones_own(window: Window, alice: User, size: Size, scheme: Scheme) -> None:
    window.allow("status of 400")
    charge = make_charge(alice, 3, hold=True)
    release_charge(charge_id=charge.id, reason="provider_error")
    make_charge(alice, 92, hold=True)
    page = window(alice, size=size, scheme=scheme)
    for url in OWN:
        page.goto(url)
        axe(page)
        fits(page)


def test_a_new_user_sees_no_empty_table(window: Window, carol: User) -> None:
    page = window(carol, size="phone")
    page.goto("/usage")
    expect(page.get_by_role("heading", name="Nothing has moved yet")).to_be_visible()
    axe(page)


def test_colours_may_be_forced(window: Window, alice: User) -> None:
    page = window(alice, forced_colors="active")
    page.goto("/usage")
    bar = page.locator("#meter rect.left").evaluate("bar => getComputedStyle(bar).fill")
    ground = page.locator("#meter svg").evaluate("svg => getComputedStyle(svg).backgroundColor")
    assert bar != ground


def test_a_page_that_breaks_the_policy_would_fail(window: Window) -> None:
    """The guard itself: without it, the tests above would prove nothing."""
    page = window()
    page.goto("/")
    page.evaluate("document.body.append(Object.assign(document.createElement('style'), "
                  "{textContent: 'body { color: red }'}))")  # fmt: skip
    wait_for_any(page, window.console_errors)
    window.allow("")  # It comes twice, and the second may come after the end.
    assert any("CSP" in each or "Content Security" in each for each in window.console_errors)
    window.console_errors.clear()
