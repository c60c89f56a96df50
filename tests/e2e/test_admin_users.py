"""People and their money at the desk, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from credits.ledger import get_balance
from credits.models import User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_adjustment_request, make_admin, make_charge

SIZES: list[Size] = ["desktop", "phone"]


def balance(user: User) -> int:
    return get_balance(user_id=user.pk).remaining


def preview(page: Page, mode: str, amount: str, reason: str) -> None:
    page.locator(".seg label", has_text=mode).click()
    page.get_by_label("Credits", exact=True).fill(amount)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Preview").click()


@pytest.mark.parametrize("size", SIZES)
def test_a_persons_balance_is_found_and_adjusted(
    window: Window, admin: User, alice: User, bob: User, size: Size
) -> None:
    window.allow("status of 422")
    page = window(admin, size=size)
    page.goto("/admin/users")
    page.get_by_role("searchbox").press_sequentially("alice")
    expect(page).to_have_url(re.compile("search=alice"))
    expect(page.locator("table.people tbody tr")).to_have_count(1)
    page.get_by_role("link", name="alice@example.com").click()
    page.get_by_role("link", name="Adjust the balance").click()
    preview(page, "Take away", "500", "A test")
    expect(page.get_by_text("At most 100 credits can be taken away.")).to_be_visible()
    preview(page, "Add", "25", "A gift")
    expect(page.locator(".moves")).to_contain_text(re.compile(r"100\s*→\s*to\s*125\s*\+25"))
    axe(page)
    fits(page)
    page.get_by_role("button", name="Confirm +25 credits").click()
    expect(page.get_by_text("+25 credits: the balance is 125 now.")).to_be_visible()
    expect(page.locator(".lines tbody tr").first).to_contain_text("A gift, by admin@example.com")
    fits(page)
    assert balance(alice) == 125


@pytest.mark.parametrize("size", SIZES)
def test_a_charge_is_refunded_in_part(window: Window, admin: User, alice: User, size: Size) -> None:
    charge = make_charge(alice, 7)
    page = window(admin, size=size)
    page.goto(f"/admin/users/{alice.pk}")
    page.get_by_role("link", name=f"Refund #{charge.id}").click()
    expect(page.get_by_label("Credits", exact=True)).to_have_value("7")
    page.get_by_label("Credits", exact=True).fill("3")
    page.get_by_label("Reason").fill("It was wrong")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Of this charge 4 more can be returned")).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_role("button", name="Return 3 credits").click()
    expect(page.get_by_text(f"3 credits of #{charge.id} came back.")).to_be_visible()
    expect(page.locator(".lines tbody tr").first).to_contain_text("It was wrong")
    assert balance(alice) == 96


def test_a_second_admin_approves_a_large_one(window: Window, admin: User, alice: User) -> None:
    page = window(admin)
    page.goto(f"/admin/users/{alice.pk}/adjust")
    preview(page, "Set to", "200000", "A prize")
    page.get_by_role("button", name="Ask a second admin").click()
    expect(page.get_by_text("Nothing has moved yet")).to_be_visible()
    page.get_by_role("link", name="Look at it").click()
    expect(page.get_by_text("You asked for this yourself.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Approve"))).to_have_count(0)
    assert balance(alice) == 100
    other = window(make_admin("second@example.com"))
    other.goto("/admin/users")
    other.get_by_role("link", name="Set to 200,000 credits").click()
    other.get_by_role("button", name="Approve +199,900 credits").click()
    expect(other.get_by_text("the balance is 200,000 now")).to_be_visible()
    assert balance(alice) == 200_000


def test_it_works_without_scripts(window: Window, admin: User, alice: User) -> None:
    page = window(admin, javascript=False)
    page.goto("/admin/users")
    page.get_by_role("searchbox").fill("ali")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="alice@example.com").click()
    page.get_by_role("link", name="Adjust the balance").click()
    preview(page, "Add", "5", "A gift")
    page.get_by_role("button", name="Confirm +5 credits").click()
    expect(page.locator(".lines tbody tr").first).to_contain_text("A gift")
    assert balance(alice) == 105


def test_the_keyboard_finds_and_opens_a_person(
    window: Window, admin: User, alice: User, bob: User
) -> None:
    page = window(admin)
    page.goto("/admin/users")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.get_by_role("searchbox").press_sequentially("bob")
    expect(page).to_have_url(re.compile("search=bob"))
    expect(page.locator("table.people tbody tr")).to_have_count(1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("searchbox").blur()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="bob@example.com")).to_be_focused()
    page.wait_for_timeout(200)
    assert not asked, "Leaving the field searched again, and took the row at hand away."
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/admin/users/{bob.pk}$"))


def test_a_filter_holds_as_soon_as_it_is_chosen(
    window: Window, admin: User, alice: User, bob: User
) -> None:
    page = window(admin)
    page.goto("/admin/users")
    page.get_by_label("Balance from").fill("50")
    page.get_by_label("Balance from").press("Tab")
    expect(page.locator("table.people tbody tr")).to_have_count(1)
    page.get_by_label("State").select_option(label="Deleted at Clerk")
    expect(page.get_by_role("heading", name="Nobody")).to_be_visible()


def test_back_shows_the_search_before(window: Window, admin: User, alice: User, bob: User) -> None:
    page = window(admin)
    page.goto("/admin/users")
    page.get_by_role("searchbox").press_sequentially("bob")
    expect(page.locator("table.people tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("table.people tbody tr")).to_have_count(3)
    expect(page.locator("html")).to_have_count(1)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_pages_are_for_everybody(
    window: Window, admin: User, alice: User, bob: User, size: Size, scheme: Scheme
) -> None:
    window.allow("status of 400")
    charge = make_charge(alice, 7)
    make_charge(alice, 3, hold=True)
    asked = make_adjustment_request(alice, delta=-20_000)
    page = window(admin, size=size, scheme=scheme)
    for path in (
        "/admin/users", "/admin/users?search=nobody", "/admin/users?low=x",
        f"/admin/users/{alice.pk}", f"/admin/users/{alice.pk}?kind=payment",
        f"/admin/users/{alice.pk}/adjust", f"/admin/users/charges/{charge.id}/refund",
        "/admin/users/approvals", f"/admin/users/approvals/{asked.pk}",
    ):  # fmt: skip
        page.goto(path)
        axe(page)
        fits(page)
