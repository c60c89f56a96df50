"""The way in with Clerk, in a real browser: a stand-in for Clerk's scripts hands out tokens."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from credits.models import User
from tests.e2e.browser import Window, windows
from tests.factories import make_user
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import HOST, session_token
from tests.live import Site
from tests.waiting import wait_for

#: What of Clerk's scripts the page uses, for somebody who is signed in at Clerk.
SCRIPT = """
window.__internal_ClerkUICtor = class {};
window.Clerk = {
  load: async () => {}, isSignedIn: true, addListener() {},
  session: { getToken: async () => "%s" },
};
"""
#: The same for a visitor, or for somebody who has our session; it writes down what was mounted.
MOUNTS = """
window.__internal_ClerkUICtor = class {};
window.calls = [];
const record = (name) => (where, options) => {
  window.calls.push([name, where.isConnected, options ?? null]);
  where.textContent = name;
};
window.Clerk = {
  load: async ({ ui }) => window.calls.push(["load", ui.ClerkUI === window.__internal_ClerkUICtor]),
  isSignedIn: %s, addListener() {},
  signOut: async (options) => window.calls.push(["signOut", options]),
  mountSignIn: record("SignIn"), mountSignUp: record("SignUp"),
  mountPricingTable: record("PricingTable"), mountUserButton: record("UserButton"),
};
"""
EXPIRED: dict[str, Any] = {"exp": int(time.time()) - 60, "iat": int(time.time()) - 120}

type Door = Callable[..., tuple[Page, list[str]]]


@pytest.fixture
def clerk_site(keep_site: Callable[..., Site]) -> Site:
    return keep_site(
        CLERK_PUBLISHABLE_KEY=fake_clerk.PUBLISHABLE_KEY,
        CLERK_JWT_KEY=fake_clerk.pem(fake_clerk.KEY).replace("\n", "\\n"),
    )


@pytest.fixture
def window(browser: Browser, clerk_site: Site) -> Iterator[Window]:
    with windows(browser, clerk_site) as opened:
        yield opened


@pytest.fixture
def door(window: Window, clerk_site: Site) -> Door:
    """A page with an expired cookie, to which Clerk hands this token, or does not answer; and what
    it asked of the site."""

    def opened(token: str | None) -> tuple[Page, list[str]]:
        def answer(route: Route) -> None:
            if token is None:
                route.abort()
            else:
                route.fulfill(
                    body=SCRIPT % token,
                    content_type="text/javascript",
                    headers={"Access-Control-Allow-Origin": "*"},
                )

        page = window()
        stale = session_token("user_1", **EXPIRED, without=("azp",))
        page.context.add_cookies(
            [{"name": "__session", "value": stale, "url": clerk_site.base_url}]
        )
        page.route(f"https://{HOST}/**", answer)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
        return page, asked

    return opened


def times(asked: list[str], pattern: str) -> int:
    return sum(bool(re.search(pattern, request)) for request in asked)


@pytest.mark.django_db(transaction=True)
def test_an_expired_cookie_heals_itself_on_the_way_to_a_page(door: Door) -> None:
    page, asked = door(session_token("user_1", without=("azp",)))
    page.goto("/usage")
    expect(page).to_have_url(re.compile(r"^[^?]*/usage$"))
    assert times(asked, "POST .*/auth/clerk/session") == 1


@pytest.mark.django_db(transaction=True)
def test_a_token_that_stays_expired_is_tried_once_and_said(door: Door, window: Window) -> None:
    window.allow("401")
    page, asked = door(session_token("user_1", **EXPIRED, without=("azp",)))
    page.goto("/usage")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    expect(page.locator("[data-clerk-refused]")).to_be_visible()
    again.click()
    expect(again).to_be_visible()
    assert times(asked, "POST .*/auth/clerk/session") == 2
    assert times(asked, "GET .*/sign-in") == 1


@pytest.mark.django_db(transaction=True)
def test_when_clerk_is_unreachable_the_page_says_so_and_stays(door: Door, window: Window) -> None:
    window.allow("ERR_FAILED")
    page, asked = door(None)
    page.clock.install()
    page.goto("/usage")
    page.clock.run_for(20_000)
    expect(page.get_by_text("The sign-in service does not answer")).to_be_visible()
    assert times(asked, "GET .*/sign-in") == 1
    assert times(asked, "POST") == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("address", "signed_in", "part"),
    [
        ("/sign-in", False, "SignIn"),
        ("/sign-up", False, "SignUp"),
        ("/pricing", False, "PricingTable"),
        ("/pricing", True, "PricingTable"),
        ("/account", True, "UserButton"),
    ],
)
def test_clerk_s_part_is_mounted_where_the_page_has_room_for_it(
    window: Window, address: str, signed_in: bool, part: str
) -> None:
    page = window(make_clerk_user() if signed_in else None)
    scripts = play_clerk(page, signed_in=signed_in)
    page.goto(address)
    expect(page.locator("[data-clerk-mount]")).to_have_text(part)
    (loaded, mounted) = page.evaluate("window.calls")
    assert loaded == ["load", True]
    assert mounted[:2] == [part, True]
    if part == "PricingTable":
        assert mounted[2] == {"for": "user", "newSubscriptionRedirectUrl": "/pricing"}
    for said in ("wait", "fault", "refused"):
        expect(page.locator(f"[data-clerk-{said}]")).to_be_hidden()
    assert sorted(scripts) == [
        f"https://{HOST}/npm/@clerk/clerk-js@6/dist/clerk.browser.js",
        f"https://{HOST}/npm/@clerk/ui@1/dist/ui.browser.js",
    ]


@pytest.mark.django_db(transaction=True)
def test_signing_out_signs_out_at_clerk_too(window: Window) -> None:
    page = window(make_clerk_user())
    play_clerk(page, signed_in=True)
    page.goto("/account")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    # Not by the page's own polling, which evaluates strings: the policy refuses that.
    wait_for(lambda: page.evaluate("window.calls?.length") == 2, "both calls of Clerk's script")
    assert page.evaluate("window.calls[1]") == ["signOut", {"redirectUrl": "/"}]


def make_clerk_user() -> User:
    user = make_user(clerk_id="user_1")
    user.set_unusable_password()
    user.save()
    return user


def play_clerk(page: Page, *, signed_in: bool) -> list[str]:
    """Answers for Clerk's host; returns what is asked of it."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            body=MOUNTS % str(signed_in).lower() if "clerk-js" in route.request.url else "",
            content_type="text/javascript",
            headers={"Access-Control-Allow-Origin": "*"},
        )

    page.route(f"https://{HOST}/**", answer)
    return asked
