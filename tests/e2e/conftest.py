"""Fixtures of the browser's tests: `window(user, size=, scheme=)` opens a page of a site."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browser import Window, launch, windows
from tests.live import Site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests. Playwright keeps an event loop in this thread, at which Django's
    ORM would take fright: it is the same thread that uses both, one after the other."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def window(browser: Browser, site: Site) -> Iterator[Window]:
    """Opens pages on a site with the defaults of `tests/live.py`; an error in a console fails the
    test. For a site of your own: `with windows(browser, site) as window`."""
    with windows(browser, site) as opened:
        yield opened
