"""The overview in a real browser: from a number to its rows, and to the file of them."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from ai_chat.models import ProviderFailure
from credits.integrity.run import check_and_keep
from credits.ledger import deduct_credits_for_feature, release_charge
from credits.models import User
from credits.models.rollup import LedgerCheck
from credits.reasons import Reason
from tests.e2e.browser import LOOKS, SIZES, Scheme, Size, Window, axe, fits
from tests.factories import make_charge, make_model


@pytest.fixture
def busy(alice: User, bob: User) -> None:
    """Charges of both features, two refunds, a turn in flight, and a proof."""
    for n in range(3):
        make_charge(alice, n + 1, details={"model": "smollm2-135m"})
    deduct_credits_for_feature(
        user_id=alice.pk,
        feature="ai_image_generation",
        quantity=3,
        details={"model": "tally-painter"},
    )
    for reason in ("provider_error", "provider_timeout"):
        held = make_charge(bob, 2, hold=True, details={"model": "smollm2-135m"})
        release_charge(charge_id=held.id, reason=reason)
    make_charge(bob, 1, hold=True, details={"model": "smollm2-135m"})
    check_and_keep()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_page_is_accessible_and_fits(
    window: Window, admin: User, busy: None, size: Size, scheme: Scheme
) -> None:
    model = make_model("large")
    ProviderFailure.objects.create(
        model=model.name, provider=model.provider.name, reason=Reason.QUOTA, status=402,
        code="insufficient_quota",
    )  # fmt: skip
    page = window(admin, size=size, scheme=scheme)
    for address in ("/admin", "/admin/health", "/admin/usage", "/admin/usage?state=overdue"):
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        axe(page)
        fits(page)


@pytest.mark.parametrize("size", list(SIZES))
def test_a_number_leads_to_its_rows_and_to_their_file(
    window: Window, admin: User, busy: None, size: Size
) -> None:
    page = window(admin, size=size)
    page.goto("/admin")
    reasons = page.get_by_role("row").filter(has_text="the provider took too long")
    reasons.get_by_role("link", name="1").click()
    expect(page).to_have_url(re.compile("reason=provider_timeout"))
    expect(page.get_by_label("Refund reason")).to_have_value("provider_timeout")
    rows = page.locator("table.all tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("+2")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of all").click()
    file = download.value.path().read_text().splitlines()
    assert len(file) == 2 and "provider_timeout" in file[1]
    charge = rows.get_by_role("link", name="Refund of row")
    charge.click()
    expect(rows).to_have_count(2)


def test_a_bar_of_the_chart_leads_to_its_day(window: Window, admin: User, busy: None) -> None:
    page = window(admin)
    page.goto("/admin")
    page.locator("figure.chart svg a").nth(29).click()
    expect(page).to_have_url(re.compile(r"kind=charge&from=[\d-]+&to=[\d-]+"))
    expect(page.locator("table.all tbody tr")).to_have_count(7)


def test_each_chart_can_be_read_as_a_table(window: Window, admin: User, busy: None) -> None:
    page = window(admin)
    page.goto("/admin")
    summaries = page.get_by_text("As a table")
    expect(summaries).to_have_count(3)
    for place in range(3):
        summaries.nth(place).click()
    expect(page.get_by_role("region", name="Active users per day").locator("tr")).to_have_count(31)
    axe(page)


@pytest.mark.parametrize("size", list(SIZES))
def test_filters_change_the_rows_in_place_and_the_address(
    window: Window, admin: User, busy: None, size: Size
) -> None:
    page = window(admin, size=size)
    page.goto("/admin/usage")
    page.get_by_label("Kind").select_option("refund")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("table.all tbody tr")).to_have_count(2)
    expect(page).to_have_url(re.compile("kind=refund"))
    window.allow("422")
    page.get_by_label("User").fill("nobody@example.com")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody has this id or e-mail.")
    axe(page)
    page.go_back()
    expect(page.locator("table.all tbody tr")).to_have_count(2)
    page.reload()
    expect(page.locator("table.all tbody tr")).to_have_count(2)


def test_the_keyboard_walks_through_rows_and_pages(
    window: Window, admin: User, alice: User
) -> None:
    for _ in range(60):
        make_charge(alice)
    page = window(admin)
    page.goto("/admin")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile("/admin/usage$"))
    first = page.locator("table.all tbody tr").first
    expect(first).to_be_visible()
    page.keyboard.press("j")
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("before="))
    expect(page.locator("a[rel=prev]").first).to_be_visible()
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile("after="))
    expect(first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("User")).to_be_focused()


def test_the_keyboard_works_as_soon_as_the_page_is_shown(window: Window, admin: User) -> None:
    page = window(admin)

    def delay(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    page.route("**/admin.js", delay)
    page.goto("/admin", wait_until="commit")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_difference_is_seen_on_every_page_and_explained(
    window: Window, admin: User, busy: None
) -> None:
    kept = LedgerCheck.objects.latest("pk")
    kept.ok = False
    kept.differences = [{"name": "rows_chain", "invariant": "I2", "sentence": "Rows chain.",
                         "offender": "row", "offences": 1, "offenders": ["7"]}]  # fmt: skip
    kept.save()
    page = window(admin, size="phone")
    page.goto("/admin/usage")
    page.get_by_role("link", name="ledger has differences").click()
    expect(page.get_by_text("1 broken, first row: 7")).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("asked for", exact=True)).to_be_visible()


def test_it_all_works_without_scripts(window: Window, admin: User, busy: None) -> None:
    page: Page = window(admin, javascript=False)
    page.goto("/admin/usage")
    page.get_by_label("Kind").select_option("charge")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("table.all tbody tr")).to_have_count(7)
