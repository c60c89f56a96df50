"""The way in with Clerk, in a real browser: a stand-in for Clerk's scripts hands out tokens."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browser import Window, windows
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import HOST, session_token
from tests.live import Site

#: What of Clerk's scripts the page uses, for somebody who is signed in at Clerk.
SCRIPT = """
window.__internal_ClerkUICtor = class {};
window.Clerk = {
  load: async () => {}, isSignedIn: true, addListener() {},
  session: { getToken: async () => "%s" },
};
"""
EXPIRED = {"exp": int(time.time()) - 60, "iat": int(time.time()) - 120}

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
