"""API keys in a real browser: on a desktop and a phone, light and dark, and without JavaScript."""

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from credits.keys.lookup import find_caller
from credits.models import ApiKey, SpendDay, User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_charge, make_key, make_limit, make_secret, sql_now


def good(page: Page) -> None:
    axe(page)
    fits(page)
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(exist_ok=True)
        width = page.viewport_size["width"] if page.viewport_size else 0
        number = len(list(Path(folder).iterdir()))
        page.screenshot(path=f"{folder}/{number:02}-{width}.png", full_page=True)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_key_from_its_making_to_its_end(
    window: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    window.allow("status of 422")
    permissions = ["clipboard-read", "clipboard-write"]
    page = window(alice, size=size, scheme=scheme, permissions=permissions)
    page.goto("/account")
    page.get_by_role("main").get_by_role("link", name="API keys", exact=True).click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    good(page)
    page.get_by_text("Only these", exact=True).click()
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("Choose at least one model.")).to_be_visible()
    good(page)
    page.get_by_label("Name").fill("CI on the laptop")
    page.get_by_label("A day", exact=True).fill("20")
    page.get_by_label("In all", exact=True).fill("500")
    page.get_by_text("All, those to come too", exact=True).click()
    page.get_by_label("Last day (optional)").fill("2099-01-01")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("heading", name="The key is made")).to_be_visible()
    secret = page.locator(".secret code").inner_text()
    good(page)
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#said")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    key = ApiKey.objects.get()
    assert find_caller(secret).key_id == key.pk
    page.get_by_role("link", name="I have kept it").click()
    make_charge(alice, 12, key_id=key.pk)
    make_charge(alice, 4, key_id=key.pk, hold=True)
    page.reload()
    expect(page.get_by_text("12 and 4 held by calls")).to_be_visible()
    good(page)
    page.get_by_label("Name").fill("CI")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The key is saved.")).to_be_visible()
    page.get_by_role("link", name="New secret…").click()
    good(page)
    page.get_by_label("The present secret").select_option("works for 7 more days")
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_text("works until")).to_be_visible()
    good(page)
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_text(re.compile("The former secret .* works until"))).to_be_visible()
    page.get_by_role("link", name="Revoke…").click()
    good(page)
    page.get_by_label("End calls that are going on too").check()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked")).to_be_visible()
    expect(page.get_by_role("heading", name="Revoked", exact=True)).to_be_visible()
    good(page)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_many_keys(window: Window, alice: User, size: Size, scheme: Scheme) -> None:
    """A long name, limits that are reached, keys that have ended, and a month of spends."""
    key = make_key(alice, name="the-nightly-batch-with-a-name-" + "that-goes-on-" * 4)
    make_limit(alice, 5, api_key=key)
    make_limit(alice, 100, "month", api_key=key, by_admin=True)
    find_caller(make_secret(key))
    make_charge(alice, 5, key_id=key.pk)
    make_key(alice, name="over", expires_at=sql_now())
    make_key(alice, name="Anna's notebook", only_models=["smollm2-135m"])
    page = window(alice, size=size, scheme=scheme)
    page.goto("/account/keys")
    expect(page.get_by_text("reached", exact=True)).to_be_visible()
    good(page)
    page.get_by_role("link", name="the-nightly").click()
    expect(page.get_by_text("Credits spent per day")).to_be_visible()
    good(page)


def test_without_javascript(window: Window, alice: User) -> None:
    page = window(alice, javascript=False)
    page.goto("/account/keys")
    page.get_by_label("Name").fill("CI")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator(".secret code").inner_text()
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("link", name="Revoke…").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked")).to_be_visible()
    assert secret not in page.content()
    assert ApiKey.objects.get().revoked_at


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_at_the_desk(window: Window, admin: User, alice: User, size: Size, scheme: Scheme) -> None:
    window.allow("status of 422")
    key = make_key(alice, name="CI")
    secret = make_secret(key)
    make_charge(alice, 5, key_id=key.pk)
    make_key(alice, name="over", expires_at=sql_now() - timedelta(days=1))
    page = window(admin, size=size, scheme=scheme)
    page.goto(f"/admin/users/{alice.pk}")
    expect(page.get_by_text(f"…{secret[-4:]}")).to_be_visible()
    good(page)
    page.goto("/admin/keys")
    good(page)
    page.get_by_role("link", name="Revoke CI").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Say why")).to_be_visible()
    good(page)
    page.get_by_label("Reason").fill("Leaked in a public repository")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    assert SpendDay.objects.filter(api_key_id=key.pk).exists()
