"""Blocks of code: what is beside them, and that nothing moves for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.e2e.test_chat import send
from tests.live import Site

LONG = "print('" + "a long line " * 30 + "')"
ANSWER = f"""```python
{LONG}
```

```Dockerfile
FROM scratch
```

```hta
<script>evil()</script>
```

    plain
"""

#: Pixels from the top of the question to the first line of code.
PLACE_OF_CODE = """document.querySelector(".code code").getBoundingClientRect().top
    - document.querySelector(".me").getBoundingClientRect().top"""


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


@pytest.fixture
def address(alice: User) -> str:
    """The page of a conversation with ANSWER."""
    conversation = Conversation.objects.create(user=alice, title="Code")
    make_turn(conversation, "Show code", ANSWER)
    return f"/ai-chat/{conversation.pk}"


def is_wide(page: Page) -> bool:
    block = page.locator(".code pre").first
    wide: bool = block.evaluate("pre => pre.scrollWidth > pre.clientWidth")
    return wide


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_long_lines_are_wrapped_where_the_reader_said_so_once(
    chat: Window, alice: User, address: str, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto(address)
    wrap = page.get_by_role("button", name="Wrap long lines")
    expect(wrap).to_have_count(4)
    assert is_wide(page)
    # By keyboard: the tools stand before the code that they belong to.
    wrap.first.focus()
    page.keyboard.press("Enter")
    assert not is_wide(page)
    expect(wrap.last).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Download the code").first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy the code").first).to_be_focused()
    axe(page)
    fits(page)
    page.reload()
    expect(wrap.first).to_have_attribute("aria-pressed", "true")
    assert not is_wide(page)
    wrap.first.click()
    page.reload()
    expect(wrap.first).to_have_attribute("aria-pressed", "false")
    assert is_wide(page)


def test_code_is_saved_under_the_name_of_its_language(
    chat: Window, alice: User, address: str
) -> None:
    page = chat(alice)
    page.goto(address)
    buttons = page.get_by_role("button", name="Download the code")
    saved = []
    for place in range(4):
        with page.expect_download() as download:
            buttons.nth(place).click()
        text = Path(download.value.path()).read_text()
        saved.append((download.value.suggested_filename, text))
    assert saved == [
        ("code.py", f"{LONG}\n"),
        ("Dockerfile", "FROM scratch\n"),
        # The model names the language: that must not make a program of what is opened.
        ("code.txt", "<script>evil()</script>\n"),
        ("code.txt", "plain\n"),
    ]


def test_the_buttons_of_a_block_that_has_ended_move_nothing(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, f"[[echo]] [[delay:0.05]] ```python␤ {'x ' * 30}␤ ```␤ ␤ {'after ' * 20}")
    # A line without a letter would have another height.
    expect(page.locator(".tail .code code")).to_contain_text("x x")
    place = page.evaluate(PLACE_OF_CODE)
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.get_by_role("button", name="Copy the code")).to_be_visible()
    assert page.evaluate(PLACE_OF_CODE) == place
