"""The chat in Firefox and in WebKit: `make browsers`. Chromium has its own tests in tests/e2e/."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from django.conf import settings

from ai_chat.models import Turn
from credits.models import Session, User
from tests.browsers.driver import Driver, firefox, webkit
from tests.factories import PASSWORD
from tests.live import Site, session_of
from tests.lossy import Network, over_network
from tests.waiting import wait_for

pytestmark = pytest.mark.slow
MESSAGE, SEND = "#message", "#offer .for-text button"
PASTE = "\ue009v\ue000"  # Control and V, and no key: so WebDriver sends them.
#: Notes what the page says of an answer, for signs that are gone before anybody looks.
LISTEN = """(() => {
    window.said = [];
    const region = document.getElementById("progress");
    new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true });
})()"""
BOX = "document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
DIRECTION = "getComputedStyle(document.querySelector(arguments[0])).direction"
FILL = """(() => {
    const field = document.getElementById("message");
    field.value = arguments[0];
    field.dispatchEvent(new Event("input"));
})()"""
NO_CLIPBOARD = """(() => {
    Object.defineProperty(Navigator.prototype, "clipboard", { get: () => undefined });
})()"""


@pytest.fixture(scope="module", params=[firefox, webkit], ids=["firefox", "webkit"])
def browser(request: pytest.FixtureRequest) -> Iterator[Driver]:
    launch: Callable[[], AbstractContextManager[Driver]] = request.param
    with launch() as driver:
        yield driver


@pytest.fixture
def wire(browser: Driver, chat_site: Site, alice: User) -> Iterator[Network]:
    """The browser at the chat, signed in as Alice, over a network that can fail."""
    with over_network(chat_site) as (network, site):
        browser.base_url = site.base_url
        browser.goto("/sign-in")
        browser.evaluate("localStorage.clear()")
        browser.set_cookie(settings.SESSION_COOKIE_NAME, session_of(alice))
        browser.goto("/ai-chat")
        yield network
        browser.goto("/healthz")


def send(browser: Driver, message: str) -> None:
    browser.type(MESSAGE, message)
    browser.click(SEND)


def begin(browser: Driver, message: str) -> None:
    """An answer that is being written, and the draft of the next message."""
    send(browser, message)
    browser.wait_for(".live .tail", "word12")
    browser.type(MESSAGE, "The next one")


def has_ended_whole(browser: Driver, words: int) -> None:
    browser.wait_for(".receipt b", "1 credit")
    assert browser.text(".it .md").split() == [f"word{n}" for n in range(1, words + 1)]
    assert browser.text(MESSAGE) == "The next one"
    assert browser.text(".lost") == ""
    assert Turn.objects.count() == 1


def test_signing_in_and_reading_an_answer_as_it_is_written(browser: Driver, wire: Network) -> None:
    Session.objects.all().delete()
    browser.goto("/sign-in")
    browser.type("[name=username]", "alice@example.com")
    browser.type("[name=password]", PASSWORD)
    browser.click("main form .primary")
    browser.wait_for("h1", "New chat")
    begin(browser, "Go on [[tokens:60]] [[delay:0.1]]")
    assert "1 credit held" in browser.text(".receipt")
    has_ended_whole(browser, 60)


def test_an_answer_is_stopped(browser: Driver, wire: Network) -> None:
    begin(browser, "Go on [[tokens:600]] [[delay:0.1]]")
    browser.click(".stop")
    browser.wait_for(".receipt", "stopped by you")
    assert "word12" in browser.text(".it .md")
    assert Turn.objects.get().state == Turn.State.STOPPED


def test_an_answer_comes_through_a_cut_and_a_site_that_is_away(
    browser: Driver, wire: Network
) -> None:
    begin(browser, "Go on [[tokens:120]] [[delay:0.1]]")
    wire.cut()
    browser.wait_for(".live", "word30")
    wire.go_away()
    browser.wait_for(".lost", "The site cannot be reached")
    assert "word30" in browser.text(".live")
    wire.open()
    has_ended_whole(browser, 120)


def test_an_answer_comes_through_a_connection_that_stands_still(
    browser: Driver, wire: Network
) -> None:
    begin(browser, "Go on [[tokens:200]] [[delay:0.1]]")
    browser.evaluate(LISTEN)
    wire.freeze()
    has_ended_whole(browser, 200)
    assert "Reconnecting…" in browser.evaluate("said")


def test_a_session_that_ended_is_said_and_the_page_stays(
    browser: Driver, wire: Network, alice: User
) -> None:
    begin(browser, "Go on [[tokens:300]] [[delay:0.1]]")
    Session.objects.all().delete()
    browser.wait_for(".lost", "You are signed out. Sign in again")
    browser.wait_for("#meter", "Signed out")
    assert browser.text(MESSAGE) == "The next one"
    browser.set_cookie(settings.SESSION_COOKIE_NAME, session_of(alice))
    browser.evaluate("window.dispatchEvent(new Event('focus'))")
    browser.wait_for(".live", "word100")
    browser.click(".stop")
    browser.wait_for(".receipt", "stopped by you")


def test_what_is_being_read_stays_where_it_is(browser: Driver, wire: Network) -> None:
    send(browser, "A long one [[tokens:900]]")
    browser.wait_for(".receipt b", "1 credit")
    send(browser, "Go on [[tokens:150]] [[delay:0.1]]")
    browser.wait_for(".live .tail", "word12")
    browser.evaluate("(window.dispatchEvent(new Event('wheel')), scrollTo(0, 60))")
    wait_for(lambda: browser.evaluate("scrollY") == 60, "the page to have scrolled")
    wire.cut()
    browser.wait_for(".live .tail", "word60")
    assert browser.evaluate("scrollY") == 60, "after a cut"
    browser.reload()
    browser.wait_for(".live .tail", "word80")
    assert browser.evaluate("scrollY") == 60, "after a reload in the middle"
    wait_for(lambda: Turn.objects.filter(state="answered").count() == 2, "the answer to end")
    wait_for(lambda: not browser.text(".live"), "the end on the page")
    assert browser.evaluate("scrollY") == 60, "after the end"


@pytest.mark.parametrize("prepare", ["null", NO_CLIPBOARD], ids=["clipboard", "command"])
def test_answers_are_copied_as_markdown(browser: Driver, wire: Network, prepare: str) -> None:
    send(browser, "[[echo]] **Look** at *this*")
    browser.wait_for(".receipt b", "1 credit")
    browser.evaluate(prepare)
    browser.click("[aria-label='Copy the answer']")
    browser.wait_for("#progress", "Copied.")
    browser.type(MESSAGE, PASTE)
    browser.wait_for(MESSAGE, "**Look** at *this*")


def test_a_draft_is_kept_and_one_that_is_too_long_is_not_sent(
    browser: Driver, wire: Network
) -> None:
    browser.type(MESSAGE, "Not sent yet")
    browser.reload()
    browser.wait_for(MESSAGE, "Not sent yet")
    browser.evaluate(FILL, "x" * 9004)
    browser.click(SEND)
    browser.wait_for("#problem", "at most 8,000 characters; this one has 9,004")
    assert browser.text(MESSAGE) == "x" * 9004
    assert not Turn.objects.exists()


def test_formulas_are_laid_out_and_arabic_runs_from_right_to_left(
    browser: Driver, wire: Network
) -> None:
    send(browser, r"[[echo]] مرحبا \[\frac{a}{b}\]")
    browser.wait_for(".receipt b", "1 credit")
    above, below = (browser.evaluate(BOX, f"mfrac > :nth-child({place})") for place in (1, 2))
    assert above["height"] > 0
    assert above["bottom"] <= below["top"] + 1
    assert browser.evaluate(DIRECTION, ".md p") == "rtl"
    send(browser, "مرحبا")
    browser.wait_for(".turn + .turn .receipt b", "1 credit")
    assert browser.evaluate(DIRECTION, ".turn + .turn .me") == "rtl"
    assert browser.evaluate(DIRECTION, ".turn + .turn .md p") == "ltr"
