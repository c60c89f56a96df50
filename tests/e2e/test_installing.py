"""The site as an app: what a browser needs to install it, and what it shows without a network."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from credits.models import User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits

#: What the caches of this browser hold: addresses and texts.
KEPT = """async () => {
    const kept = {};
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
            const { pathname, search } = new URL(request.url);
            kept[pathname + search] = await (await cache.match(request)).text();
        }
    }
    return kept;
}"""


def installed(window: Window, user: User, **options: Any) -> Page:
    """A page which the service worker serves."""
    page = window(user, service_workers="allow", **options)
    page.goto("/account")
    page.evaluate("""async () => {
        await navigator.serviceWorker.ready;
        if (navigator.serviceWorker.controller) return;
        await new Promise((resolve) =>
            navigator.serviceWorker.addEventListener("controllerchange", resolve));
    }""")
    return page


def test_chromium_finds_nothing_that_keeps_it_from_installing_the_site(
    window: Window, alice: User
) -> None:
    page = installed(window, alice)
    devtools = page.context.new_cdp_session(page)
    manifest = devtools.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].endswith("/manifest.webmanifest")
    faults = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A private window cannot install anything; each of these tests is one.
    assert [fault["errorId"] for fault in faults if fault["errorId"] != "in-incognito"] == []
    content = json.loads(manifest["data"])
    sizes = []
    for icon in content["icons"]:
        size = page.evaluate(
            """async (src) => {
                const image = new Image();
                image.src = src;
                await image.decode();
                return `${image.naturalWidth}x${image.naturalHeight}`;
            }""",
            icon["src"],
        )
        assert size == icon["sizes"]
        sizes.append((size, icon["purpose"]))
    assert sizes == [("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")]


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_without_a_network_the_site_says_so_and_comes_back(
    window: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    window.allow("net::ERR_INTERNET_DISCONNECTED")
    page = installed(window, alice, size=size, scheme=scheme)
    page.context.set_offline(True)
    page.goto("/usage")
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    expect(page.get_by_role("link", name="Try again")).to_have_css("text-decoration-line", "none")
    axe(page)
    fits(page)
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.locator("#meter strong")).to_have_text("100")
    assert page.url.endswith("/usage")


def test_no_cache_keeps_what_is_somebodys_own(window: Window, alice: User) -> None:
    page = installed(window, alice)
    for path in ("/ai-chat", "/usage", "/images", "/ai-chat/conversations", "/credits/balance"):
        page.goto(path)
    page.goto("/account")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page).to_have_url(f"{window.site.base_url}/")
    kept = page.evaluate(KEPT)
    assert set(kept) == {
        "/offline", "/static/css/tally.css?offline", "/static/favicon.svg?offline",
    }  # fmt: skip
    assert "You are offline" in kept["/offline"]
    assert alice.email not in str(kept) and "csrf" not in kept["/offline"]
    # Nor does anything else stay of who was here.
    assert page.evaluate("Object.keys(localStorage)") == []


def test_what_was_kept_by_an_older_worker_is_removed(window: Window, alice: User) -> None:
    page = installed(window, alice)
    page.evaluate("caches.open('offline of an older version')")
    page.evaluate("""async () => {
        await (await navigator.serviceWorker.ready).unregister();
        location.reload();
    }""")
    page.wait_for_function("async () => (await caches.keys()).length === 1")
