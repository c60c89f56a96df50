"""What is written stays written: too long, signed out, reloaded, sent too early."""

import re
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation, ImageRequest, Turn
from credits.ledger import get_balance
from credits.models import User
from credits.users.permissions import CONFIRMED_AT
from credits.users.sessions import SessionStore
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.factories import PASSWORD, make_user
from tests.live import Site
from tests.waiting import wait_for

#: 9,004 characters with their question at the end; the emoji is two units in a browser.
LONG = "x" * 8_990 + " Is it 🧑? Yes"
FAMILY = "👩\u200d👩\u200d👧"


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers and paints through the fake provider."""
    with windows(browser, chat_site) as window:
        window.allow("40[0139]")
        yield window


@pytest.fixture
def bob() -> User:
    return make_user("bob@example.com", credits=100)


def write(page: Page, message: str) -> None:
    page.get_by_label("Message").fill(message)


def send(page: Page, message: str) -> None:
    write(page, message)
    page.get_by_role("button", name=re.compile("^Send")).click()


def paste(page: Page, text: str) -> None:
    """As from the clipboard: unlike a script's, this input is cut at a maxlength."""
    page.locator("#message").focus()
    page.keyboard.insert_text(text)


def sign_in_elsewhere(page: Page, user: User) -> None:
    """In another tab of the same browser."""
    tab = page.context.new_page()
    tab.goto("/sign-in")
    tab.get_by_label("E-mail").fill(user.email or "")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab).to_have_url(re.compile("/ai-chat"))
    tab.wait_for_load_state()  # Its scripts tell the other tabs.
    tab.close()


def sign_out_elsewhere(page: Page) -> None:
    tab = page.context.new_page()
    tab.goto("/account")
    tab.locator("main").get_by_role("button", name="Sign out").click()
    expect(tab.get_by_role("link", name="Sign up").first).to_be_visible()
    tab.close()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_text_that_is_too_long_stays_whole_and_is_not_sent(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    paste(page, LONG)
    expect(page.get_by_label("Message")).to_have_value(LONG)
    expect(page.locator("#count")).to_have_text("-1,003 characters left")
    page.get_by_role("button", name=re.compile("^Send")).click()
    sentence = "A message has at most 8,000 characters; this one has 9,003."
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(page.get_by_label("Message")).to_have_value(LONG)
    axe(page)
    fits(page)
    write(page, "🧑" * 8_000)
    expect(page.locator("#count")).to_have_text("0 characters left")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert Turn.objects.get().prompt == "🧑" * 8_000


def test_without_scripts_the_server_refuses_a_long_text_and_gives_it_back(
    chat: Window, alice: User
) -> None:
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    paste(page, LONG + "\n1")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.get_by_role("alert")).to_contain_text("this one has 9,005.")
    expect(page.get_by_label("Message")).to_have_value(LONG + "\n1")
    assert not Turn.objects.exists()


def test_a_description_that_is_too_long_stays_too(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/images")
    paste(page, "y" * 4_001)
    page.get_by_role("button", name="Create 1 image").click()
    expect(page.get_by_role("alert")).to_contain_text("A description has at most 4,000 characters")
    expect(page.locator("#message")).to_have_value("y" * 4_001)
    page.goto("/ai-chat")
    page.get_by_label("Image", exact=True).check()
    paste(page, "y" * 4_001)
    expect(page.locator("#count")).to_have_text("-1 characters left")
    page.get_by_label("Text", exact=True).check()
    expect(page.locator("#count")).to_be_hidden()
    assert not ImageRequest.objects.exists()


def test_a_title_that_is_too_long_is_given_back(chat: Window, alice: User) -> None:
    Conversation.objects.create(user=alice, title="Before")
    page = chat(alice)
    chat.allow("400")
    page.goto(f"/ai-chat/{Conversation.objects.get().pk}")
    page.locator(".more-menu summary").click()
    page.get_by_label("Title").fill("z" * 121)
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#title-problem")).to_contain_text("at most 120 characters")
    expect(page.get_by_label("Title")).to_have_value("z" * 121)
    axe(page)
    assert Conversation.objects.get().title == "Before"


@pytest.mark.parametrize("path", ["/ai-chat", "/images"])
def test_signed_out_while_writing_the_text_stays_and_goes_out_once_signed_in(
    chat: Window, alice: User, path: str
) -> None:
    page = chat(alice)
    page.goto(path)
    button = page.locator("#offer button:visible")
    page.locator("#message").fill("Not to be lost")
    sign_out_elsewhere(page)
    button.click()
    problem = page.locator("#problem")
    expect(problem).to_contain_text("You are signed out.")
    expect(page.locator("#message")).to_have_value("Not to be lost")
    axe(page)
    with page.expect_popup() as opened:
        problem.get_by_role("link", name="Sign in again").click()
    expect(opened.value.get_by_label("E-mail")).to_be_visible()
    opened.value.close()
    sign_in_elsewhere(page, alice)
    button.click()
    expect(page.locator(".receipt b")).to_have_text(re.compile("^[15] credits?$"))
    expect(page.locator("#message")).to_have_value("")
    expect(problem).to_be_hidden()
    price = 1 if path == "/ai-chat" else 5
    assert get_balance(user_id=alice.pk).remaining == 100 - price


@pytest.mark.parametrize("path", ["/ai-chat", "/images"])
def test_a_new_token_after_signing_in_again_elsewhere_is_taken_by_itself(
    chat: Window, alice: User, path: str
) -> None:
    page = chat(alice)
    page.goto(path)
    sign_out_elsewhere(page)
    sign_in_elsewhere(page, alice)
    page.locator("#message").fill("Sent with the new token")
    page.locator("#offer button:visible").click()
    expect(page.locator(".receipt b")).to_have_text(re.compile("^[15] credits?$"))
    expect(page.locator("#meter strong")).to_have_text(re.compile("^9[59]$"))


@pytest.mark.parametrize("path", ["/ai-chat", "/images"])
@pytest.mark.parametrize("with_new_token", [True, False])
def test_a_text_is_not_sent_in_the_name_of_who_signed_in_meanwhile(
    chat: Window, alice: User, bob: User, path: str, *, with_new_token: bool
) -> None:
    page = chat(alice)
    page.goto(path)
    page.locator("#message").fill("From Alice")
    if with_new_token:
        sign_out_elsewhere(page)
        sign_in_elsewhere(page, bob)
    else:
        chat.sign_in(page.context, bob)
    page.locator("#offer button:visible").click()
    expect(page.locator("#problem")).to_contain_text("You are signed in as bob@example.com now")
    expect(page.locator("#message")).to_have_value("From Alice")
    assert get_balance(user_id=bob.pk).remaining == 100
    assert not Turn.objects.exists() and not ImageRequest.objects.exists()


def test_without_scripts_a_form_is_kept_until_its_writer_has_signed_in(
    chat: Window, alice: User
) -> None:
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    write(page, "Two\nlines to keep")
    sign_out_elsewhere(page)
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.get_by_role("heading")).to_have_text("You are signed out")
    expect(page.get_by_label("Message")).to_have_value("Two\nlines to keep")
    fits(page)
    sign_in_elsewhere(page, alice)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("You are signed in as alice@example.com now")).to_be_visible()
    expect(page.get_by_label("Message")).to_have_value("Two\nlines to keep")
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert Turn.objects.get().prompt == "Two\nlines to keep"


def test_an_admin_who_has_to_confirm_keeps_what_was_typed(
    chat: Window, admin: User, alice: User
) -> None:
    page = chat(admin)
    page.goto(f"/admin/users/{alice.pk}/adjust")
    page.get_by_label("Credits").fill("5")
    page.get_by_label("Reason").fill("For the trouble")
    confirmed_at(page, 0)
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#toasts")).to_contain_text("Confirm that it is still you in another tab")
    expect(page.get_by_label("Reason")).to_have_value("For the trouble")
    confirmed_at(page, int(time.time()))
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#money")).to_contain_text("105")


def confirmed_at(page: Page, moment: int) -> None:
    """When the password was asked for last in this browser's session."""
    name = settings.SESSION_COOKIE_NAME
    cookies = page.context.cookies()
    session = SessionStore(next(each["value"] for each in cookies if each["name"] == name))
    session[CONFIRMED_AT] = moment
    session.save()


def test_a_draft_of_each_page_is_there_after_a_reload_and_gone_once_sent(
    chat: Window, alice: User
) -> None:
    other = Conversation.objects.create(user=alice, title="Other")
    page = chat(alice)
    page.goto("/ai-chat")
    write(page, "A new one")
    page.goto(f"/ai-chat/{other.pk}")
    expect(page.get_by_label("Message")).to_have_value("")
    write(page, "In the other")
    page.goto("/images")
    page.locator("#message").fill("A picture")
    page.reload()
    expect(page.locator("#message")).to_have_value("A picture")
    page.goto(f"/ai-chat/{other.pk}")
    expect(page.get_by_label("Message")).to_have_value("In the other")
    page.goto("/ai-chat")
    expect(page.get_by_label("Message")).to_have_value("A new one")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.goto("/ai-chat")
    expect(page.get_by_label("Message")).to_have_value("")


def test_drafts_are_gone_with_signing_out_and_nobody_elses(
    chat: Window, alice: User, bob: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    write(page, "Private")
    page.reload()
    expect(page.get_by_label("Message")).to_have_value("Private")
    tab = page.context.new_page()
    tab.goto("/images")
    tab.locator("#message").fill("Private as well")
    page.locator("#rail").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign up").first).to_be_visible()
    tab.close(run_before_unload=False)
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    chat.sign_in(page.context, alice)
    page.goto("/ai-chat")
    write(page, "Private again")
    page.reload()
    chat.sign_in(page.context, bob)
    page.goto("/usage")
    expect(page.locator("#meter strong")).to_have_text("100")
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"


def test_drafts_are_bounded_and_a_page_without_storage_works(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    old = f"draft:{alice.pk}:/ai-chat/old"
    page.evaluate(
        """([old, user]) => {
            localStorage.setItem(old, JSON.stringify({text: "old", at: 1}));
            for (let n = 0; n < 60; n++) {
                const at = Date.now() - 1000 * n;
                localStorage.setItem(`draft:${user}:/${n}`, JSON.stringify({text: "t", at}));
            }
        }""",
        [old, alice.pk],
    )
    write(page, "The newest")
    wait_for(lambda: page.evaluate("localStorage.length") == 50, "the old drafts to go")
    assert page.evaluate("old => localStorage.getItem(old)", old) is None
    assert page.evaluate("localStorage.getItem(`draft:${document.body.dataset.user}:/ai-chat`)")
    forbidden = chat(alice)
    forbidden.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('forbidden') }})"
    )
    forbidden.goto("/ai-chat")
    send(forbidden, "Without storage")
    expect(forbidden.locator(".receipt b")).to_have_text("1 credit")


def test_sent_again_after_a_lost_answer_and_a_reload_it_is_charged_once(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    chat.allow("ERR_")
    page.goto("/ai-chat")

    def lose(route: object) -> None:
        route.fetch()  # type: ignore[attr-defined]
        route.abort()  # type: ignore[attr-defined]

    page.route("**/ai-chat", lambda r: lose(r) if r.request.method == "POST" else r.continue_())
    send(page, "Once")
    expect(page.locator("#problem")).to_contain_text("There is no connection")
    page.unroute_all()
    page.reload()
    expect(page.get_by_label("Message")).to_have_value("Once")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert get_balance(user_id=alice.pk).remaining == 99


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("a" * 59 + "🧑 and more", "a" * 59 + "…"),
        ("a" * 58 + FAMILY + " and more", "a" * 58 + "…"),
        ("a" * 58 + "🇨🇭🇨🇭", "a" * 58 + "…"),
        ("a" * 55 + FAMILY, "a" * 55 + FAMILY),
    ],
)
def test_the_title_of_a_new_chat_has_whole_characters_and_is_the_servers(
    chat: Window, alice: User, message: str, title: str
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, message)
    expect(page.locator("h1")).to_have_text(title)
    expect(page).to_have_title(f"{title} · Tally")
    assert Conversation.objects.get().title == title
    expect(page.locator(".receipt b")).to_have_text("1 credit")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_sending_while_an_answer_is_written_queues_here_and_waits_elsewhere(
    chat: Window, alice: User, size: Size
) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word3")
    write(page, "And then?")
    if size == "desktop":
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".queued")).to_contain_text("And then?")
    expect(page.get_by_label("Message")).to_have_value("")
    axe(page)
    tab = page.context.new_page()
    tab.goto(page.url)
    send(tab, "From another tab")
    expect(tab.get_by_role("alert")).to_contain_text("An answer is being written.")
    expect(tab.get_by_label("Message")).to_have_value("From another tab")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    expect(page.locator(".queued")).to_contain_text("not sent: you stopped the answer")
    expect(tab.locator("#problem")).to_be_hidden()
    page.get_by_role("button", name="Send now").click()
    expect(page.locator(".receipt b").nth(1)).to_have_text("1 credit")
    assert Turn.objects.count() == 2


def test_fields_run_in_the_direction_of_what_is_written(chat: Window, alice: User) -> None:
    title = "محادثة"
    conversation = Conversation.objects.create(user=alice, title=title)
    page = chat(alice)
    page.goto(f"/ai-chat/{conversation.pk}")
    write(page, "مرحبا")
    page.get_by_label("Search chats").fill("مرحبا")
    direction = "element => getComputedStyle(element).direction"
    for name in ("#message", ".search input", "#title", "#conversation-title"):
        assert page.locator(name).evaluate(direction) == "rtl", name
    page.goto("/account")
    page.get_by_label("Name").fill("علي")
    assert page.get_by_label("Name").evaluate(direction) == "rtl"


def test_times_are_the_readers_own_from_the_second_page_on(chat: Window, alice: User) -> None:
    page = chat(alice, timezone_id="America/Los_Angeles")
    page.goto("/ai-chat")
    send(page, "What time is it?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    Turn.objects.update(created_at="2020-11-27T13:56:00Z")
    page.reload()
    expect(page.locator(".receipt time")).to_have_text("27 Nov 2020 05:56")
    cookie = next(each for each in page.context.cookies() if each["name"] == "tz")
    assert (cookie["value"], cookie["sameSite"]) == ("America/Los_Angeles", "Lax")
    page.goto("/usage")
    expect(page.get_by_text("days and times in America/Los Angeles")).to_be_visible()
