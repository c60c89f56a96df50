"""Sharing a chat, reading it under its link, printing it, and bringing chats along."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation, Share
from ai_chat.sharing.services import share_chat
from credits.models import User
from tests.ai_chat.imports.exports import chatgpt
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.live import Site, running_worker

ANSWER = """It **scatters** blue light.

| a | b |
|---|---|
| 1 | 2 |

```python
print('blue')
```

$$E = mc^2$$
"""


def good(page: Page) -> None:
    axe(page)
    fits(page)


@pytest.fixture
def chat(alice: User) -> Conversation:
    conversation = Conversation.objects.create(user=alice, title="Why the sky is blue")
    make_turn(conversation, "Why is the sky blue?", ANSWER)
    make_turn(conversation, "And at night?", "Then there is no light to scatter.")
    return conversation


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_chat_is_shared_read_reported_and_ended(
    window: Window, chat: Conversation, alice: User, admin: User, size: Size, scheme: Scheme
) -> None:
    page = window(alice, size=size, scheme=scheme)
    page.goto(f"/ai-chat/{chat.pk}")
    page.get_by_label("Conversation", exact=True).click()
    good(page)
    page.get_by_role("link", name="Share…").click()
    good(page)
    page.get_by_text("Anyone with the link", exact=True).click()
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_text("The link is made.")).to_be_visible()
    good(page)
    share = Share.objects.get()
    assert share.for_anybody
    reader = window(size=size, scheme=scheme)
    reader.goto(f"/shared/{share.token}")
    expect(reader.get_by_role("heading", level=1)).to_have_text("Why the sky is blue")
    expect(reader.locator("strong", has_text="scatters")).to_be_visible()
    good(reader)
    reader.get_by_role("link", name="Report this chat").click()
    good(reader)
    reader.get_by_label("What is wrong?").select_option("other")
    reader.get_by_role("button", name="Send the report").click()
    expect(reader.get_by_text("will look at it")).to_be_visible()
    desk = window(admin, size=size, scheme=scheme)
    desk.goto("/admin/shares")
    good(desk)
    desk.get_by_role("link", name="Why the sky is blue").click()
    good(desk)
    page.goto("/account/shares")
    good(page)
    page.get_by_role("link", name="End this link…").click()
    good(page)
    page.get_by_role("button", name="End the link").click()
    expect(page.get_by_text("The link has ended")).to_be_visible()
    window.allow("status of 404")
    reader.goto(f"/shared/{share.token}")
    expect(reader.get_by_role("heading", level=1)).to_have_text("This link leads nowhere")
    good(reader)


def test_a_reader_goes_on_with_the_chat(window: Window, chat: Conversation, bob: User) -> None:
    share = share_chat(user=chat.user, conversation=chat, for_anybody=False, days=1)
    page = window(bob)
    page.goto(f"/shared/{share.token}")
    page.get_by_role("link", name="Continue this chat").click()
    good(page)
    page.get_by_role("button", name="Copy it to my chats").click()
    expect(page.get_by_text("Imported from a shared chat")).to_have_count(2)
    good(page)


def test_a_chat_is_printed_whole_and_without_what_can_be_done(
    window: Window, chat: Conversation, alice: User
) -> None:
    for number in range(55):
        make_turn(chat, f"Question {number}", f"Answer {number}")
    page = window(alice)
    page.goto(f"/ai-chat/{chat.pk}/print")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    good(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(page.locator(".turn")).to_have_count(57)
    page.goto(f"/ai-chat/{chat.pk}")
    for name in (".rail", ".compose", ".top", ".receipt .copy"):
        assert not page.locator(name).first.is_visible(), name
    expect(page.get_by_text("Answer 54")).to_be_visible()


def test_an_export_is_imported(
    browser: Browser, place: Site, carol: User, var: Path, tmp_path: Path
) -> None:
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([chatgpt()]))
    with windows(browser, place) as window:
        page = window(carol)
        page.goto("/account/data")
        page.get_by_label("File").set_input_files(file)
        page.get_by_role("button", name="Import").click()
        good(page)
        with running_worker({"VAR_DIR": str(var)}, log=tmp_path / "worker.log"):
            expect(page.get_by_text("Imported 1 chat.")).to_be_visible()
        good(page)
        page.get_by_role("link", name="To your chats").click()
        page.get_by_role("link", name="The sky").click()
        expect(page.get_by_text("Imported from ChatGPT")).to_have_count(2)
        good(page)
