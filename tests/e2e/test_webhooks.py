"""/account/webhooks in a real browser: from adding one to a message that its program has taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from credits.models import User, WebhookEndpoint
from tests.e2e.browser import LOOKS, Scheme, Size, axe, fits, windows
from tests.fakes.receiver import running_receiver
from tests.live import Site, running_worker

ANYWHERE = {"WEBHOOKS_TO_ANY_ADDRESS": "1"}


@pytest.fixture
def place(keep_site: Callable[..., Site]) -> Site:
    """A site whose webhooks may be on this machine."""
    return keep_site(**ANYWHERE)


def good(page: Page) -> None:
    axe(page)
    fits(page)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_webhook_from_its_secret_to_its_end(
    browser: Browser, place: Site, alice: User, tmp_path: Path, size: Size, scheme: Scheme
) -> None:
    with running_receiver() as receiver, windows(browser, place) as window:
        page = window(alice, size=size, scheme=scheme)
        page.goto("/account")
        page.get_by_role("link", name="Alerts and webhooks").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Alerts and webhooks")
        page.get_by_role("button", name="Turn them off").click()
        expect(page.get_by_text("Alerts do not come by mail.").first).to_be_visible()
        page.get_by_label("Address").fill("https://me@example.com/")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_text("have no user name")).to_be_visible()
        good(page)
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_label("Description (optional)").fill("Pauses my batch jobs")
        page.get_by_role("button", name="Add", exact=True).click()
        secret = page.locator(".secret code").inner_text()
        good(page)
        page.get_by_role("link", name="I have kept it").click()
        receiver.answers = [500]
        page.get_by_role("button", name="Send a test message").click()
        expect(page.get_by_text("next try")).to_be_visible()
        good(page)
        with running_worker(ANYWHERE, log=tmp_path / "worker.log"):
            receiver.wait_for(2)  # The second five seconds after the first, which failed.
        assert receiver.received[0].verify(secret)["type"] == "webhook.test"
        page.reload()
        expect(page.get_by_text("delivered")).to_be_visible()
        expect(page.get_by_text("failed", exact=True)).to_be_visible()
        good(page)
        page.get_by_role("button", name="Send again").first.click()
        expect(page.get_by_role("button", name="Send now")).to_be_visible()
        page.get_by_role("button", name="Turn it off").click()
        expect(page.get_by_text("You turned it off")).to_be_visible()
        good(page)
        page.get_by_role("button", name="Make a new secret").click()
        expect(page.get_by_text("The one before signs too until")).to_be_visible()
        page.go_back()
        page.goto(f"/account/webhooks/{WebhookEndpoint.objects.get().pk}")
        page.get_by_role("link", name="Delete…").click()
        good(page)
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("None yet.")).to_be_visible()
        good(page)


def test_without_scripts(browser: Browser, place: Site, alice: User) -> None:
    with running_receiver() as receiver, windows(browser, place) as window:
        page = window(alice, javascript=False)
        page.goto("/account/webhooks")
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".secret code")).to_contain_text("whsec_")
