"""Prices, plans, imports and the record, in a real browser."""

import json
import re
import time

import pytest
from playwright.sync_api import Page, expect

from credits.catalogue.plans import create_plan, update_plan
from credits.catalogue.prices import set_feature_costs
from credits.clerk.webhooks import inbox
from credits.models import AIModel, Plan, SettingsChange, User
from credits.pricing import get_feature_costs
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits
from tests.factories import make_admin, make_charge, make_model, make_plan
from tests.fakes.clerk_events import DAY, event, item_json
from tests.fakes.provider import FakeProvider

TEXT, IMAGE = "ai_text_chat", "ai_image_generation"


def toast(page: Page, text: str) -> None:
    """The toast is there, in a region that a screen reader hears."""
    expect(page.get_by_role("status").filter(has_text=text).first).to_be_visible()


def test_a_price_is_typed_reviewed_confirmed_and_undone(
    window: Window, admin: User, alice: User
) -> None:
    make_charge(alice, 14)
    page = window(admin, size="phone")
    page.goto("/admin/settings")
    row = page.get_by_role("row").filter(has_text="ai_text_chat").first
    page.get_by_label("Text chat cost").press("End")
    page.keyboard.type("00")
    expect(page.get_by_role("button", name="Review 1 change")).to_be_visible()
    expect(row).to_contain_text("200")  # 14 uses a week at 100: 200 a day, where it was 2
    expect(row).to_contain_text("0 of 2")
    expect(page.get_by_label("Text chat cost")).to_be_focused()
    axe(page)
    fits(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Review 1 change")).to_be_visible()
    assert get_feature_costs()[TEXT] == 1
    axe(page)
    fits(page)
    page.get_by_role("button", name="Confirm and save").click()
    toast(page, "Saved: Text chat 1 → 100.")
    assert get_feature_costs()[TEXT] == 100
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("link", name="Undo: Text chat").click()
    expect(page.get_by_role("heading", name="Undo: Text chat")).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_role("button", name="Undo this change").click()
    toast(page, "Undone: Text chat")
    assert get_feature_costs()[TEXT] == 1
    expect(page.get_by_label("Text chat cost")).to_have_value("1")


def test_a_changed_price_is_on_the_chats_button_with_its_next_poll(
    window: Window, admin: User, alice: User
) -> None:
    chat = window(alice, size="phone")
    chat.clock.install()
    chat.goto("/ai-chat")
    chat.get_by_label("Message").fill("What is typed stays")
    expect(chat.get_by_role("button", name="Send 1 credit")).to_be_enabled()
    page = window(admin, size="phone")
    page.goto("/admin/settings")
    page.get_by_label("Text chat cost").fill("3")
    page.get_by_role("button", name="Review 1 change").click()
    page.get_by_role("button", name="Confirm and save").click()
    toast(page, "Saved: Text chat 1 → 3.")
    chat.clock.run_for(31_000)
    expect(chat.get_by_role("button", name="Send 3 credits")).to_be_enabled()
    expect(chat.get_by_label("Message")).to_have_value("What is typed stays")
    fits(chat)


def test_a_wrong_price_is_said_while_it_is_typed_and_after(window: Window, admin: User) -> None:
    window.allow("status of 422")
    page = window(admin)
    page.goto("/admin/settings")
    field = page.get_by_label("Image cost")
    field.fill("-8")
    expect(page.get_by_text("Must be a whole number from 0 to 1,000,000.")).to_be_visible()
    field.fill("8")
    expect(page.get_by_text("Must be a whole number from 0 to 1,000,000.")).not_to_be_visible()
    field.fill("1.5")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_label("Image cost")).to_have_value("1.5")
    expect(page.get_by_label("Image cost")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Image cost")).to_have_accessible_description(re.compile("Must be"))
    axe(page)


def test_the_second_of_two_admins_is_told(window: Window, admin: User) -> None:
    window.allow("status of 409")
    page = window(admin)
    page.goto("/admin/settings")
    page.get_by_label("Image cost").fill("8")
    set_feature_costs(actor=make_admin("dora@example.com"), costs={TEXT: 3})
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("alert")).to_contain_text("Text chat: 1 → 3, by dora@example.com")
    expect(page.get_by_label("Image cost")).to_have_value("8")
    expect(page.get_by_label("Text chat cost")).to_have_value("3")
    axe(page)
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Confirm and save").click()
    toast(page, "Saved: Image 5 → 8.")
    assert get_feature_costs() == {TEXT: 3, IMAGE: 8}


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_a_plan_is_added_changed_and_deleted(
    window: Window, admin: User, *, javascript: bool
) -> None:
    page = window(admin, javascript=javascript)
    page.goto("/admin/settings")
    page.get_by_role("link", name="New plan").first.click()
    page.get_by_label("Name").fill("Pro")
    page.get_by_label("Clerk's id").fill("cplan_pro")
    page.get_by_label("Credits a month").fill("500")
    page.get_by_role("button", name="Add plan").click()
    toast(page, "Pro is added.")
    page.get_by_role("link", name="Edit Pro").click()
    page.get_by_label("Credits a month").fill("600")
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save").click()
    toast(page, "Pro is changed.")
    expect(page.get_by_role("row").filter(has_text="cplan_pro").first).to_contain_text("inactive")
    page.get_by_role("link", name="Edit Pro").click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("Nobody subscribes to it.")).to_be_visible()
    page.get_by_role("button", name="Delete Pro").click()
    toast(page, "Pro is removed.")
    assert not Plan.objects.exists()
    assert SettingsChange.objects.count() == 3


def test_prices_are_changed_without_scripts(window: Window, admin: User) -> None:
    set_feature_costs(actor=admin, costs={IMAGE: 9})
    page = window(admin, javascript=False)
    page.goto("/admin/settings")
    page.get_by_label("Text chat cost").fill("4")
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("button", name="Confirm and save").click()
    toast(page, "Saved: Text chat 1 → 4.")
    page.get_by_role("button", name="Use the default for Image").click()
    expect(page.get_by_role("row").filter(has_text=IMAGE)).to_contain_text("9 → 5 (default)")
    page.get_by_role("button", name="Confirm and save").click()
    toast(page, "Saved: Image 9 → 5.")
    assert get_feature_costs() == {TEXT: 4, IMAGE: 5}


def test_plans_are_imported_from_json(window: Window, admin: User) -> None:
    window.allow("status of 422")
    make_plan("cplan_pro", credits=100)
    page = window(admin, size="phone")
    page.goto("/admin/settings/import")
    axe(page)
    fits(page)
    field = page.get_by_label("A list of plans")
    field.fill('[{"id": "cplan_team", "name": "Team"}, {"clerkId": "cplan_pro"}]')
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert")).to_contain_text("Row 2 (cplan_pro): credits: Must be")
    axe(page)
    plans = [
        {"id": "cplan_team", "name": "Team"},
        {"clerkId": "cplan_pro", "name": "Pro", "credits": 500},
        {"clerkId": "cplan_max", "name": "Max", "credits": 9000},
    ]
    field.fill(json.dumps(plans))
    page.get_by_role("button", name="Compare").click()
    axe(page)
    fits(page)
    page.get_by_label("Take Max").uncheck()
    page.get_by_role("button", name="Import what is ticked").click()
    expect(page.get_by_label("Monthly credits of Team")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Take Max")).not_to_be_checked()
    axe(page)
    page.get_by_label("Monthly credits of Team").fill("700")
    page.get_by_role("button", name="Import what is ticked").click()
    toast(page, "2 plans imported from pasted JSON.")
    stored = dict(Plan.objects.values_list("clerk_id", "credits"))
    assert stored == {"cplan_pro": 500, "cplan_team": 700}


def test_the_record_is_filtered_and_taken_away(window: Window, admin: User) -> None:
    set_feature_costs(actor=admin, costs={TEXT: 4})
    create_plan(actor=None, clerk_id="cplan_pro", name="Pro", credits=500)
    page = window(admin)
    page.goto("/admin/audit")
    expect(page.locator("main tbody tr")).to_have_count(2)
    page.get_by_label("Action").select_option("price.change")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody tr")).to_contain_text("1 → 4")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text()
    assert "price.change" in text
    assert "plan.add" not in text
    page.get_by_role("link", name="Link to this view").click()
    expect(page.locator("main tbody tr")).to_have_count(1)


def test_the_keyboard_reaches_every_row(window: Window, admin: User) -> None:
    make_plan("cplan_pro")
    set_feature_costs(actor=admin, costs={TEXT: 4})
    page = window(admin)
    page.goto("/admin")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile("/admin/settings$"))
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Pro", exact=True)).to_be_focused()
    for name in ("Local painter", "SmolLM2 135M", "default"):
        page.keyboard.press("j")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Undo: Text chat")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Undo: Text chat")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_pages_can_be_read_by_everybody(
    window: Window, admin: User, size: Size, scheme: Scheme
) -> None:
    page = window(admin, size=size, scheme=scheme)
    for url in ("/admin/settings", "/admin/audit"):
        page.goto(url)  # still empty
        axe(page)
        fits(page)
    create_plan(actor=admin, clerk_id="cplan_pro", name="Pro", credits=500)
    update_plan(actor=None, clerk_id="cplan_pro", changes={"credits": 600})
    model = make_model("large")
    now = int(time.time() * 1000)
    for plan in ("cplan_pro", "cplan_" + "x" * 58):
        item = item_json("user_1", plan, period_start=now - DAY)
        payload = event("subscriptionItem.active", item, at=now)
        inbox.receive(svix_id=f"msg_{plan}", payload=payload)
    for url in (
        "/admin/settings",
        f"/admin/settings/review?was.{TEXT}=1&{TEXT}=77",
        "/admin/settings/history",
        f"/admin/settings/history/{SettingsChange.objects.latest('pk').pk}/undo",
        "/admin/settings/plans/new?clerk_id=cplan_x&name=X",
        "/admin/settings/plans/cplan_pro",
        "/admin/settings/plans/cplan_pro/delete",
        "/admin/settings/models/new",
        f"/admin/settings/models/{model.pk}",
        "/admin/settings/providers/new",
        f"/admin/settings/providers/{model.provider.pk}",
        "/admin/audit",
    ):
        page.goto(url)
        axe(page)
        fits(page)


def add_model(page: Page) -> None:
    """Fills in the form of a new model and sends it."""
    page.get_by_role("link", name="New model").click()
    page.get_by_label("Id", exact=True).fill("vendor/large:8b")
    page.get_by_label("Label").fill("Large")
    page.get_by_label("Its id at the provider").fill("large:8b")
    page.get_by_label("Price factor").fill("3")
    page.get_by_label("From which plan on").select_option("cplan_pro")
    page.get_by_label("Images", exact=True).check()
    page.get_by_label("Sizes of images").fill("big")
    axe(page)
    fits(page)
    page.get_by_role("button", name="Add model").click()
    expect(page.get_by_text("at most 20 sizes as WIDTHxHEIGHT")).to_be_visible()
    axe(page)
    page.get_by_label("Sizes of images").fill("")
    page.get_by_role("button", name="Add model").click()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_model_is_added_changed_and_retired(
    window: Window, admin: User, alice: User, size: Size, scheme: Scheme
) -> None:
    make_plan("cplan_pro", credits=500)
    window.allow("422")
    page = window(admin, size=size, scheme=scheme)
    page.goto("/admin/settings")
    add_model(page)
    toast(page, "Large is added.")
    row = page.get_by_role("row").filter(has_text="vendor/large:8b").first
    expect(row).to_contain_text("3 a message")
    expect(row).to_contain_text("text, image")
    axe(page)
    fits(page)
    chat = window(alice, size=size, scheme=scheme)
    chat.goto("/ai-chat")
    option = chat.locator("#model option", has_text="Large · 3 credits · with Pro")
    expect(option).to_be_disabled()
    axe(chat)
    row.get_by_role("link", name="Edit Large").click()
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save").click()
    toast(page, "Large is changed.")
    expect(page.get_by_role("row").filter(has_text="vendor/large:8b").first).to_contain_text(
        "retired"
    )
    chat.reload()
    expect(option).to_have_count(0)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_models_are_picked_from_what_a_provider_offers(
    window: Window, admin: User, provider: FakeProvider, size: Size, scheme: Scheme
) -> None:
    window.allow("422")
    page = window(admin, size=size, scheme=scheme)
    page.goto("/admin/settings")
    page.get_by_role("link", name="New provider").click()
    page.get_by_label("Name").fill("Other")
    page.get_by_label("Address").fill(provider.base_url)
    page.get_by_label("Variable with its key").fill("SECRET_KEY")
    page.get_by_role("button", name="Add provider").click()
    expect(page.get_by_text("that end in _API_KEY").last).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_label("Variable with its key").fill("OTHER_API_KEY")
    page.get_by_role("button", name="Add provider").click()
    toast(page, "Other is added.")
    page.get_by_role("link", name="Refresh from Other").click()
    page.get_by_label("smollm2-135m", exact=True).check()
    axe(page)
    fits(page)
    page.get_by_role("button", name="Add those picked").click()
    toast(page, "1 model is added.")
    added = AIModel.objects.get(provider__name="Other")
    assert (added.name, added.active) == ("Other/smollm2-135m", True)
    page.goto(f"/admin/settings/providers/{added.provider.pk}")
    expect(page.get_by_text("not set")).to_be_visible()
    axe(page)
    fits(page)
    page.goto("/admin/settings")
    fits(page)


def test_a_model_is_managed_without_javascript(window: Window, admin: User) -> None:
    make_plan("cplan_pro", credits=500)
    page = window(admin, javascript=False)
    page.goto("/admin/settings")
    page.get_by_role("link", name="New model").click()
    page.get_by_label("Id", exact=True).fill("large")
    page.get_by_label("Label").fill("Large")
    page.get_by_label("Its id at the provider").fill("large")
    page.get_by_role("button", name="Add model").click()
    toast(page, "Large is added.")
