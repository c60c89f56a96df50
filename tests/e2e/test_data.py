"""/account/data in a real browser: the archive that gets ready by itself, and leaving."""

from pathlib import Path
from zipfile import ZipFile

from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation, DataJob
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import axe, fits, windows
from tests.factories import PASSWORD
from tests.live import Site, running_worker


def good(page: Page) -> None:
    axe(page)
    fits(page)


def test_an_archive_gets_ready_by_itself_and_the_account_is_closed(
    browser: Browser, place: Site, alice: User, var: Path, tmp_path: Path
) -> None:
    make_turn(Conversation.objects.create(user=alice, title="A long talk"), "Why?", "Because.")
    with windows(browser, place) as window:
        page = window(alice, size="phone")
        page.goto("/account")
        page.get_by_role("link", name="Your data").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your data")
        good(page)
        page.get_by_role("button", name="Make an archive").click()
        expect(page.get_by_text("waits for its turn")).to_be_visible()
        good(page)
        DataJob.objects.update(state="running", processed=1, total=3)
        expect(page.get_by_role("progressbar", name="Archive")).to_be_visible()
        good(page)
        DataJob.objects.update(state="queued")
        with running_worker({"VAR_DIR": str(var)}, log=tmp_path / "worker.log"):
            link = page.get_by_role("link", name="Download")
            expect(link).to_be_visible()
            expect(page.get_by_role("link", name="Refresh")).to_have_count(0)
            good(page)
            with page.expect_download() as download:
                link.click()
            names = ZipFile(download.value.path()).namelist()
            assert any("a-long-talk" in name for name in names)

            page.get_by_role("link", name="Delete all chats…").click()
            expect(page.get_by_text("You have 1 chat.")).to_be_visible()
            good(page)
            page.get_by_role("button", name="Delete all chats").click()
            expect(page.get_by_text("Deletion of all chats")).to_be_visible()
            expect(page.get_by_text("done")).to_be_visible()

        page.get_by_role("link", name="Close your account…").click()
        expect(page.get_by_text("Your 99 credits can no longer be spent.")).to_be_visible()
        good(page)
        page.get_by_label("Password", exact=True).fill("wrong")
        page.get_by_role("button", name="Close my account for good").click()
        expect(page.get_by_text("This is not your current password.")).to_be_visible()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Close my account for good").click()
        expect(page.get_by_text("Your account is closed. Its content is being")).to_be_visible()
        page.get_by_role("link", name="What is kept").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("What is kept")
        good(page)


def test_without_scripts_a_link_shows_how_far_it_is(
    browser: Browser, place: Site, alice: User
) -> None:
    with windows(browser, place) as window:
        page = window(alice, javascript=False)
        page.goto("/account/data")
        page.get_by_role("button", name="Make an archive").click()
        expect(page.get_by_text("waits for its turn")).to_be_visible()
        DataJob.objects.update(state="running", processed=1, total=3)
        page.get_by_role("link", name="Refresh").click()
        expect(page.get_by_text("1 of 3")).to_be_visible()
