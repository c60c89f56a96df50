"""Fixtures of the browser's tests: `window(user, size=, scheme=)` opens a page of a site."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import Window, launch, windows
from tests.live import Site
from tests.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="session")
def one_connection() -> Iterator[None]:
    """Playwright keeps an event loop in the thread of the tests. Django would take its presence for
    a reason to refuse queries and to open a second connection, of which nothing here knows: the
    fixtures that empty the database, pytest-django that drops it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    plain = threading.local()
    plain.default = connections["default"]
    patch.setattr(connections, "_connections", plain)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def browser(django_db_setup: None, one_connection: None) -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def window(browser: Browser, site: Site) -> Iterator[Window]:
    """Opens pages on a site with the defaults of `tests/live.py`; an error in a console fails the
    test. For a site of your own: `with windows(browser, site) as window`."""
    with windows(browser, site) as opened:
        yield opened
