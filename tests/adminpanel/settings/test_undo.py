"""/admin/settings/history: changes, and taking them back."""

from typing import Any

import pytest
from django.test import Client

from credits.catalogue.exceptions import CannotUndo
from credits.catalogue.plans import create_plan, delete_plan, update_plan
from credits.catalogue.prices import set_feature_costs
from credits.catalogue.undo import undo_change
from credits.features import FEATURE_CREDIT_COSTS
from credits.models import AdminSettings, AuditEntry, Plan, SettingsChange, User
from credits.pricing import get_feature_costs
from tests.adminpanel.settings.words import words
from tests.parallel import count_of, in_parallel

TEXT = "ai_text_chat"
PRO: dict[str, Any] = {"clerk_id": "cplan_pro", "name": "Pro", "credits": 500}


def latest() -> SettingsChange:
    return SettingsChange.objects.latest("pk")


def undo_address(change: SettingsChange) -> str:
    return f"/admin/settings/history/{change.pk}/undo"


class TestPrices:
    def test_it_asks_first_with_what_undoing_does(self, desk: Client, admin: User) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        answer = desk.get(undo_address(latest()))
        assert "Cost 4 → 1" in words(answer)
        assert "Who could still pay" in words(answer)
        assert get_feature_costs()[TEXT] == 4

    def test_it_puts_the_price_back_as_a_change_of_its_own(
        self, desk: Client, admin: User, dora: User
    ) -> None:
        set_feature_costs(actor=dora, costs={TEXT: 4})
        change = latest()
        answer = desk.post(undo_address(change), follow=True)
        assert "Undone: Text chat is as it was before." in words(answer)
        assert get_feature_costs()[TEXT] == 1
        assert (latest().actor, latest().before, latest().after) == (admin, 4, 1)
        assert AuditEntry.objects.latest("pk").reason == f"Undoes change {change.pk}"
        assert AdminSettings.objects.get().feature_costs == {}, "The default is no override."

    def test_an_undo_can_be_undone(self, desk: Client, admin: User) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        desk.post(undo_address(latest()))
        desk.post(undo_address(latest()))
        assert get_feature_costs()[TEXT] == 4

    def test_a_price_that_changed_since_is_not_touched_and_it_says_by_whom(
        self, desk: Client, admin: User, dora: User
    ) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        change = latest()
        set_feature_costs(actor=dora, costs={TEXT: 6})
        for answer in (desk.get(undo_address(change)), desk.post(undo_address(change))):
            assert "This cannot be undone. It has been changed since. It is 6 now." in words(answer)
            assert "dora@example.com did that" in words(answer)
        assert answer.status_code == 409
        assert get_feature_costs()[TEXT] == 6

    def test_other_prices_may_have_changed(self, desk: Client, admin: User) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        change = latest()
        set_feature_costs(actor=admin, costs={"ai_image_generation": 6})
        desk.post(undo_address(change))
        assert get_feature_costs() == {**FEATURE_CREDIT_COSTS, "ai_image_generation": 6}

    def test_twice_is_once(self, desk: Client, admin: User) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        change = latest()
        assert desk.post(undo_address(change)).status_code == 302
        assert desk.post(undo_address(change)).status_code == 409
        assert SettingsChange.objects.count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_one_undoes(self, admin: User) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        pk = latest().pk
        answers = in_parallel(6, lambda _: undo_change(actor=admin, change_id=pk), catch=CannotUndo)
        assert count_of(answers, CannotUndo) == 5
        assert SettingsChange.objects.count() == 2


class TestPlans:
    def test_an_added_plan_is_removed(self, desk: Client, admin: User) -> None:
        create_plan(actor=admin, **PRO)
        assert 'href="/admin/users?plan=cplan_pro">0</a>' in desk.get(undo_address(latest())).text
        desk.post(undo_address(latest()))
        assert not Plan.objects.exists()

    def test_a_removed_plan_comes_back_as_it_was(self, desk: Client, admin: User) -> None:
        create_plan(actor=admin, **PRO, active=False)
        delete_plan(actor=admin, clerk_id="cplan_pro")
        desk.post(undo_address(latest()))
        plan = Plan.objects.get()
        assert (plan.clerk_id, plan.name, plan.credits, plan.active) == (*PRO.values(), False)

    def test_a_renamed_plan_gets_its_id_back(self, desk: Client, admin: User) -> None:
        create_plan(actor=admin, **PRO)
        changes = {"clerk_id": "cplan_max", "credits": 9}
        update_plan(actor=admin, clerk_id="cplan_pro", changes=changes)
        desk.post(undo_address(latest()))
        assert Plan.objects.get().clerk_id == "cplan_pro"
        assert Plan.objects.get().credits == 500

    def test_a_plan_that_changed_since_is_not_touched(
        self, desk: Client, admin: User, dora: User
    ) -> None:
        create_plan(actor=admin, **PRO)
        change = latest()
        update_plan(actor=dora, clerk_id="cplan_pro", changes={"credits": 7})
        answer = desk.post(undo_address(change))
        assert answer.status_code == 409
        assert "dora@example.com did that" in words(answer)
        assert Plan.objects.get().credits == 7

    def test_an_id_that_another_plan_has_by_now_is_not_taken(
        self, desk: Client, admin: User
    ) -> None:
        create_plan(actor=admin, **PRO)
        update_plan(actor=admin, clerk_id="cplan_pro", changes={"clerk_id": "cplan_max"})
        change = latest()
        create_plan(actor=admin, **PRO)
        answer = desk.post(undo_address(change))
        assert answer.status_code == 409
        assert "has the id it had" in words(answer)
        assert Plan.objects.count() == 2

    def test_a_removed_plan_that_is_there_again_stays(self, desk: Client, admin: User) -> None:
        create_plan(actor=admin, **PRO)
        delete_plan(actor=admin, clerk_id="cplan_pro")
        change = latest()
        create_plan(actor=admin, clerk_id="cplan_pro", name="Other", credits=1)
        assert desk.post(undo_address(change)).status_code == 409
        assert Plan.objects.get().name == "Other"


class TestHistory:
    def test_it_comes_in_pages_newest_first(
        self, desk: Client, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(
            __import__("adminpanel.settings.views", fromlist=["x"]).get_changes.__kwdefaults__,
            "size", 2,
        )  # fmt: skip
        for cost in (11, 12, 13):
            set_feature_costs(actor=admin, costs={TEXT: cost})
        first = desk.get("/admin/settings/history")
        assert "12 → 13" in words(first)
        assert "1 → 11" not in words(first)
        rest = desk.get(f"/admin/settings/history?before={first.context['page'].older}")
        assert "1 → 11" in words(rest)
        assert "Older" not in words(rest)

    def test_only_what_stands_offers_an_undo(self, desk: Client, admin: User) -> None:
        set_feature_costs(actor=admin, costs={TEXT: 4})
        set_feature_costs(actor=admin, costs={TEXT: 5})
        answer = desk.get("/admin/settings")
        assert answer.text.count(">Undo</a>") == 1
        assert "changed since" in words(answer)

    @pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30, "\x00", "1.5"])
    def test_a_place_that_is_none_is_400(self, before: str, desk: Client) -> None:
        assert desk.get("/admin/settings/history", {"before": before}).status_code == 400

    def test_a_change_that_is_none_is_404(self, desk: Client, db: None) -> None:
        assert desk.get("/admin/settings/history/99/undo").status_code == 404
        assert desk.post("/admin/settings/history/99/undo").status_code == 404

    def test_a_name_that_is_markup_is_shown_as_text(self, desk: Client, admin: User) -> None:
        create_plan(actor=admin, clerk_id="cplan_x", name="<script>x</script>", credits=1)
        for page in ("/admin/settings", "/admin/settings/history", "/admin/audit"):
            assert "<script>x" not in desk.get(page).text
