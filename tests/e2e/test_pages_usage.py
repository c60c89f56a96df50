"""The statement in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from credits.ledger import release_charge
from credits.models import UsageHistory, User
from tests.e2e.browser import Size, Window, axe, fits
from tests.factories import make_charge, make_grant

SIZES: list[Size] = ["desktop", "phone"]


@pytest.mark.parametrize("size", SIZES)
def test_filters_are_a_form_with_an_address(window: Window, alice: User, size: Size) -> None:
    charge = make_charge(alice, 2, hold=True)
    release_charge(charge_id=charge.id, reason="provider_error")
    make_charge(alice)
    page = window(alice, size=size)
    page.goto("/usage")
    expect(page.locator("tbody tr[id]")).to_have_count(4)
    page.get_by_label("Show").select_option(label="Refunds")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("kind=refund"))
    rows = page.locator("tbody tr[id]")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("the provider failed")
    axe(page)
    fits(page)
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("To", exact=True).fill("2020-01-31")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="No such lines")).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
def test_a_receipts_link_brings_its_row_into_view(window: Window, alice: User, size: Size) -> None:
    make_grant(alice, 100)
    wanted = make_charge(alice).id
    for _ in range(70):
        make_charge(alice)
    page = window(alice, size=size)
    page.goto(f"/usage?row={wanted}#row-{wanted}")
    row = page.locator(f"#row-{wanted}")
    expect(row).to_be_in_viewport()
    # On a phone the whole line is marked, else each cell.
    colour = "cell => [cell, cell.parentNode].map(each => getComputedStyle(each).backgroundColor)"
    marked = row.locator("td").first.evaluate(colour)
    other = page.locator("tbody tr[id] td").last.evaluate(colour)
    assert marked != other, "The row one came for is marked."
    page.get_by_role("link", name="Newer").click()
    expect(page.locator("tbody tr[id]").last).to_have_id(f"row-{wanted + 1}")
    fits(page)


def test_the_chart_can_be_read_as_a_table(window: Window, alice: User) -> None:
    make_charge(alice, 3)
    page = window(alice)
    page.goto("/usage")
    page.get_by_text("As a table").click()
    expect(page.locator("details table tbody tr")).to_have_count(1)
    expect(page.locator("details table tbody")).to_contain_text("3")
    axe(page)


@pytest.mark.parametrize("size", SIZES)
def test_every_row_of_a_phone_still_says_in_or_out_and_the_balance(
    window: Window, alice: User, size: Size
) -> None:
    make_charge(alice, 3)
    page = window(alice, size=size)
    page.goto("/usage")
    row = page.locator(f"#row-{UsageHistory.objects.latest('id').id}")
    for part in (".when", ".what", ".ref", ".out", ".balance"):
        expect(row.locator(part)).to_be_visible()


def test_it_works_without_scripts(window: Window, alice: User) -> None:
    page = window(alice, javascript=False)
    page.goto("/usage")
    page.get_by_label("Show").select_option(label="Grants")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr[id]")).to_have_count(1)


def test_it_prints_as_a_letter(window: Window, alice: User) -> None:
    page = window(alice)
    page.goto("/usage")
    page.emulate_media(media="print")
    expect(page.get_by_text("Statement of credits for Alice")).to_be_visible()
    expect(page.locator(".rail")).not_to_be_visible()
    expect(page.locator(".top")).not_to_be_visible()
