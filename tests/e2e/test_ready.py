"""An answer that ends in a tab nobody looks at: the mark in its title, and the notification."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from credits.models import User
from tests.e2e.browser import Window, windows
from tests.e2e.test_chat import send
from tests.fakes.provider import FakeProvider
from tests.live import Site

#: Headless tabs are never hidden by themselves.
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
#: Headless Chromium blocks notifications: this stands for a browser that asks its person, who
#: answers GRANTED, and shows what the service worker is given.
BROWSER = """
    Object.defineProperty(Notification, "permission",
        { get: () => sessionStorage.permission ?? "default" });
    Notification.requestPermission = async () => (sessionStorage.permission = ANSWER);
    const shown = [];
    ServiceWorkerRegistration.prototype.showNotification = async (title, options) =>
        shown.push({ title, ...options, close() { shown.splice(shown.indexOf(this), 1) } });
    ServiceWorkerRegistration.prototype.getNotifications = async () => [...shown];
    window.notices = () => shown.map(({ title, body, data }) => [title, body ?? "", data]);
"""
NOTICES = "notices()"


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


def send_and_leave(page: Page, provider: FakeProvider, message: str) -> None:
    """Sends a message, and looks away before the answer ends."""
    send(page, f"{message} [[gate]]")
    expect(page.locator(".live .tail")).to_contain_text("word")
    page.evaluate(HIDE, True)
    provider.open_gate()


def asking(chat: Window, user: User, answer: str = "granted") -> Page:
    """A page of a browser that asks for the permission, and is answered so."""
    page = chat(user, service_workers="allow")
    page.add_init_script(BROWSER.replace("ANSWER", json.dumps(answer)))
    return page


def switch_on(chat: Window, user: User) -> Page:
    """A page of the chat in a browser that notifies."""
    page = asking(chat, user)
    page.goto("/account")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#notices-state")).to_have_text("On in this browser, until you sign out.")
    page.goto("/ai-chat")
    return page


def test_the_title_is_marked_until_somebody_looks(
    chat: Window, provider: FakeProvider, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send_and_leave(page, provider, "A story")
    expect(page).to_have_title("✓ A story [[gate]] · Tally")
    page.evaluate(HIDE, False)
    expect(page).to_have_title("A story [[gate]] · Tally")


def test_an_answer_before_ones_eyes_marks_nothing(
    chat: Window, provider: FakeProvider, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "A story")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page).to_have_title("A story · Tally")


def test_a_failure_is_said_as_well(chat: Window, provider: FakeProvider, alice: User) -> None:
    page = switch_on(chat, alice)
    send_and_leave(page, provider, "A story [[delay:1]] [[fail:cut:3]]")
    expect(page.locator(".receipt.back")).to_be_attached()
    assert page.title().startswith("✗ ")
    page.wait_for_function("() => notices().length === 1")
    ((title, body, _),) = page.evaluate(NOTICES)
    assert (title, body) == ("Your answer failed", "")


def test_a_notification_says_that_it_is_ready_and_nothing_of_it(
    chat: Window, provider: FakeProvider, alice: User
) -> None:
    page = switch_on(chat, alice)
    send_and_leave(page, provider, "Secret")
    page.wait_for_function("() => notices().length === 1")
    path = page.evaluate("location.pathname")
    assert page.evaluate(NOTICES) == [["Your answer is ready", "", path]]
    # Signing out leaves nothing behind.
    page.evaluate(HIDE, False)
    page.route("**/sign-out", lambda route: route.fulfill(status=204))
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_function("() => notices().length === 0")
    assert page.evaluate("localStorage.getItem('notify')") is None


def test_nobody_is_notified_or_asked_who_did_not_switch_it_on(
    chat: Window, provider: FakeProvider, alice: User
) -> None:
    page = asking(chat, alice)
    page.goto("/account")
    expect(page.locator("#notices-state")).to_have_text("Off in this browser.")
    page.goto("/ai-chat")
    send_and_leave(page, provider, "A story")
    expect(page).to_have_title(re.compile("^✓ "))
    assert page.evaluate(NOTICES) == []
    assert page.evaluate("Notification.permission") == "default"


def test_it_can_be_switched_off_again(chat: Window, provider: FakeProvider, alice: User) -> None:
    page = switch_on(chat, alice)
    page.goto("/account")
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator("#notices-state")).to_have_text("Off in this browser.")
    page.reload()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()


def test_a_browser_that_blocks_them_is_told_what_to_do(
    chat: Window, provider: FakeProvider, alice: User
) -> None:
    page = asking(chat, alice, "denied")
    page.goto("/account")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#notices-state")).to_contain_text("This browser blocks notifications")
    page.reload()
    expect(page.locator("#notices-state")).to_contain_text("This browser blocks notifications")


def test_a_press_brings_back_the_tab_of_the_answer(
    chat: Window, provider: FakeProvider, alice: User
) -> None:
    page = chat(alice, service_workers="allow")
    page.goto("/usage")
    page.evaluate("navigator.serviceWorker.ready")
    worker = page.context.service_workers[0]
    pressed = worker.evaluate(
        """async (addresses) => {
        const done = [];
        WindowClient.prototype.focus = async function () { done.push(`focus ${this.url}`) };
        Clients.prototype.openWindow = async (address) => { done.push(`open ${address}`) };
        for (const data of addresses) {
            const event = new ExtendableEvent("notificationclick");
            event.notification = { data, close: () => done.push("close") };
            self.dispatchEvent(event);
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return done;
    }""",
        ["/usage", "/ai-chat"],
    )
    assert pressed == ["close", f"focus {page.url}", "close", "open /ai-chat"]
