"""The chat while its connection breaks, stands still or crawls, the site is away, and the session
ends: on a desktop and on a phone."""

import re
import time
from itertools import pairwise

import pytest
from playwright.sync_api import Page, Route, expect

from ai_chat.models import Turn
from credits.models import Session, User
from tests.e2e.browser import CHANGED, Window, axe, count_signs, expect_sign, fits
from tests.live import Site, session_of
from tests.lossy import Network
from tests.waiting import wait_for


def send(page: Page, message: str) -> None:
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name=re.compile("^Send")).click()


def begin(page: Page, message: str = "Go on [[tokens:90]] [[delay:0.1]]") -> None:
    """A chat whose answer is being written, and a draft of the next message."""
    page.goto("/ai-chat")
    send(page, message)
    expect(page.locator(".live .tail")).to_contain_text("word12")
    page.get_by_label("Message").fill("The next one")


def has_ended_whole(page: Page, words: int) -> None:
    """The answer has come to its end, each word once, and the draft is still there."""
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    text = page.locator(".it .md").inner_text()
    assert text.split() == [f"word{n}" for n in range(1, words + 1)]
    expect(page.get_by_label("Message")).to_have_value("The next one")
    expect(page.locator(".lost")).to_have_count(0)
    assert Turn.objects.count() == 1


def test_a_connection_that_ends_is_made_again(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice, size="phone")
    begin(page)
    count_signs(page)
    wire.cut()
    expect(page.locator(".live")).to_contain_text("word40")
    has_ended_whole(page, 90)
    assert page.evaluate("signs").count("Reconnecting…") == 1


def test_a_connection_that_stands_still_is_made_again(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice, size="phone")
    begin(page, "Go on [[tokens:200]] [[delay:0.1]]")
    count_signs(page)
    wire.freeze()
    expect_sign(page, "Reconnecting…")
    has_ended_whole(page, 200)


def test_a_connection_that_died_while_the_machine_slept_is_made_again_at_once(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice)
    page.clock.install()
    begin(page)
    count_signs(page)
    wire.freeze()
    # Timers stood still, the clock did not.
    page.clock.set_system_time(page.evaluate("Date.now() + 600000"))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect_sign(page, "Reconnecting…")
    page.clock.resume()
    has_ended_whole(page, 90)


def test_a_site_that_is_away_leaves_the_page_and_the_draft_where_they_are(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice, size="phone")
    begin(page)
    address = page.url
    wire.go_away()
    expect(page.locator(".lost")).to_have_text("The site cannot be reached. Trying again…")
    expect(page.locator("#progress")).to_have_text("The site cannot be reached. Trying again…")
    expect(page.locator(".live")).to_contain_text("word12")
    page.evaluate("history.pushState({}, '', '#x'); history.back()")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#toasts")).to_contain_text("The site cannot be reached")
    page.locator("#toasts").get_by_role("button").click()
    axe(page)
    fits(page)
    assert page.url == address
    expect(page.get_by_label("Message")).to_have_value("The next one")
    wire.open()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator(".it .md")).to_contain_text("word90")


def test_a_slow_connection_shows_the_answer_as_it_comes(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice)
    begin(page)
    wire.delay = 3
    expect(page.locator(".live")).to_contain_text("word40")
    wire.delay = 0
    has_ended_whole(page, 90)


def test_a_session_that_ended_is_said_once_and_nothing_asks_until_there_is_another(
    lossy_window: Window, alice: User
) -> None:
    page = lossy_window(alice, size="phone")
    page.clock.install()
    begin(page, "Go on [[tokens:600]] [[delay:0.1]]")
    said: list[str] = []
    page.expose_function("heard", lambda text: said.append(text))  # noqa: PLW0108 - wrapped
    page.evaluate("""new MutationObserver(() => heard(document.getElementById("said").textContent))
        .observe(document.getElementById("said"), { childList: true })""")
    Session.objects.all().delete()
    sign = page.locator(".lost")
    page.clock.run_for(1000)
    expect(sign, "The stream ends by itself.").to_contain_text("You are signed out. Sign in again")
    expect(page.locator("#meter")).to_contain_text("Signed out")
    expect(sign.get_by_role("link")).to_have_attribute("href", re.compile("^/sign-in.next=.*chat"))
    axe(page)
    fits(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(120_000)
    page.evaluate(CHANGED)
    assert asked == []
    assert said == ["You are signed out."]
    expect(page.get_by_label("Message")).to_have_value("The next one")
    lossy_window.sign_in(page.context, alice)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator("#meter strong")).to_have_text("99")
    expect(sign).to_have_count(0)
    expect(page.locator(".live")).to_contain_text("word100")


def test_an_answer_that_was_deleted_meanwhile_is_said_and_not_asked_for_again(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice)
    begin(page)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=404)

    page.route("**/events", refuse)
    wire.cut()
    expect(page.locator(".lost")).to_have_text("This was deleted meanwhile.")
    page.clock.install()
    page.clock.run_for(60_000)
    assert len(asked) == 1
    expect(page.locator(".live")).to_contain_text("word12")
    expect(page.get_by_label("Message")).to_have_value("The next one")


@pytest.mark.parametrize("status", [429, 503])
def test_a_site_that_asks_to_wait_is_given_the_time(
    lossy_window: Window, wire: Network, alice: User, status: int
) -> None:
    page = lossy_window(alice)
    begin(page, "Go on [[tokens:200]] [[delay:0.1]]")
    times: list[float] = []

    def refuse_twice(route: Route) -> None:
        times.append(time.monotonic())
        if len(times) > 2:
            route.continue_()
        else:
            route.fulfill(status=status, headers={"Retry-After": "3"})

    page.route("**/events", refuse_twice)
    wire.cut()
    expect(page.locator(".lost")).to_have_text("Reconnecting…")
    has_ended_whole(page, 200)
    assert all(later - sooner >= 3 for sooner, later in pairwise(times))


def test_nobody_asks_for_a_broken_answer_while_the_tab_is_hidden(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice)
    begin(page)
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away ?? true})")
    wire.go_away()
    expect(page.locator(".lost")).to_be_visible()
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4000)
    assert asked == []
    wire.open()
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    has_ended_whole(page, 90)


def test_what_is_being_read_stays_where_it_is_through_everything(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice, size="phone", viewport={"width": 360, "height": 500})
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:700]] [[delay:0.02]]")
    expect(page.locator(".live .tail")).to_contain_text("word300")
    page.evaluate("window.dispatchEvent(new Event('wheel')); window.scrollBy(0, -300)")
    expect(page.locator("#latest")).to_be_visible()
    before = page.evaluate("scrollY")
    count_signs(page)
    wire.cut()
    expect_sign(page, "Reconnecting…")
    expect(page.locator(".live .tail")).to_contain_text("word400")
    assert page.evaluate("scrollY") == before, "after a cut"
    page.reload()
    expect(page.locator(".live .tail")).to_contain_text("word500")
    wait_for(lambda: page.evaluate("scrollY") == before, "the place in the middle")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert page.evaluate("scrollY") == before, "after the end"
    page.reload()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    wait_for(lambda: page.evaluate("scrollY") == before, "the place after the end")


def test_what_was_opened_and_selected_stays_so_through_a_cut(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice)
    page.goto("/ai-chat")
    thoughts = " ".join(f"step{n}" for n in range(1, 9))
    words = " ".join(f"word{n}" for n in range(1, 60))
    send(page, f"[[echo]] [[delay:0.1]] <think>{thoughts}</think> # Title {words}")
    page.locator(".thinking summary").click()
    expect(page.locator(".live .tail")).to_contain_text("word20")
    wire.cut()
    expect(page.locator(".live .tail")).to_contain_text("word40")
    expect(page.locator(".thought")).to_be_visible()
    assert page.locator(".thought").inner_text().split() == thoughts.split()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator(".thought")).to_be_visible()


def test_an_answer_is_not_sent_on_to_a_session_that_has_ended(chat_site: Site, alice: User) -> None:
    client = chat_site.client(alice)
    data = {"message": "Go on [[tokens:600]] [[delay:0.1]]", "key": "a" * 32, "price": "1"}
    headers = {"Accept": "text/event-stream"}
    other = session_of(alice)
    with client.stream("POST", "/ai-chat", data=data, headers=headers) as response:
        lines = response.iter_lines()
        next(line for line in lines if "word5" in line)
        Session.objects.exclude(pk=other).delete()
        assert "event: end" not in list(lines)
    turn = Turn.objects.get()
    assert turn.is_running
    assert chat_site.client(alice).post(f"/ai-chat/turns/{turn.pk}/stop").status_code == 302
    wait_for(lambda: not Turn.objects.get().is_running, "the answer to stop")
