"""/admin/settings/import."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from adminpanel.settings import import_views, imports
from credits.catalogue.plans import delete_plan, update_plan
from credits.models import AuditEntry, Plan, SettingsChange, User
from tests.adminpanel.settings.words import value_of, words
from tests.factories import make_plan
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import FakeClerk, running_clerk

PAGE = "/admin/settings/import"
PRO = {"clerkId": "cplan_pro", "name": "Pro", "credits": 500, "active": True}
MAX = {"clerkId": "cplan_max", "name": "Max", "credits": 9000}


def compare(desk: Client, plans: Any) -> Any:
    text = plans if isinstance(plans, str) else json.dumps(plans)
    return desk.post(f"{PAGE}/preview", {"json": text})


def ticked(answer: Any, **changes: Any) -> dict[str, Any]:
    """The preview's form as a browser sends it."""
    data: dict[str, Any] = {"take": []}
    for tag in re.findall(r"<input[^>]*>", answer.text):
        name = re.search(r' name="([^"]+)"', tag)
        if not name or name[1] == "csrfmiddlewaretoken":
            continue
        if "checkbox" not in tag:
            data[name[1]] = value_of(answer, name[1])
        elif " checked" in tag:
            data["take"].append(re.search(r' value="([^"]+)"', tag)[1])
    return {**data, **changes}


def take(desk: Client, data: dict[str, Any]) -> Any:
    return desk.post(f"{PAGE}/take", data, follow=True)


def credits() -> dict[str, int]:
    return dict(Plan.objects.values_list("clerk_id", "credits"))


class TestPasted:
    def test_the_differences_are_shown_and_nothing_is_taken(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        make_plan("cplan_old", credits=7)
        same = Plan.objects.create(clerk_id="cplan_same", name="Same", credits=1)
        found = [PRO, MAX, {"clerkId": "cplan_same", "name": "Same", "credits": 1}]
        text = words(compare(desk, found))
        assert "Max cplan_max new Not here yet." in text
        assert "Pro cplan_pro changed credits a month 100 → 500 500" in text
        assert "Same cplan_same same 1" in text
        assert "Pro cplan_old only here Not in the list; stays as it is" in text
        assert credits() == {"cplan_pro": 100, "cplan_old": 7, same.clerk_id: 1}

    def test_what_is_ticked_is_taken_and_kept(self, desk: Client, admin: User) -> None:
        make_plan("cplan_pro", credits=100)
        answer = take(desk, ticked(compare(desk, [PRO, MAX])))
        assert "2 plans imported from pasted JSON." in words(answer)
        assert credits() == {"cplan_pro": 500, "cplan_max": 9000}
        assert {change.actor for change in SettingsChange.objects.all()} == {admin}
        reasons = AuditEntry.objects.values_list("reason", flat=True).distinct()
        assert list(reasons) == ["Imported from pasted JSON"]

    def test_what_is_not_ticked_stays(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        take(desk, ticked(compare(desk, [PRO, MAX]), take=["cplan_max"]))
        assert credits() == {"cplan_pro": 100, "cplan_max": 9000}

    def test_nothing_ticked_is_said(self, desk: Client) -> None:
        answer = take(desk, ticked(compare(desk, [MAX]), take=[]))
        assert answer.status_code == 422
        assert "Nothing was ticked." in words(answer)

    @pytest.mark.parametrize("key", ["data", "plans", "billingPlans"])
    def test_a_list_may_be_within_an_object(self, key: str, desk: Client) -> None:
        assert "Max cplan_max new" in words(compare(desk, {key: [MAX], "total_count": 1}))

    def test_what_our_api_gives_can_be_pasted(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100)
        text = desk.get("/api/admin/plans").text
        Plan.objects.all().delete()
        take(desk, ticked(compare(desk, text)))
        assert credits() == {"cplan_pro": 100}

    def test_clerks_shape_asks_for_the_credits(self, desk: Client) -> None:
        page = compare(desk, {"data": [{"id": "cplan_max", "name": "Max", "fee": None}]})
        answer = take(desk, ticked(page))
        assert answer.status_code == 422
        assert "Write a whole number from 0 to 1,000,000,000." in words(answer)
        wrong = take(desk, ticked(page, **{"credits.cplan_max": "-5"}))
        assert value_of(wrong, "credits.cplan_max") == "-5"
        assert not Plan.objects.exists()
        take(desk, ticked(wrong, **{"credits.cplan_max": "250"}))
        assert credits() == {"cplan_max": 250}

    def test_clerks_shape_changes_no_credits_of_a_plan_that_is_here(self, desk: Client) -> None:
        make_plan("cplan_pro", credits=100, active=False)
        page = compare(desk, [{"id": "cplan_pro", "name": "Professional"}])
        assert "name Pro → Professional 100" in words(page)
        take(desk, ticked(page))
        plan = Plan.objects.get()
        assert (plan.name, plan.credits, plan.active) == ("Professional", 100, False)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "not valid JSON"),
            ("[", "not valid JSON"),
            ("[" * 100_000, "nested too deeply"),
            ("5", "Must be a list of plans"),
            ("{}", "Must be a list of plans"),
            ('{"plans": {}}', "Must be a list of plans"),
            ("[]", "There is no plan in it."),
            ("[5]", "Row 1: must be an object."),
            ('[{"name": "x"}]', "Row 1: clerkId: Must be cplan_"),
            ('[{"id": "x", "name": "x"}]', "Row 1 (x): id: Must be cplan_"),
            ('[{"id": "cplan_x"}]', "Row 1 (cplan_x): name: Must be 1 to 150"),
            (json.dumps([{**PRO, "credits": -1}]), "credits: Must be a whole number"),
            (json.dumps([{**PRO, "credits": 1.5}]), "credits: Must be a whole number"),
            (json.dumps([{**PRO, "credits": True}]), "credits: Must be a whole number"),
            (json.dumps([{**PRO, "credits": "5"}]), "credits: Must be a whole number"),
            (json.dumps([PRO, {**PRO, "credits": 10**12}]), "Row 2 (cplan_pro): credits: Must be"),
            (json.dumps([{**PRO, "active": 1}]), "active: Must be true or false."),
            (json.dumps([{**PRO, "credit": 1}]), "'credit': there is no such field."),
            (json.dumps([{**PRO, "name": "a\nb"}]), "name: Must be 1 to 150"),
            (json.dumps([PRO, MAX, PRO]), "Rows 1 and 3: cplan_pro is given twice."),
            (
                '[{"clerkId": "cplan_a", "name": "A", "credits": NaN}]',
                "Row 1: credits: Must be a finite number.",
            ),
            ('[{"clerkId": "cplan_a", "clerkId": "cplan_b"}]', "a key appears twice"),
            ('[{"id": "cplan_a", "name": "\\ud800"}]', "half of a surrogate pair"),
            (json.dumps([MAX] * 501), "More than 500 plans"),
            (" " * 200_001, "More than 200,000 characters"),
        ],
        ids=range(25),
    )
    def test_what_cannot_be_read_is_named_and_stays_in_the_field(
        self, text: str, said: str, desk: Client
    ) -> None:
        answer = compare(desk, text)
        assert answer.status_code == 422
        assert said in words(answer)
        assert answer.context["pasted"] == text
        assert 'aria-invalid="true"' in answer.text

    def test_every_wrong_row_is_named(self, desk: Client) -> None:
        text = words(compare(desk, [{**PRO, "credits": -1, "name": ""}, 7, {**MAX, "active": 0}]))
        for said in ("Row 1 (cplan_pro): credits", "Row 1 (cplan_pro): name", "Row 2: must",
                     "Row 3 (cplan_max): active"):  # fmt: skip
            assert said in text

    def test_markup_is_shown_as_text(self, desk: Client) -> None:
        page = compare(desk, [{**MAX, "name": "<script>x</script>"}])
        assert "<script>x" not in page.text
        take(desk, ticked(page))
        assert Plan.objects.get().name == "<script>x</script>"

    @pytest.mark.parametrize(
        "offers",
        ["", "[]", "{}", "5", "[5]", '[{"x": 1}]', '[{"clerk_id": [], "name": "x"}]',
         '[{"clerk_id": "cplan_a", "name": 5}]', '[{"clerk_id": "x", "name": "x"}]',
         '[{"clerk_id": "cplan_a", "name": "A", "credits": "5"}]'],
    )  # fmt: skip
    def test_a_confirmation_that_is_no_preview_is_refused(self, offers: str, desk: Client) -> None:
        answer = take(desk, {"offers": offers, "take": ["cplan_a"]})
        assert answer.status_code == 422
        assert "did not come back whole" in words(answer)

    def test_a_forged_offer_is_checked_again(self, desk: Client) -> None:
        offers = json.dumps([{"clerk_id": "cplan_a", "name": "", "credits": -5}])
        answer = take(desk, {"offers": offers, "take": ["cplan_a"]})
        assert answer.status_code == 422
        assert not Plan.objects.exists()


class TestTwoAdmins:
    def test_a_change_in_between_is_told_and_nothing_is_taken(
        self, desk: Client, dora: User
    ) -> None:
        make_plan("cplan_pro", credits=100)
        data = ticked(compare(desk, [PRO, MAX]))
        update_plan(actor=dora, clerk_id="cplan_pro", changes={"credits": 300})
        answer = take(desk, data)
        assert answer.status_code == 409
        assert "Plans changed while this page was open." in words(answer)
        assert "credits a month 300 → 500 dora@example.com changed it" in words(answer)
        assert credits() == {"cplan_pro": 300}
        take(desk, ticked(answer))
        assert credits() == {"cplan_pro": 500, "cplan_max": 9000}

    def test_a_new_plan_that_is_there_by_now_is_told(self, desk: Client, dora: User) -> None:
        data = ticked(compare(desk, [MAX]))
        make_plan("cplan_max", credits=3)
        answer = take(desk, data)
        assert answer.status_code == 409
        assert credits() == {"cplan_max": 3}

    def test_a_plan_that_is_gone_by_now_is_told(self, desk: Client, dora: User) -> None:
        make_plan("cplan_pro", credits=100)
        data = ticked(compare(desk, [PRO]))
        delete_plan(actor=dora, clerk_id="cplan_pro")
        answer = take(desk, data)
        assert answer.status_code == 409
        assert "Pro cplan_pro new" in words(answer)

    def test_between_the_pages_look_and_the_change_too(
        self, desk: Client, dora: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The page's own look at the plans is not what protects them."""
        make_plan("cplan_pro", credits=100)
        data = ticked(compare(desk, [PRO, MAX]))
        earlier = imports.compare

        def look_then_change(offers: Any) -> Any:
            rows = earlier(offers)
            if Plan.objects.get(clerk_id="cplan_pro").credits == 100:
                update_plan(actor=dora, clerk_id="cplan_pro", changes={"credits": 300})
            return rows

        monkeypatch.setattr(imports, "compare", look_then_change)
        answer = take(desk, data)
        assert answer.status_code == 409
        assert credits() == {"cplan_pro": 300}, "All or none."


class TestClerk:
    @pytest.fixture
    def fake(self, settings: Any) -> Iterator[FakeClerk]:
        with running_clerk() as fake:
            settings.CLERK_SECRET_KEY = fake_clerk.SECRET_KEY
            settings.CLERK_API_URL = fake.url
            settings.CLERK_INSTANCE_ID = fake_clerk.INSTANCE
            fake.plans = [
                {"id": "cplan_pro", "name": "Pro", "slug": "pro", "fee": {"amount": 2000}},
                {"id": "cplan_free", "name": "Free", "slug": "free", "is_default": True},
            ]
            yield fake

    def test_plans_come_from_clerk(self, desk: Client, fake: FakeClerk) -> None:
        make_plan("cplan_pro", credits=100)
        assert "Compare with Clerk" in words(desk.get(PAGE))
        page = desk.post(f"{PAGE}/preview", {"clerk": "yes"})
        assert "Import from Clerk" in words(page)
        assert "Pro cplan_pro same 100" in words(page)
        answer = take(desk, ticked(page, **{"credits.cplan_free": "50"}))
        assert "1 plan imported from Clerk." in words(answer)
        assert credits() == {"cplan_pro": 100, "cplan_free": 50}

    def test_clerk_that_does_not_answer_is_said(
        self, desk: Client, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(import_views, "PATIENCE", 0.0)
        fake.failures.extend([(503, {})] * 9)
        answer = desk.post(f"{PAGE}/preview", {"clerk": "yes"})
        assert answer.status_code == 502
        assert "Clerk did not answer" in words(answer)

    def test_a_wrong_key_is_said(self, desk: Client, fake: FakeClerk, settings: Any) -> None:
        settings.CLERK_SECRET_KEY = "sk_test_other"
        answer = desk.post(f"{PAGE}/preview", {"clerk": "yes"})
        assert answer.status_code == 502
        assert "sk_test_other" not in answer.text

    def test_without_clerk_it_says_what_is_missing(self, desk: Client) -> None:
        answer = desk.get(PAGE)
        assert "Clerk is not configured: CLERK_SECRET_KEY is not set." in words(answer)
        assert desk.post(f"{PAGE}/preview", {"clerk": "yes"}).status_code == 409
