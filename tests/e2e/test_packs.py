"""Packs and redeem codes in a real browser: given, made, exported, redeemed, and what there is for
who has too few credits."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from credits.ledger import get_balance
from credits.models import CodeBatch, User
from credits.packs.giving import give_pack
from tests.credits.packs.making import day, make_codes, make_pack, take
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_admin, make_model, make_user, set_price

SIZES: list[Size] = ["desktop", "phone"]


def looks_right(page: Page) -> None:
    axe(page)
    fits(page)


def export(page: Page, button: str) -> list[str]:
    """The codes of the file that a button brings."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    with Path(download.value.path()).open(newline="") as file:
        return [row["Code"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("size", "javascript"), [("desktop", True), ("phone", True), ("phone", False)]
)
def test_a_pack_is_added_and_given(
    window: Window, admin: User, alice: User, size: Size, javascript: bool
) -> None:
    page = window(admin, size=size, javascript=javascript)
    page.goto("/admin/settings")
    page.get_by_role("link", name="New pack").click()
    page.get_by_label("Name").fill("Small")
    page.get_by_label("Credits").fill("500")
    page.get_by_label("Price").fill("€5")
    page.get_by_role("button", name="Add pack").click()
    expect(page.get_by_role("row").filter(has_text="Small").first).to_contain_text("on sale")
    page.goto(f"/admin/users/{alice.pk}")
    page.get_by_role("link", name="Give a pack").click()
    page.get_by_label("How many").fill("2")
    page.get_by_label("Payment").fill("INV-17")
    page.get_by_label("Reason").fill("Paid by transfer")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("2 × Small of 500 credits at €5")).to_be_visible()
    if javascript:
        looks_right(page)
    page.get_by_role("button", name="Give 1,000 credits").click()
    expect(page.get_by_role("row").filter(has_text="Credit pack: Small").first).to_be_visible()
    assert get_balance(user_id=alice.pk).remaining == 1100
    if javascript:
        looks_right(page)


@pytest.mark.parametrize("size", SIZES)
def test_codes_are_made_exported_and_redeemed(
    window: Window, admin: User, alice: User, size: Size
) -> None:
    window.allow("status of (404|409)")
    page = window(admin, size=size)
    page.goto("/admin/codes")
    looks_right(page)
    page.get_by_role("link", name="New batch").first.click()
    page.get_by_label("Credits of each code").fill("20")
    page.get_by_label("How many codes").fill("3")
    page.get_by_label("Last day").fill(day(30))
    page.get_by_label("What they are for").fill("The fair")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("3 × 20")).to_be_visible()
    looks_right(page)
    page.get_by_role("button", name="Make 3 codes").click()
    expect(page.get_by_role("heading", name="3 codes of 20 credits")).to_be_visible()
    looks_right(page)
    codes = export(page, "Export 3 codes as CSV")
    assert len(codes) == 3
    page.get_by_role("button", name="Export 3 codes as CSV").click()
    expect(page.get_by_role("alert")).to_contain_text("exported these codes already")
    looks_right(page)

    own = window(alice, size=size)
    own.goto("/account")
    looks_right(own)
    own.get_by_label("Code", exact=True).fill(codes[0].lower().replace("-", " "))
    own.get_by_role("button", name="Redeem").click()
    expect(own.get_by_role("status").first).to_contain_text("20 credits came: you have 120 now.")
    expect(own.get_by_role("row").filter(has_text="Code redeemed")).to_be_visible()
    own.goto("/account/redeem")
    own.get_by_label("Code").fill("0" * 20)
    own.get_by_role("button", name="Redeem").click()
    expect(own.get_by_text("This code brings nothing")).to_be_visible()
    expect(own.get_by_label("Code")).to_have_value("0" * 20)
    looks_right(own)

    page.reload()
    expect(page.get_by_text("1 of 3")).to_be_visible()
    page.get_by_text("Export anew, because the file is lost").click()
    assert len(export(page, "End them, and export 2 anew")) == 2
    page.reload()
    page.get_by_text("Make it void").first.click()
    looks_right(page)
    page.get_by_role("button", name="Make it void").click()
    expect(page.get_by_text("Void since")).to_be_visible()
    assert CodeBatch.objects.get().voided_by == admin


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_what_there_is_for_who_has_too_few(
    window: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    make_pack("Small", credits=50)
    make_pack("Large", credits=500, price="€20")
    make_pack("A pack with a long name, for those who need very much of it", price="20 USD")
    make_model()
    make_model("painter", feature="ai_image_generation")
    set_price("ai_text_chat", 101)
    set_price("ai_image_generation", 101)
    page = window(alice, size=size, scheme=scheme)
    for path in ("/ai-chat", "/images"):
        page.goto(path)
        note = page.locator(".note:visible").filter(has_text="Packs:")
        expect(note).to_contain_text("Small, 50 credits for €5")
        looks_right(page)
        note.get_by_role("link", name="redeem a code").click()
        expect(page.get_by_role("heading", name="Redeem a code")).to_be_visible()
        looks_right(page)
    page.goto("/pricing")
    expect(page.get_by_role("heading", name="Packs")).to_be_visible()
    expect(page.get_by_text("Ask your administrator for one.")).to_be_visible()
    looks_right(page)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_pages_look_right(window: Window, size: Size, scheme: Scheme) -> None:
    window.allow("status of (404|422)")
    desk, person = make_admin(), make_user("with.a.long.address.of.many.letters@example.com")
    pack = make_pack("A pack with a long name, for those who need very much of it")
    give_pack(
        actor=make_admin(), user_id=person.pk, pack_id=pack.pk, reference="x" * 100, key="k",
        reason="A reason with awordthatislongerthananyphoneiswideandhasnoplacetobreakinit",
    )  # fmt: skip
    batch, codes = make_codes(make_admin(), 3, pack_id=pack.pk, worth=None, reason="y" * 500)
    take(person, codes[0])
    page = window(desk, size=size, scheme=scheme)
    for path in (
        "/admin/settings", f"/admin/settings/packs/{pack.pk}", "/admin/settings/packs/new",
        "/admin/codes", f"/admin/codes/{batch.pk}", "/admin/codes/new",
        f"/admin/users/{person.pk}", f"/admin/users/{person.pk}/give", "/admin/audit",
    ):  # fmt: skip
        page.goto(path)
        looks_right(page)
    page.goto("/admin/codes/new")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Choose a pack, or write the credits of each code.")).to_be_visible()
    looks_right(page)
    own = window(person, size=size, scheme=scheme)
    own.goto("/usage")
    expect(own.get_by_text(re.compile("^Credit pack: A pack"))).to_be_visible()
    looks_right(own)


def test_long_names_of_packs_and_huge_worths_fit_a_phone(window: Window, alice: User) -> None:
    make_pack("W" * 60, credits=999_999_999, price="€" + "9" * 30)
    page = window(alice, size="phone")
    page.goto("/pricing")
    expect(page.get_by_text("W" * 60)).to_be_visible()
    fits(page)
