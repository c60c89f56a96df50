"""/account/files in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from ai_chat.attachments.services import add_file
from ai_chat.models import Attachment, Conversation
from credits.models import User
from tests.ai_chat.attachments.making import pdf, picture, slides
from tests.e2e.browser import LOOKS, Scheme, Size, axe, fits, windows
from tests.live import Site


@pytest.fixture
def place(place: Site, var: Path, settings: Settings) -> Site:
    """The site that keeps its files where the test does."""
    settings.VAR_DIR, settings.MEDIA_ROOT = var, var / "media"
    return place


def good(page: Page) -> None:
    axe(page)
    fits(page)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_files_are_looked_at_and_deleted(
    browser: Browser, place: Site, alice: User, size: Size, scheme: Scheme
) -> None:
    chat = Conversation.objects.create(user=alice, title="Plans for the summer and what it costs")
    long = "a-report-with-a-name-that-goes-on-and-on-and-on-for-longer-than-any-column-is-wide.pdf"
    for name, content in (
        ("lighthouse.jpg", picture("JPEG", (400, 300))), (long, pdf("One")),
        ("slides.pptx", slides("One")), ("notes.md", b"# Notes"),
    ):  # fmt: skip
        add_file(user_id=alice.pk, name=name, content=content)
    Attachment.objects.exclude(name="notes.md").update(conversation=chat)
    with windows(browser, place) as window:
        page = window(alice, size=size, scheme=scheme)
        page.goto("/account")
        page.get_by_role("link", name="Files").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Files")
        expect(page.get_by_role("checkbox")).to_have_count(4)
        expect(page.locator("td img")).to_have_js_property("naturalWidth", 400)
        good(page)
        page.get_by_role("link", name="Largest").click()
        expect(page.locator(".kept tbody tr").last).to_contain_text("notes.md")
        good(page)
        page.get_by_role("checkbox", name="notes.md").check()
        page.get_by_role("checkbox", name="slides.pptx").check()
        page.get_by_role("button", name="Delete selected…").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Delete 2 files?")
        good(page)
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_text("Deleted: 2 files.")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download a-report").click()
        assert download.value.suggested_filename == long
        page.get_by_role("button", name="Delete lighthouse.jpg…").click()
        page.get_by_role("link", name="Keep it").click()
        expect(page.get_by_role("checkbox")).to_have_count(2)


def test_the_page_works_without_scripts(browser: Browser, place: Site, alice: User) -> None:
    add_file(user_id=alice.pk, name="notes.md", content=b"# Notes")
    with windows(browser, place) as window:
        page = window(alice, javascript=False)
        page.goto("/account/files")
        page.get_by_role("button", name="Delete notes.md…").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
