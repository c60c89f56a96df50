"""Instructions, presets and titles in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.conversations.chat_settings import change_settings
from ai_chat.conversations.presets import save_account_instructions
from ai_chat.models import Conversation, Preset
from credits.models import Provider, User
from tests.ai_chat.turns import MODEL, make_turn, text_model
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.factories import make_model
from tests.fakes.provider import FakeProvider
from tests.live import Site, running_worker

RULE = "Answer in the language of the question. Say so when you do not know."
OWN = "I am a nurse in Lisbon. Keep answers short, with metric units."


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        window.allow("status of 4(00|22)")
        yield window


@pytest.fixture
def poet(alice: User) -> Preset:
    """A preset of Alice's, beside a published one and the texts of all sides."""
    text_model()
    change_settings(actor=None, changes={"houseRule": RULE})
    save_account_instructions(user_id=alice.pk, text=OWN)
    Preset.objects.create(name="Translator", instructions="Translate what is sent into English.")
    return Preset.objects.create(
        user=alice, name="Poet", instructions="Rhyme.", model=MODEL, temperature=1.2
    )


def send(page: Page, message: str) -> None:
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name=re.compile("^Send")).click()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_page_looks_and_reads_well(
    chat: Window, alice: User, poet: Preset, size: Size, scheme: Scheme
) -> None:
    conversation = Conversation.objects.create(
        user=alice, title="Verses", preset=poet, instructions="Four lines each."
    )
    make_turn(conversation, "A poem about rain?", "It rains.")
    page = chat(alice, size=size, scheme=scheme)
    for path in (f"/ai-chat?preset={poet.pk}", f"/ai-chat/{conversation.pk}"):
        page.goto(path)
        axe(page)
        page.locator("#instructions summary").click()
        axe(page)
        fits(page)
    place = f"/account/chats/presets/{poet.pk}"
    for path in ("/account/chats", "/account/chats/presets/new", place, f"{place}/delete"):
        page.goto(path)
        axe(page)
        fits(page)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_admins_pages_look_and_read_well(
    window: Window, admin: User, poet: Preset, size: Size, scheme: Scheme
) -> None:
    published = Preset.objects.get(user=None)
    page = window(admin, size=size, scheme=scheme)
    place = f"/admin/settings/chats/presets/{published.pk}"
    for path in ("/admin/settings/chats", place, f"{place}/delete"):
        page.goto(path)
        axe(page)
        fits(page)


def test_a_chat_is_begun_with_a_preset_and_its_instructions_are_changed_later(
    chat: Window, alice: User, poet: Preset
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.get_by_role("link", name="Poet").click()
    page.locator("#instructions summary").click()
    expect(page.locator("#instructions")).to_contain_text("Rhyme.")
    page.get_by_label("For this chat").fill("Four lines each.")
    send(page, "A poem about rain?")
    expect(page.locator(".receipt")).to_contain_text("1 credit")
    block = page.locator("#instructions")
    expect(block.locator("summary")).to_contain_text("preset Poet, this chat, temperature 1.2")
    conversation = Conversation.objects.get()
    assert (conversation.preset, conversation.instructions) == (poet, "Four lines each.")
    block.locator("summary").click()
    expect(page.get_by_label("For this chat")).to_have_value("Four lines each.")
    page.get_by_label("For this chat").fill("Two lines each.")
    page.get_by_label("Preset", exact=True).select_option("Translator")
    page.get_by_label("Temperature").fill("3")
    block.get_by_role("button", name="Save").click()
    expect(block).to_contain_text("A temperature is a number from 0 to 2.")
    page.get_by_label("Temperature").fill("")
    block.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("hold from your next message on")
    expect(block.locator("summary")).to_contain_text("preset Translator, this chat")
    conversation.refresh_from_db()
    assert (conversation.instructions, conversation.temperature) == ("Two lines each.", None)


def test_all_of_it_works_without_scripts(chat: Window, alice: User, poet: Preset) -> None:
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    page.get_by_role("link", name="Poet").click()
    page.locator("#instructions summary").click()
    page.get_by_label("For this chat").fill("x" * 4001)
    send(page, "A poem about rain?")
    expect(page.locator("#problem")).to_contain_text("at most 4,000 characters")
    expect(page.get_by_label("Message")).to_have_value("A poem about rain?")
    page.get_by_label("For this chat").fill("Four lines each.")
    send(page, "A poem about rain?")
    expect(page.locator(".receipt")).to_contain_text("1 credit")
    conversation = Conversation.objects.get()
    assert (conversation.preset, conversation.instructions) == (poet, "Four lines each.")
    page.locator("#instructions summary").click()
    page.get_by_label("For this chat").fill("")
    page.get_by_label("Preset", exact=True).select_option("None")
    page.locator("#instructions").get_by_role("button", name="Save").click()
    expect(page.locator("#instructions summary")).not_to_contain_text("Poet")


def test_a_preset_is_made_used_and_deleted(chat: Window, alice: User) -> None:
    text_model()
    page = chat(alice)
    page.goto("/account")
    page.get_by_role("link", name="Instructions and presets").click()
    page.get_by_role("link", name="New preset").first.click()
    page.get_by_label("Name").fill("Reviewer")
    page.get_by_label("Instructions").fill("Find faults.")
    page.get_by_role("button", name="Add preset").click()
    page.get_by_role("link", name="Begin a chat with Reviewer").click()
    expect(page.locator("#instructions summary")).to_contain_text("preset Reviewer")
    page.goto("/account/chats")
    page.get_by_role("link", name="Delete Reviewer").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No presets of yours yet")).to_be_visible()


def test_the_title_of_a_model_comes_without_a_reload(
    chat: Window, alice: User, provider: FakeProvider, tmp_path: Path
) -> None:
    text_model()
    own = Provider.objects.create(
        name="Titles", base_url=provider.base_url, dialect=Provider.Dialect.COMPATIBLE
    )
    make_model("title-model", provider=own, provider_model=MODEL)
    change_settings(actor=None, changes={"titleModel": "title-model"})
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "Why is the sky blue? [[tokens:3]]")
    expect(page.locator("#conversation-title")).to_have_text("Why is the sky blue?")
    expect(page.locator(".receipt")).to_contain_text("1 credit")
    with running_worker({}, log=tmp_path / "worker.log"):
        expect(page.locator("#conversation-title")).to_have_text("word1 word2 word3")
    expect(page.locator("#conversation-list")).to_contain_text("word1 word2 word3")
    expect(page).to_have_title("word1 word2 word3 · Tally")
    expect(page.locator("#title")).to_have_value("word1 word2 word3")
