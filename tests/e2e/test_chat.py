"""The metered turn in a real browser, on a desktop and on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ai_chat.models import Conversation, Turn
from credits.ledger import get_balance, release_charge
from credits.models import AIModel, User
from tests.ai_chat.turns import make_turn, text_model
from tests.e2e.browser import CHANGED, LOOKS, Scheme, Size, Window, axe, fits, wait_for_any, windows
from tests.e2e.pickers import choose_model
from tests.factories import make_charge, make_user, set_price
from tests.live import Site
from tests.waiting import wait_for

SIZES: list[Size] = ["desktop", "phone"]


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        yield window


def send(page: Page, message: str) -> None:
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name=re.compile("^Send")).click()


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_streams_in_and_its_receipt_leads_to_the_statement(
    chat: Window, alice: User, size: Size
) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    expect(page.get_by_role("button", name="Send 1 credit")).to_be_enabled()
    send(page, "Tell me about the sea [[tokens:40]] [[delay:0.1]]")
    shown = page.locator("#conversation-list [aria-current=page]")
    expect(shown).to_contain_text("Tell me about the sea")
    expect(page.locator(".live .tail")).to_contain_text("word3")
    expect(page.locator("#meter strong")).to_have_text("99")
    expect(page.locator("#meter")).to_contain_text("1 held")
    expect(page.locator("h1")).to_contain_text("Tell me about the sea")
    expect(page.locator(".live .tail")).to_contain_text("word12")
    expect(page.locator(".md")).to_contain_text("word40")
    receipt = page.locator(".receipt")
    expect(receipt.locator("b")).to_have_text("1 credit")
    expect(page.locator("#meter")).not_to_contain_text("held")
    expect(page).to_have_url(re.compile("/ai-chat/[0-9a-f-]{36}$"))
    expect(page.get_by_label("Message")).to_have_value("")
    fits(page)
    receipt.get_by_role("link", name="#").click()
    expect(page).to_have_url(re.compile(r"/usage\?row="))
    page.locator(":target").get_by_role("link", name="Text chat").click()
    expect(page.locator(":target")).to_contain_text("Tell me about the sea")


def test_a_failure_is_refunded_before_ones_eyes(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone")
    page.goto("/ai-chat")
    send(page, "A story [[fail:cut:5]]")
    receipt = page.locator(".receipt.back")
    expect(receipt).to_contain_text("Refunded 1 credit")
    expect(receipt).to_contain_text("the connection broke before the end")
    expect(page.locator(".md")).to_contain_text("word5")
    expect(page.locator("#meter strong")).to_have_text("100")
    page.reload()
    expect(page.locator(".receipt.back")).to_contain_text("Refunded 1 credit")


def test_running_out_of_credits_turns_the_button_off_and_says_why(chat: Window) -> None:
    user = make_user("low@example.com", credits=1)
    page = chat(user, size="phone")
    page.goto("/ai-chat")
    send(page, "The last one")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.get_by_role("button", name=re.compile("^Send"))).to_be_disabled()
    expect(page.locator("#offer")).to_contain_text("you have 0 credits left")
    fits(page)
    page.locator("#offer").get_by_role("link", name="See the plans").click()
    expect(page).to_have_url(re.compile("/pricing$"))


def test_an_answer_can_be_stopped(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone")
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    expect(page.locator("#meter strong")).to_have_text("99")


def test_a_reload_in_the_middle_follows_the_same_answer(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone")
    page.goto("/ai-chat")
    send(page, "Long [[tokens:50]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    page.reload()
    expect(page.locator(".live .tail")).to_contain_text("word5")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator(".md")).to_contain_text("word50")
    assert Turn.objects.count() == 1
    assert get_balance(user_id=alice.pk).remaining == 99


def test_a_double_click_and_the_back_button_charge_once(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.get_by_label("Message").fill("Twice? [[tokens:10]] [[delay:0.05]]")
    page.get_by_role("button", name=re.compile("^Send")).dblclick()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.goto("/usage")
    page.go_back()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert Turn.objects.count() == 1
    assert get_balance(user_id=alice.pk).remaining == 99


def test_what_is_added_while_a_message_is_on_its_way_stays(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    posts: list[Route] = []
    page.route("**/ai-chat", lambda r: posts.append(r) if not posts else r.continue_())
    message = page.get_by_label("Message")
    message.fill("First")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    wait_for_any(page, posts)
    page.keyboard.type(" And then?")
    page.keyboard.press("Enter")
    posts[0].continue_()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(message).to_have_value("And then?")
    page.reload()
    page.keyboard.press("Enter")
    expect(page.locator(".receipt b")).to_have_text(["1 credit"] * 2)
    assert [*Turn.objects.order_by("created_at").values_list("prompt", flat=True)] == [
        "First", "And then?",
    ]  # fmt: skip


def test_markdown_is_shown_and_nothing_hostile_runs(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(
        page,
        "[[echo]] **bold** <script>document.title='hacked'</script> "
        "<img src=x onerror=alert(1)> ![x](https://evil.example/?q=1) [link](javascript:alert(1))",
    )
    answer = page.locator(".it .md")
    expect(answer.locator("strong")).to_have_text("bold")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert answer.locator("img, script").count() == 0
    assert answer.locator("a[href^='javascript']").count() == 0
    assert page.title() != "hacked"


def test_a_raised_price_is_asked_for_before_it_is_charged(chat: Window, alice: User) -> None:
    page = chat(alice)
    chat.allow("409")
    page.goto("/ai-chat")
    set_price("ai_text_chat", 4)
    send(page, "Still one?")
    expect(page.get_by_role("alert")).to_contain_text("The price is now 4 credits")
    expect(page.get_by_label("Message")).to_have_value("Still one?")
    assert get_balance(user_id=alice.pk).remaining == 100
    page.get_by_role("button", name="Send 4 credits").click()
    expect(page.locator(".receipt b")).to_have_text("4 credits")
    assert get_balance(user_id=alice.pk).remaining == 96


def test_a_conversation_is_renamed_searched_and_deleted(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "About lighthouses")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.reload()
    page.locator(".more-menu summary").click()
    page.get_by_label("Title").fill("Fog and light")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("h1")).to_have_text("Fog and light")
    page.get_by_label("Search chats").fill("lighthouses")
    expect(page.locator("#conversation-list a .title")).to_have_text(["Fog and light"])
    expect(page.locator("#conversation-list mark")).to_have_text(["lighthouses"])
    page.get_by_label("Search chats").fill("nothing like it")
    expect(page.locator("#conversation-list")).to_contain_text("No chat mentions")
    page.locator(".more-menu summary").click()
    page.get_by_role("link", name="Delete…").click()
    axe(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#toasts")).to_contain_text("The chat is deleted")
    assert Turn.objects.count() == 0
    assert get_balance(user_id=alice.pk).remaining == 99


def test_the_keyboard_sends_stops_and_closes(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    message = page.get_by_label("Message")
    expect(message).to_be_focused()
    page.keyboard.type("Go on [[tokens:600]] [[delay:0.1]]")
    page.keyboard.press("Enter")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    expect(page.locator("#progress")).to_have_text("The answer is being written.")
    menu = page.locator("#conversation-menu")
    menu.locator("summary").press("Enter")
    expect(menu.get_by_label("Title")).to_have_value(re.compile("^Go on"))
    page.keyboard.press("Escape")
    expect(menu.get_by_label("Title")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()
    expect(page.get_by_role("button", name="Stop"), "That Escape was the menu's.").to_be_visible()
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    expect(message).to_be_focused()
    expect(page.locator("#progress")).to_contain_text("1 credit, stopped by you")
    menu.locator("summary").click()
    menu.get_by_label("Title").fill("Numbers")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Numbers")


def test_a_reader_who_scrolls_up_is_left_in_peace(chat: Window, alice: User) -> None:
    page = chat(alice, viewport={"width": 500, "height": 500})
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:900]] [[delay:0.02]]")
    expect(page.locator(".live .tail")).to_contain_text("word200")
    page.evaluate("""async () => {
        const { stayAtEnd } = await import("/static/ai_chat/scrolling.js");
        window.scrollBy(0, -200);
        stayAtEnd();
    }""")
    expect(page.locator("#latest"), "Text that comes at once undoes nothing.").to_be_visible()
    # Not by the pointer: the text that comes may bring the end into view first.
    page.locator("#latest").dispatch_event("click")
    expect(page.locator("#latest")).to_be_hidden()
    page.mouse.move(250, 200)
    page.mouse.wheel(0, -300)
    expect(page.locator("#latest")).to_be_visible()
    before = page.evaluate("scrollY")
    expect(page.locator(".live .tail")).to_contain_text("word300")
    assert page.evaluate("scrollY") == before
    page.get_by_role("button", name="Jump to the latest").click()
    expect(page.locator(".live .tail")).to_contain_text("word500")
    expect(page.locator("#latest")).to_be_hidden()
    expect(page.locator(".receipt")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator(".receipt b")).to_have_text("1 credit")


def test_a_reload_shows_the_place_that_was_read_though_the_page_grows_above_it(
    chat: Window, alice: User
) -> None:
    conversation = Conversation.objects.create(user=alice, title="Long")
    make_turn(conversation, "Tell me all", "word " * 2000)
    page = chat(alice, size="phone")
    # As a script does that runs after those of the chat.
    page.add_init_script("""document.addEventListener("DOMContentLoaded", () => {
        const grown = Object.assign(document.createElement("p"), { textContent: "Grown" });
        grown.style.height = "152px";
        requestAnimationFrame(() => document.getElementById("turns").before(grown));
    })""")
    page.goto(f"/ai-chat/{conversation.pk}")
    expect(page.get_by_text("Grown")).to_have_count(1)
    page.evaluate("window.scrollTo(0, 1000)")
    expect(page.locator("#latest")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Grown")).to_have_count(1)
    wait_for(lambda: page.evaluate("scrollY") == 1000, lambda: str(page.evaluate("scrollY")))


def test_answers_are_copied(chat: Window, alice: User) -> None:
    page = chat(alice, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/ai-chat")
    send(page, "[[echo]] **Look**")
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("#progress")).to_have_text("Copied.")
    answer = "Look:\n\n```\nx = 1\n```\n\nThat is all."
    Turn.objects.update(answer=answer, html="", html_version=0)
    page.reload()
    read = "navigator.clipboard.readText()"
    page.get_by_role("button", name="Copy the code").click()
    expect(page.locator("#progress")).to_have_text("Copied.")
    assert page.evaluate(read) == "x = 1"
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator(".receipt .copy")).to_have_class(re.compile("done"))
    assert page.evaluate(read) == Turn.objects.get().answer
    axe(page)


@pytest.mark.parametrize("size", SIZES)
def test_versions_of_answers_and_questions(chat: Window, alice: User, size: Size) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    send(page, "A story [[fail:cut:5]]")
    page.get_by_role("link", name="Ask again").click()
    axe(page)
    page.get_by_role("button", name=re.compile("^Ask again 1 credit")).click()
    expect(page.locator(".versions")).to_contain_text("2/2")
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".receipt")).to_contain_text("Refunded")
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Message")).to_have_value("A story [[fail:cut:5]]")
    axe(page)
    send(page, "[[echo]] Another story")
    expect(page.locator(".versions")).to_contain_text("3/3")
    expect(page.locator(".md")).to_contain_text("Another story")
    expect(page).to_have_url(re.compile("/ai-chat/[0-9a-f-]{36}$"))
    fits(page)
    axe(page)
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator(".versions")).to_contain_text("2/3")
    expect(page.locator(".md")).not_to_contain_text("Another story")
    send(page, "[[echo]] And then?")
    expect(page.locator(".turn")).to_have_count(2)


def test_versions_without_javascript(chat: Window, alice: User) -> None:
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    send(page, "[[echo]] One")
    page.get_by_role("link", name="Ask again").click()
    page.get_by_role("button", name=re.compile("^Ask again")).click()
    expect(page.locator(".versions")).to_contain_text("2/2")
    page.get_by_role("link", name="Edit", exact=True).click()
    send(page, "[[echo]] Two")
    expect(page.locator(".versions")).to_contain_text("3/3")
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator(".versions")).to_contain_text("2/3")


def test_without_javascript_the_answer_comes_with_the_next_page(chat: Window, alice: User) -> None:
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    send(page, "No script here")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator("#meter strong")).to_have_text("99")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_chat_is_accessible_empty_writing_and_refunded(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    axe(page)
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    axe(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    send(page, "A story [[fail:cut:5]]")
    expect(page.locator(".receipt.back")).to_be_visible()
    axe(page)
    fits(page)
    page.goto("/ai-chat/search?q=Go on")
    expect(page.locator(".matches .title")).to_have_count(1)
    axe(page)
    fits(page)


def test_a_refund_that_comes_while_the_button_is_asked_for_turns_it_on(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    button = page.get_by_role("button", name=re.compile("^Send"))
    asked: list[Route] = []
    page.route("**/ai-chat/offer*", lambda r: r.continue_() if asked else asked.append(r))
    charge = make_charge(alice, 100, hold=True)
    page.evaluate(CHANGED)
    wait_for_any(page, asked)
    stale = asked[0].fetch()
    release_charge(charge_id=charge.id, reason="provider_error")
    page.evaluate(CHANGED)
    asked[0].fulfill(response=stale)
    page.wait_for_timeout(300)
    expect(button).to_be_enabled()


def test_thinking_is_folded_while_it_comes_and_afterwards(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone", permissions=["clipboard-read", "clipboard-write"])
    page.goto("/ai-chat")
    thoughts = " ".join(f"step{n}" for n in range(1, 13))
    send(page, f"[[echo]] [[delay:0.2]] <think>{thoughts}</think> The answer is 42.")
    thinking = page.locator(".thinking")
    expect(page.locator(".writing")).to_have_text("Thinking")
    expect(page.locator("#progress")).to_have_text("The model is thinking.")
    expect(thinking.locator("div")).to_be_hidden()
    expect(thinking.locator("summary")).to_have_text(re.compile(r"^Thinking · [1-9] s$"))
    thinking.locator("summary").click()
    expect(thinking.locator("div")).to_contain_text("step3")
    axe(page)
    expect(page.locator(".writing")).to_have_text("Writing")
    expect(thinking.locator("summary")).to_have_text(re.compile(r"^Thought for [1-9]\d* s$"))
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(thinking.locator("summary")).to_have_text(re.compile(r"^Thought for [1-9]\d* s$"))
    expect(thinking.locator("div"), "It was opened, and stays open.").to_contain_text("step12")
    expect(page.locator(".it .md")).to_have_text("The answer is 42.")
    fits(page)
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("#progress")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == Turn.objects.get().answer
    assert copied.strip() == "The answer is 42."
    page.reload()
    expect(thinking.locator("div")).to_be_hidden()
    axe(page)


def test_an_answer_that_was_cut_goes_on_at_the_price_on_the_button(
    chat: Window, alice: User
) -> None:
    text_model(output_tokens=20)
    page = chat(alice, size="phone")
    page.goto("/ai-chat")
    send(page, "Tell me all [[tokens:60]]")
    receipts = page.locator(".receipt")
    expect(receipts).to_contain_text("cut at the length limit")
    axe(page)
    fits(page)
    page.get_by_label("Message").fill("A draft")
    page.get_by_role("button", name="Continue · 1 credit").click()
    expect(receipts).to_have_count(2)
    expect(receipts.last.locator("b")).to_have_text("1 credit")
    expect(page.locator(".me").last).to_contain_text("Continue.")
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    expect(page.get_by_label("Message")).to_have_value("A draft")
    assert get_balance(user_id=alice.pk).remaining == 98
    assert Turn.objects.filter(cut=Turn.Cut.LENGTH).count() == 1


def test_a_cut_answer_goes_on_without_javascript_and_never_at_a_higher_price(
    chat: Window, alice: User
) -> None:
    text_model(output_tokens=20)
    chat.allow("409")
    plain = chat(alice, javascript=False)
    plain.goto("/ai-chat")
    send(plain, "Tell me all [[tokens:60]]")
    plain.get_by_role("button", name="Continue · 1 credit").click()
    expect(plain.locator(".receipt")).to_have_count(2)
    send(plain, "And more [[tokens:60]]")
    expect(plain.locator(".receipt")).to_have_count(3)
    page = chat(alice)
    page.goto(plain.url)
    set_price("ai_text_chat", 4)
    page.get_by_role("button", name="Continue · 1 credit").click()
    expect(page.get_by_role("alert")).to_contain_text("The price is now 4 credits")
    expect(page.get_by_label("Message")).to_have_value("Continue.")
    assert get_balance(user_id=alice.pk).remaining == 97
    page.get_by_role("button", name="Send 4 credits").click()
    expect(page.locator(".receipt")).to_have_count(4)
    assert get_balance(user_id=alice.pk).remaining == 93


def press_for_input_method(page: Page, key: str = "Enter") -> None:
    """A key as Safari sends it once an input method has taken it: keyCode 229, no longer composing.
    The browser does with it what it does with any key."""
    keys = page.context.new_cdp_session(page)
    event = {"key": key, "code": key, "windowsVirtualKeyCode": 229}
    keys.send("Input.dispatchKeyEvent", {**event, "type": "keyDown", "text": "\r"})
    keys.send("Input.dispatchKeyEvent", {**event, "type": "keyUp"})
    keys.detach()


def test_the_enter_that_ends_a_conversion_sends_nothing_in_any_field(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "First")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.reload()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method + request.url))
    message = page.get_by_label("Message")
    message.fill("日本語")
    message.focus()
    press_for_input_method(page)
    page.locator(".more-menu summary").click()
    page.get_by_label("Title").fill("日本語")
    page.get_by_label("Title").focus()
    press_for_input_method(page)
    page.get_by_label("Search chats").focus()
    press_for_input_method(page)
    page.wait_for_timeout(500)
    assert [each for each in sent if "/credits/balance" not in each and "/offer" not in each] == []
    assert Turn.objects.count() == 1
    message.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".receipt")).to_have_count(2)


def test_a_key_that_an_input_method_takes_stops_no_answer(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    press_for_input_method(page, "Escape")
    expect(page.locator(".live .tail")).to_contain_text("word15")
    page.keyboard.press("Escape")
    expect(page.locator(".receipt")).to_contain_text("stopped by you")


def test_a_chat_opens_with_the_model_of_its_last_turn_and_a_new_one_with_the_last_chosen(
    chat: Window, alice: User
) -> None:
    small = text_model()
    values = {"feature": small.feature, "provider": small.provider}
    AIModel.objects.create(
        name="large", label="Large", provider_model=small.provider_model, price_factor=3,
        position=9, **values,
    )  # fmt: skip
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "With the small one")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    small_chat = page.url
    page.goto("/ai-chat")
    choose_model(page, "Large")
    expect(page.get_by_role("button", name="Send 3 credits")).to_be_enabled()
    send(page, "With the large one")
    expect(page.locator(".receipt b")).to_have_text("3 credits")
    page.reload()
    expect(page.locator("#model")).to_have_value("large")
    expect(page.get_by_role("button", name="Send 3 credits")).to_be_enabled()
    page.goto("/ai-chat")
    expect(page.locator("#model")).to_have_value("large")
    page.goto(small_chat)
    expect(page.locator("#model")).to_have_value(small.name)
    AIModel.objects.filter(name="large").update(active=False)
    page.goto("/ai-chat")
    expect(page.locator("#model")).to_have_value(small.name)


def test_images_can_be_stopped_in_the_chat(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone")
    page.goto("/ai-chat")
    page.get_by_label("Image", exact=True).check()
    page.get_by_label("Message").fill("A slow tree [[delay:30]]")
    page.get_by_role("button", name=re.compile("^Create")).click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("Refunded 5 credits")
    expect(page.locator("#meter strong")).to_have_text("100")
    axe(page)
    fits(page)
