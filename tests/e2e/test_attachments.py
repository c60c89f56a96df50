"""Files in the chat: chosen, dropped, pasted; what models do not read; also without scripts."""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from ai_chat.models import Attachment, Turn
from credits.models import AIModel, User
from tests.ai_chat.images.fake import FakePainter, picture
from tests.ai_chat.strict import answer
from tests.ai_chat.turns import text_model
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.e2e.pickers import choose_model
from tests.factories import make_model
from tests.live import Site
from tests.waiting import PATIENCE

CSV = FilePayload(name="figures.csv", mimeType="text/csv", buffer=b"year,sum\n2026,41\n")
PNG = FilePayload(name="teal.png", mimeType="image/png", buffer=picture(size=(400, 300)))
#: Files as a browser hands them to a page, by the event that brings them.
BRING = """([kind, files]) => {
    const data = new DataTransfer();
    for (const { name, type, content } of files) {
        const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
        data.items.add(new File([bytes], name, { type }));
    }
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector("main").dispatchEvent(event);
}"""


@pytest.fixture
def painter(painter: FakePainter) -> FakePainter:
    """A provider that takes strict turns alone, and answers the same to each."""
    painter.strict = True
    painter.answer = answer("I see.")
    return painter


@pytest.fixture
def chat(
    browser: Browser, keep_site: Callable[..., Site], painter: FakePainter, var: Path
) -> Iterator[Window]:
    """Windows on a site whose first model reads pictures."""
    text_model(reads_images=True)
    site = keep_site(OPENAI_BASE_URL=painter.base_url, VAR_DIR=str(var))
    with windows(browser, site) as window:
        window.allow("status of 4")
        yield window


def bring(page: Page, kind: str, *files: FilePayload) -> None:
    """Drops (`drop`) or pastes (`paste`) files."""
    made = [
        {
            "name": file["name"],
            "type": file["mimeType"],
            "content": base64.b64encode(file["buffer"]).decode(),
        }
        for file in files
    ]
    page.evaluate(BRING, [kind, made])


def chips(page: Page) -> list[str]:
    return page.locator("#attached .name").all_inner_texts()


def send(page: Page, message: str) -> None:
    page.locator("#message").fill(message)
    page.get_by_role("button", name=re.compile("^Send")).click()


def test_files_that_are_chosen_dropped_and_pasted_go_with_the_message(
    chat: Window, alice: User, painter: FakePainter
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach files").click()
    chooser.value.set_files([CSV])
    expect(page.locator("#attached [name=attachment]")).to_have_count(1)
    bring(page, "dragover", PNG)
    expect(page.locator("body.dropping")).to_be_visible()
    bring(page, "drop", PNG)
    expect(page.locator("body.dropping")).to_have_count(0)
    bring(page, "paste", FilePayload(name="image.png", mimeType="image/png", buffer=picture()))
    expect(page.locator("#attached [name=attachment]")).to_have_count(3)
    assert chips(page) == ["figures.csv", "teal.png", "image.png"]
    page.get_by_role("button", name="Remove image.png").click()
    expect(page.locator("#attaching")).to_have_text("Removed.")
    send(page, "What is it?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator("#attached .file")).to_have_count(0)
    for _ in range(2):
        sent = page.get_by_role("list", name="Files of the message")
        expect(sent.get_by_role("listitem")).to_have_count(2)
        expect(sent.locator("img")).to_have_js_property("complete", True)
        assert sent.locator("img").evaluate("each => each.naturalWidth") > 0
        page.reload()
    text, image = painter.calls[-1]["messages"][-1]["content"]
    assert "2026,41" in text["text"] and text["text"].endswith("What is it?")
    assert image["image_url"]["url"].startswith("data:image/")
    assert len(Turn.objects.get().attachments) == 2
    Attachment.objects.filter(name="figures.csv").delete()
    page.reload()
    expect(page.locator(".file.gone")).to_have_text("A file that was deleted")
    axe(page)


def test_a_message_waits_for_its_files(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.locator("#message").fill("What is it?")
    page.evaluate("""() => {
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (body) {
            window.goOn = () => send.call(this, body);
        };
    }""")
    page.locator("#files").set_input_files([CSV])
    expect(page.get_by_role("progressbar", name="Uploading figures.csv")).to_be_visible()
    axe(page)
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator("#problem")).to_have_text("The message is sent once its files are there.")
    page.evaluate("goOn()")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert len(Turn.objects.get().attachments) == 1


def test_what_the_model_does_not_read_is_said_before_sending(chat: Window, alice: User) -> None:
    make_model("Blind", label="Blind")
    page = chat(alice)
    page.goto("/ai-chat")
    page.locator("#files").set_input_files([PNG])
    button = page.get_by_role("button", name=re.compile("^Send"))
    expect(page.locator("#attached img")).to_be_visible()
    expect(button).to_be_enabled()
    choose_model(page, "Blind")
    expect(button).to_be_disabled()
    sentence = "Blind does not read pictures. Choose a model that does, or remove teal.png."
    expect(page.locator("#short")).to_have_text(sentence)
    axe(page)
    page.get_by_role("button", name="Remove teal.png").click()
    expect(button).to_be_enabled()
    page.locator("#files").set_input_files([PNG])
    expect(button).to_be_disabled()
    choose_model(page, text_model().label)
    expect(button).to_be_enabled()
    send(page, "See?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    choose_model(page, "Blind")
    expect(page.locator("#short")).to_contain_text("of the earlier ones it is told the names")


def test_what_is_no_file_for_models_is_said_and_the_rest_is_sent(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    broken = FilePayload(name="broken.png", mimeType="image/png", buffer=b"\x89PNG\r\n\x1a\n")
    bring(page, "drop", broken, CSV)
    expect(page.locator("#attached [name=attachment]")).to_have_count(1)
    failed = page.locator(".file.failed")
    expect(failed).to_contain_text("broken.png")
    expect(failed.locator(".state")).not_to_be_empty()
    axe(page)
    send(page, "See?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert Attachment.objects.get().name == "figures.csv"


def test_attached_files_are_there_after_a_reload(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.locator("#files").set_input_files([CSV, PNG])
    expect(page.locator("#attached [name=attachment]")).to_have_count(2)
    page.reload()
    expect(page.locator("#attached [name=attachment]")).to_have_count(2)
    send(page, "See?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.goto("/ai-chat")
    expect(page.locator("#attached .file")).to_have_count(0)


def test_a_queued_message_keeps_its_files(chat: Window, alice: User, painter: FakePainter) -> None:
    gate = threading.Event()

    def held(_: dict[str, Any]) -> tuple[int, Any]:
        gate.wait(PATIENCE)
        return 200, answer("I see.")

    painter.answer = held
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "First")
    expect(page.locator(".writing")).to_be_visible()
    page.locator("#files").set_input_files([CSV])
    expect(page.locator("#attached [name=attachment]")).to_have_count(1)
    send(page, "Second")
    expect(page.locator("#queue .queued")).to_have_count(1)
    expect(page.locator("#attached .file")).to_have_count(0)
    page.locator("#queue").get_by_role("button", name="Edit").click()
    expect(page.locator("#attached [name=attachment]")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator("#queue .queued")).to_have_count(1)
    gate.set()
    expect(page.locator(".receipt b")).to_have_count(2)
    assert "2026,41" in str(painter.calls[-1]["messages"][-1]["content"])
    page.goto("/ai-chat")
    expect(page.locator("#attached .file")).to_have_count(0)


def test_another_answer_and_another_version_are_sent_the_same_files(
    chat: Window, alice: User, painter: FakePainter
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.locator("#files").set_input_files([CSV])
    expect(page.locator("#attached [name=attachment]")).to_have_count(1)
    send(page, "See?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.get_by_role("link", name="Ask again").click()
    page.get_by_role("button", name=re.compile("^Ask again 1 credit")).click()
    expect(page.locator(".versions")).to_contain_text("2/2")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.wait_for_timeout(3000)
    print(
        page.url,
        [(t.prompt, t.attachments) for t in Turn.objects.all()],
        page.locator("#attached").evaluate("e=>e.outerHTML"),
        page.locator("#edited").count(),
    )
    expect(page.locator("#attached [name=attachment]")).to_have_count(1)
    send(page, "Really?")
    expect(page.locator(".versions")).to_contain_text("3/3")
    asked = [str(call["messages"]) for call in painter.calls]
    assert ["2026,41" in each for each in asked] == [True] * 3
    assert Attachment.objects.count() == 1


def test_without_scripts_the_form_brings_the_files(
    chat: Window, alice: User, painter: FakePainter
) -> None:
    make_model("Blind", label="Blind")
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    page.locator("#model").select_option("Blind")
    page.locator("#files").set_input_files([CSV, PNG])
    send(page, "See?")
    expect(page.get_by_role("alert")).to_contain_text("Blind does not read pictures.")
    expect(page.locator("#message")).to_have_value("See?")
    fits(page)
    page.get_by_role("checkbox", name="Send teal.png").uncheck()
    AIModel.objects.filter(name="Blind").update(reads_images=True)
    page.reload()
    page.locator("#files").set_input_files([CSV, PNG])
    send(page, "See?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    sent = page.get_by_role("list", name="Files of the message")
    expect(sent.get_by_role("listitem")).to_have_count(2)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_files_fit_into_the_page(chat: Window, alice: User, size: Size, scheme: Scheme) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    long = FilePayload(name="a-very-long-name-" * 8 + ".csv", mimeType="", buffer=b"a,b")
    page.locator("#files").set_input_files([long, PNG, CSV])
    expect(page.locator("#attached [name=attachment]")).to_have_count(3)
    axe(page)
    fits(page)
    send(page, "See?")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    axe(page)
    fits(page)
