"""What the copy buttons put on the clipboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Turn
from credits.models import User
from tests.e2e.browser import Window, windows
from tests.e2e.test_chat import send
from tests.live import Site

ANSWER = """# A *list* and a table

1. one
   - nested **bold**
     - deeper `code`
2. two

| a | b |
|---|--:|
| 1 | [x](https://example.com/x) |

```python
  if x:
      pass

```

The end.  
"""  # noqa: W291 - two blanks are a line break in Markdown
READ = """async (type) => {
    const [item] = await navigator.clipboard.read();
    return (await item.getType(type)).text();
}"""


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


@pytest.fixture
def page(chat: Window, alice: User) -> Page:
    """A conversation with ANSWER."""
    page = chat(alice, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/ai-chat")
    send(page, "Anything")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    Turn.objects.update(answer=ANSWER, html="", html_version=0, reasoning="Not to be copied.")
    page.reload()
    return page


def copy(page: Page, name: str) -> None:
    page.evaluate("navigator.clipboard?.writeText('before')")
    page.evaluate("document.getElementById('progress').textContent = ''")
    page.get_by_role("button", name=name).click()
    expect(page.locator("#progress")).to_have_text("Copied.")


def test_an_answer_is_copied_as_the_model_wrote_it_with_rich_text_beside_it(page: Page) -> None:
    copy(page, "Copy the answer")
    assert page.evaluate(READ, "text/plain") == ANSWER
    html = page.evaluate(READ, "text/html")
    assert "<strong>bold</strong>" in html
    assert "<table" in html and "<ol" in html
    assert 'href="https://example.com/x"' in html
    assert "button" not in html and "class=" not in html and "Not to be copied" not in html


def test_code_is_copied_exactly(page: Page) -> None:
    copy(page, "Copy the code")
    assert page.evaluate("navigator.clipboard.readText()") == "  if x:\n      pass\n"


def test_an_answer_that_broke_off_is_copied_as_far_as_it_came(chat: Window, alice: User) -> None:
    page = chat(alice, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/ai-chat")
    send(page, "A story [[fail:cut:5]]")
    copy(page, "Copy the answer")
    assert page.evaluate(READ, "text/plain") == Turn.objects.get().answer


def test_without_the_clipboard_of_https_the_browsers_own_command_copies(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'clipboard', {get: () => undefined})"
    )
    page.goto("/ai-chat")
    send(page, "[[echo]] **Look**")
    copy(page, "Copy the answer")
    message = page.get_by_label("Message")
    message.focus()
    page.keyboard.press("ControlOrMeta+V")
    expect(message).to_have_value("**Look** ")


def test_what_cannot_be_copied_says_so(chat: Window, page: Page) -> None:
    chat.allow("status of 404")
    page.route("**/source", lambda route: route.fulfill(status=404))
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("#toasts")).to_contain_text("That could not be copied. Select the text")
    expect(page.locator("#progress")).not_to_have_text("Copied.")


def test_a_question_is_copied_as_it_was_written(page: Page) -> None:
    Turn.objects.update(prompt="One *two*\n\n  three")
    page.reload()
    copy(page, "Copy the question")
    assert page.evaluate("navigator.clipboard.readText()") == "One *two*\n\n  three"


FORMULAS = r"""Before $a^2$ and \(b_1\).

\[\frac{1}{2}
+ 3\]

| x | $|y|$ |
|---|---|

After."""


def test_formulas_are_copied_as_their_tex(page: Page) -> None:
    Turn.objects.update(answer=FORMULAS, html="", html_version=0)
    page.reload()
    expect(page.locator("math")).to_have_count(4)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.md'))")
    page.keyboard.press("ControlOrMeta+C")
    text = page.evaluate("navigator.clipboard.readText()")
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines[0] == r"Before $a^2$ and \(b_1\)."
    assert "\n".join(lines[1:3]) == "\\[\\frac{1}{2}\n+ 3\\]"
    assert "$|y|$" in lines[3]
    assert lines[4] == "After."
    assert "<math" in page.evaluate(READ, "text/html")


def test_a_part_of_a_formula_is_copied_as_all_of_it(page: Page) -> None:
    Turn.objects.update(answer=FORMULAS, html="", html_version=0)
    page.reload()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('mfrac > *'))")
    page.keyboard.press("ControlOrMeta+C")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == "\\[\\frac{1}{2}\n+ 3\\]"


def test_what_has_no_formula_is_copied_by_the_browser(page: Page) -> None:
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.md strong'))")
    page.keyboard.press("ControlOrMeta+C")
    assert page.evaluate("navigator.clipboard.readText()") == "bold"
