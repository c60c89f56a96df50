"""Limits in a real browser: on a desktop and a phone, light and dark."""

import re

import pytest
from playwright.sync_api import expect

from credits.models import Limit, User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_charge, make_limit


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_setting_changing_and_removing_a_limit(
    window: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    window.allow("status of 422")
    page = window(alice, size=size, scheme=scheme)
    page.goto("/account")
    page.get_by_role("link", name="Limits", exact=True).click()
    expect(page.get_by_role("heading", name="No limits yet")).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_label("For").select_option("A week, from Monday")
    page.get_by_label("Credits", exact=True).fill("1.5")
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_text("Must be a whole number from 0")).to_be_visible()
    page.get_by_label("Credits", exact=True).fill("40")
    page.get_by_text("Only tell", exact=True).click()
    page.get_by_label("50 %").check()
    page.get_by_label("and at").fill("33")
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_text("40 credits a week", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile("tells at 33.%, 50.%, 80.%, 100.%"))).to_be_visible()
    make_charge(alice, 12)
    make_charge(alice, 6, hold=True)
    make_limit(alice, 10, "month", by_admin=True)
    page.goto("/account/limits")
    expect(page.get_by_text(re.compile("12 spent .30.%. · 6 held"))).to_be_visible()
    expect(page.get_by_text("reached", exact=True)).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_role("link", name="Change the limit of 40 credits a week").click()
    axe(page)
    fits(page)
    page.get_by_label("Credits", exact=True).fill("50")
    page.get_by_text("Stop", exact=True).click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("50 credits a week", exact=True)).to_be_visible()
    assert Limit.objects.get(by_admin=False).hard
    page.get_by_role("link", name="Remove the limit of 50 credits a week").click()
    axe(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The limit is removed.")).to_be_visible()
    assert Limit.objects.get().by_admin


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_at_the_desk(window: Window, admin: User, alice: User, size: Size, scheme: Scheme) -> None:
    make_limit(alice, 10)
    make_charge(alice, 10)
    page = window(admin, size=size, scheme=scheme)
    page.goto("/admin/users")
    axe(page)
    page.get_by_role("link", name="limit reached").click()
    page.get_by_label("Credits", exact=True).fill("5")
    page.get_by_label("Reason").fill("Reported as stolen")
    axe(page)
    fits(page)
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_text("5 credits a month", exact=True)).to_be_visible()
    axe(page)
    page.get_by_role("link", name="Remove the limit of 5 credits a month").click()
    axe(page)
    fits(page)
    page.goto(f"/admin/users/{alice.pk}")
    axe(page)
    fits(page)


def test_the_button_is_off_and_says_why(window: Window, alice: User) -> None:
    make_limit(alice, 4)
    make_charge(alice, 4)
    page = window(alice, size="phone")
    page.goto("/ai-chat")
    button = page.get_by_role("button", name=re.compile("^Send"))
    expect(button).to_be_disabled()
    expect(page.get_by_role("link", name="Your limits")).to_be_visible()
    axe(page)
    fits(page)
