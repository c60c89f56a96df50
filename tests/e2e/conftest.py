"""Fixtures of the browser's tests: `window(user, size=, scheme=)` opens a page of a site."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from zlib import crc32

import pytest
from django.db import connections
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import Window, launch, windows
from tests.live import Site
from tests.lossy import Network, over_network
from tests.waiting import PATIENCE

#: What a browser logs when a connection ends.
BROKEN = r"net::ERR_|status of (401|404|429|503)|htmx:(after|send|timeout)|Response Status Error"

#: Parameters that say how a page is looked at, and nothing of what is done on it.
LOOK = ("size", "scheme")

expect.set_options(timeout=PATIENCE * 1000)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that looks at its pages in several sizes and schemes `make test` runs one, always
    the same of each test, in turns of all; `make looks` runs them all."""
    looks = defaultdict[tuple[object, ...], list[pytest.Item]](list)
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "size" in parameters and item.path.parent.name == "e2e":
            others = [repr(parameters[each]) for each in sorted({*parameters} - {*LOOK})]
            looks[item.path.name, getattr(item, "originalname", ""), *others].append(item)
    for (file, name, *_), same in looks.items():
        kept = crc32(f"{file}{name}".encode()) % len(same)
        for place, item in enumerate(same):
            item.add_marker("look")
            if place != kept:
                item.add_marker("slow")


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


@pytest.fixture
def network(chat_site: Site) -> Iterator[tuple[Network, Site]]:
    with over_network(chat_site) as pair:
        yield pair


@pytest.fixture
def wire(network: tuple[Network, Site]) -> Network:
    """What `lossy_window` reaches the site by."""
    return network[0]


@pytest.fixture
def lossy_window(browser: Browser, network: tuple[Network, Site]) -> Iterator[Window]:
    """As `window`, on a site behind `wire`; errors of a broken connection are allowed."""
    with windows(browser, network[1]) as window:
        window.allow(BROKEN)
        yield window
