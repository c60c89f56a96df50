"""/admin/settings: plans."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from credits.catalogue.plans import create_plan, delete_plan, update_plan
from credits.clerk.webhooks import inbox
from credits.ledger import get_balance
from credits.models import CreditGrant, Identity, Plan, SettingsChange, SubscriptionItem, User
from tests.adminpanel.settings.words import value_of, words
from tests.factories import make_plan, make_user
from tests.fakes.clerk_events import DAY, event, item_json, payer_json

PAGE = "/admin/settings"
NEW = f"{PAGE}/plans/new"
PRO = f"{PAGE}/plans/cplan_pro"


@pytest.fixture(autouse=True)
def no_welcome_credits(settings: Any) -> None:
    settings.SIGNUP_CREDITS = 0


def typed(answer: Any, **changes: str) -> dict[str, str]:
    """The form of this page as a browser sends it, with some fields typed over."""
    fields = {key: value_of(answer, key) for key in ("name", "clerk_id", "credits", "was")}
    if re.search(r'name="active"[^>]* checked', answer.text):
        fields["active"] = "on"
    return {**fields, **changes}


def subscribe(user_id: str, plan_id: str, *, kind: str = "subscriptionItem.active") -> None:
    """Clerk tells of a month that was paid yesterday."""
    now = int(time.time() * 1000)
    status = "ended" if kind.endswith("ended") else "active"
    item = item_json(user_id, plan_id, period_start=now - DAY, status=status)
    data = item
    if kind.startswith("subscription."):
        data = {"id": f"csub_{user_id}", "payer": payer_json(user_id), "items": [item]}
    inbox.receive(svix_id=f"msg_{item['id']}", payload=event(kind, data, at=now))


def item_of(payer_id: str, status: str, *, name: str = "") -> None:
    """A subscription to Pro, as it is kept."""
    SubscriptionItem.objects.create(
        item_id=name or f"{payer_id} {status}",
        payer_kind="org" if payer_id.startswith("org_") else "user",
        payer_id=payer_id,
        status=status,
        plan_id="cplan_pro",
    )


def balance_of(clerk_id: str) -> int:
    user = Identity.objects.get(clerk_id=clerk_id).user
    assert user
    return get_balance(user_id=user.pk).remaining


class TestList:
    def test_a_plan_has_its_live_subscribers(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=1500)
        subscribe("user_1", "cplan_pro")
        subscribe("user_2", "cplan_pro")
        subscribe("user_3", "cplan_pro", kind="subscriptionItem.ended")
        assert "Pro cplan_pro 1,500 2 active Edit" in words(desk.get(PAGE))

    def test_the_subscribers_that_are_counted_are_the_people_who_are_listed(
        self, desk: Client
    ) -> None:
        """Whoever has the plan now, once, also while a payment is late; nobody without an account
        here, and no organisation."""
        make_plan("cplan_pro")
        states = ["active", "past_due", "canceled", "ended", "upcoming", "expired"]
        for n, status in enumerate(states):
            make_user(f"{status}@example.com", clerk_id=f"user_{n}")
            item_of(f"user_{n}", status)
        for n, payer in enumerate(["user_0", "user_gone", "org_1"]):
            item_of(payer, "active", name=f"more_{n}")
        page = desk.get(PAGE)
        [count] = re.findall(r'href="/admin/users\?plan=cplan_pro">(\d+)</a>', page.text)
        listed = desk.get("/admin/users?plan=cplan_pro").context["page"].rows
        assert {str(one) for one in listed} == {f"{status}@example.com" for status in states[:3]}
        assert int(count) == len(listed)
        assert "Subscribers 3" in words(desk.get(PRO))

    def test_without_plans_it_says_what_to_do(self, desk: Client) -> None:
        assert "No plans yet" in words(desk.get(PAGE))
        assert f'href="{NEW}"' in desk.get(PAGE).text


class TestAdding:
    def test_a_plan_is_added_and_kept(self, desk: Client, admin: User) -> None:
        data = typed(desk.get(NEW), name="Pro", clerk_id="cplan_pro", credits="500")
        answer = desk.post(NEW, data, follow=True)
        assert "Pro is added." in words(answer)
        plan = Plan.objects.get()
        assert (plan.clerk_id, plan.name, plan.credits, plan.active) == (
            "cplan_pro", "Pro", 500, True,
        )  # fmt: skip
        assert SettingsChange.objects.get().actor == admin

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("name", "", "Must be 1 to 150 characters"),
            ("name", "  ", "Must be 1 to 150 characters"),
            ("name", "x" * 151, "Must be 1 to 150 characters"),
            ("name", "a\nb", "Must be 1 to 150 characters"),
            ("clerk_id", "", "Must be cplan_ and"),
            ("clerk_id", "plan_pro", "Must be cplan_ and"),
            ("clerk_id", "cplan_a b", "Must be cplan_ and"),
            ("clerk_id", "cplan_" + "x" * 59, "Must be cplan_ and"),
            ("credits", "", "Write a whole number from 0 to 1,000,000,000."),
            ("credits", "-1", "Must be a whole number from 0 to 1,000,000,000."),
            ("credits", "1.5", "Must be a whole number from 0 to 1,000,000,000."),
            ("credits", "NaN", "Must be a whole number from 0 to 1,000,000,000."),
            ("credits", "1000000001", "Must be a whole number from 0 to 1,000,000,000."),
            ("credits", "9" * 5000, "Must be a whole number from 0 to 1,000,000,000."),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
        self, field: str, value: str, said: str, desk: Client
    ) -> None:
        right = {"name": "Prolific", "clerk_id": "cplan_pro", "credits": "512", "active": "on"}
        answer = desk.post(NEW, {**right, field: value})
        assert answer.status_code == 422
        assert re.search(rf'id="id_{field}_error"><li>{re.escape(said)}', answer.text)
        for other in right.keys() - {field, "active"}:
            assert value_of(answer, other) == right[other]
        assert value_of(answer, field) == value.replace("\n", "\n")
        assert not Plan.objects.exists()

    def test_an_id_that_is_taken_is_said_beside_its_field(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=1)
        data = {"name": "Two", "clerk_id": "cplan_pro", "credits": "5"}
        answer = desk.post(NEW, data)
        assert answer.status_code == 409
        assert "There is a plan cplan_pro already." in words(answer)
        assert value_of(answer, "name") == "Two"
        assert Plan.objects.get().credits == 1


class TestChanging:
    def test_what_was_typed_is_changed_and_the_rest_stays(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        data = typed(desk.get(PRO), credits="250")
        assert "Pro is changed." in words(desk.post(PRO, data, follow=True))
        assert SettingsChange.objects.get().after["credits"] == 250

    def test_nothing_typed_changes_nothing(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        answer = desk.post(PRO, typed(desk.get(PRO)), follow=True)
        assert "Nothing was changed." in words(answer)
        assert not SettingsChange.objects.exists()

    def test_a_plan_is_switched_off_and_on(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        off = typed(desk.get(PRO))
        del off["active"]
        desk.post(PRO, off)
        assert not Plan.objects.get().active
        assert "inactive" in words(desk.get(PAGE))
        desk.post(PRO, typed(desk.get(PRO), active="on"))
        assert Plan.objects.get().active

    def test_a_plan_is_renamed_and_the_page_says_who_names_the_old_id(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        subscribe("user_1", "cplan_pro")
        assert "1 subscriber has it under this id" in words(desk.get(PRO))
        desk.post(PRO, typed(desk.get(PRO), clerk_id="cplan_max"))
        assert Plan.objects.get().clerk_id == "cplan_max"
        assert desk.get(PRO).status_code == 404

    def test_a_rename_onto_another_plan_is_refused(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        make_plan("cplan_max", credits=500)
        answer = desk.post(PRO, typed(desk.get(PRO), clerk_id="cplan_max", credits="7"))
        assert answer.status_code == 409
        assert "There is a plan cplan_max already." in words(answer)
        assert value_of(answer, "credits") == "7"
        assert Plan.objects.get(clerk_id="cplan_pro").credits == 100

    @pytest.mark.parametrize("clerk_id", ["cplan_none", "x", "%00", "cplan_%0a", "..%2f"])
    def test_a_plan_that_is_none_is_404(self, clerk_id: str, desk: Client) -> None:
        assert desk.get(f"{PAGE}/plans/{clerk_id}").status_code == 404
        assert desk.get(f"{PAGE}/plans/{clerk_id}/delete").status_code == 404


class TestTwoAdmins:
    def test_the_second_is_told_and_keeps_what_was_typed(
        self, desk: Client, other_desk: Client
    ) -> None:
        make_plan("cplan_pro", credits=100)
        mine = typed(desk.get(PRO), credits="300")
        other_desk.post(PRO, typed(other_desk.get(PRO), credits="200", name="Professional"))
        answer = desk.post(PRO, mine)
        assert answer.status_code == 409
        assert "dora@example.com changed this plan while this page was open" in words(answer)
        assert "credits a month 100 → 200" in words(answer)
        assert value_of(answer, "credits") == "300"
        assert value_of(answer, "name") == "Professional", "What nobody typed shows what holds."
        assert Plan.objects.get().credits == 200
        desk.post(PRO, typed(answer))
        assert (Plan.objects.get().credits, Plan.objects.get().name) == (300, "Professional")

    def test_a_switch_that_nobody_touched_follows_too(
        self, desk: Client, other_desk: Client
    ) -> None:
        make_plan("cplan_pro", credits=100)
        mine = typed(desk.get(PRO), credits="300")
        off = typed(other_desk.get(PRO))
        del off["active"]
        other_desk.post(PRO, off)
        desk.post(PRO, typed(desk.post(PRO, mine)))
        assert (Plan.objects.get().credits, Plan.objects.get().active) == (300, False)

    def test_a_switch_that_was_touched_stays_as_it_was_put(
        self, desk: Client, other_desk: Client
    ) -> None:
        make_plan("cplan_pro", credits=100)
        off = typed(desk.get(PRO))
        del off["active"]
        other_desk.post(PRO, typed(other_desk.get(PRO), credits="200"))
        answer = desk.post(PRO, off)
        assert answer.status_code == 409
        desk.post(PRO, typed(answer))
        assert (Plan.objects.get().credits, Plan.objects.get().active) == (200, False)

    @pytest.mark.parametrize("renamed", [False, True])
    def test_a_plan_that_is_gone_is_told_and_the_values_wait(
        self, desk: Client, dora: User, *, renamed: bool
    ) -> None:
        make_plan("cplan_pro", credits=100)
        mine = typed(desk.get(PRO), credits="300")
        if renamed:
            update_plan(actor=dora, clerk_id="cplan_pro", changes={"clerk_id": "cplan_max"})
        else:
            delete_plan(actor=dora, clerk_id="cplan_pro")
        answer = desk.post(PRO, mine)
        assert answer.status_code == 409
        did = "renamed this plan to cplan_max" if renamed else "removed this plan"
        assert f"dora@example.com {did}" in words(answer)
        assert value_of(answer, "credits") == "300"
        assert f'action="{NEW}"' in answer.text

    def test_a_page_that_says_nonsense_of_what_it_showed_changes_nothing(
        self, desk: Client
    ) -> None:
        make_plan("cplan_pro", credits=100)
        for was in ("", "x", "[]", "{}", "[" * 9000, '{"credits": 5}'):
            answer = desk.post(PRO, typed(desk.get(PRO), credits="300", was=was))
            assert answer.status_code == 409
        assert Plan.objects.get().credits == 100

    def test_a_changed_plan_is_not_deleted(self, desk: Client, other_desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        version = value_of(desk.get(f"{PRO}/delete"), "version")
        other_desk.post(PRO, typed(other_desk.get(PRO), credits="200"))
        answer = desk.post(f"{PRO}/delete", {"version": version})
        assert answer.status_code == 409
        assert "dora@example.com changed this plan" in words(answer)
        assert Plan.objects.exists()
        assert desk.post(f"{PRO}/delete").status_code == 409
        desk.post(f"{PRO}/delete", {"version": value_of(answer, "version")})
        assert not Plan.objects.exists()


class TestDeleting:
    def test_it_says_what_it_touches_and_takes_nothing_that_was_granted(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        make_plan("cplan_max", credits=900)
        subscribe("user_1", "cplan_pro")
        subscribe("user_2", "cplan_max")
        page = desk.get(f"{PRO}/delete")
        assert "Subscribers 1" in words(page)
        assert "Grants given under it 1 Credits granted 100 Of them left 100" in words(page)
        assert "1 subscriber stays subscribed at Clerk" in words(page)
        desk.post(f"{PRO}/delete", {"version": value_of(page, "version")})
        assert not Plan.objects.filter(clerk_id="cplan_pro").exists()
        assert balance_of("user_1") == 100

    def test_the_free_plans_grants_count_too(self, desk: Client) -> None:
        make_plan("cplan_free", credits=50)
        start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        at = int(start.timestamp() * 1000)
        item = item_json("user_1", "cplan_free", period_start=at, period_end=None)
        data = event("subscriptionItem.active", item, at=int(time.time() * 1000))
        inbox.receive(svix_id="free", payload=data)
        assert balance_of("user_1") == 50
        answer = desk.get(f"{PAGE}/plans/cplan_free/delete")
        assert "Grants given under it 1 Credits granted 50" in words(answer)

    def test_deleted_twice_is_said_calmly(self, desk: Client, admin: User) -> None:
        make_plan("cplan_pro")
        page = desk.get(f"{PRO}/delete")
        data = {"version": value_of(page, "version")}
        assert desk.post(f"{PRO}/delete", data).status_code == 302
        assert desk.post(f"{PRO}/delete", data).status_code == 404


@pytest.mark.django_db(transaction=True)
class TestUnmapped:
    @pytest.mark.parametrize("kind", ["subscriptionItem.active", "subscription.active"])
    def test_an_unmapped_plan_is_named_and_mapping_it_pays_what_waited(
        self, desk: Client, kind: str
    ) -> None:
        subscribe("user_1", "cplan_team", kind=kind)
        subscribe("user_2", "cplan_team", kind=kind)
        page = desk.get(PAGE)
        assert "2 webhook deliveries name a plan that is not mapped: cplan_team" in words(page)
        assert "2 subscriptions have paid and wait" in words(page)
        link = re.search(rf'href="({NEW}\?[^"]+)"', page.text)
        assert link
        form = desk.get(link[1].replace("&amp;", "&"))
        assert value_of(form, "clerk_id") == "cplan_team"
        assert value_of(form, "name") == "cplan_team", "As Clerk calls it."
        assert "2 subscriptions have paid for this plan and wait" in words(form)
        answer = desk.post(NEW, typed(form, credits="700"), follow=True)
        assert "2 subscriptions that waited have their credits." in words(answer)
        assert (balance_of("user_1"), balance_of("user_2")) == (700, 700)
        assert "not mapped" not in words(answer)

    def test_an_inactive_plan_pays_when_it_is_switched_on(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100, active=False)
        subscribe("user_1", "cplan_pro")
        assert "1 webhook delivery names a plan that is not active: cplan_pro" in words(
            desk.get(PAGE)
        )
        desk.post(PRO, typed(desk.get(PRO), active="on"))
        assert balance_of("user_1") == 100
        assert "not active" not in words(desk.get(PAGE))

    def test_a_rename_to_the_unmapped_id_pays_too(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        subscribe("user_1", "cplan_team")
        desk.post(PRO, typed(desk.get(PRO), clerk_id="cplan_team"))
        assert balance_of("user_1") == 100

    def test_it_is_paid_once(self, desk: Client, admin: User) -> None:
        subscribe("user_1", "cplan_team")
        create_plan(actor=admin, clerk_id="cplan_team", name="Team", credits=700)
        delete_plan(actor=admin, clerk_id="cplan_team")
        desk.post(NEW, {"name": "Team", "clerk_id": "cplan_team", "credits": "9", "active": "on"})
        assert balance_of("user_1") == 700
        assert CreditGrant.objects.count() == 1
