"""GET and PUT /api/admin/settings."""

import json
from typing import Any

import pytest

from credits.catalogue.exceptions import ChangedMeanwhile, InvalidValue
from credits.catalogue.history import version_of
from credits.catalogue.prices import set_feature_costs
from credits.features import FEATURE_CREDIT_COSTS
from credits.ledger import settle_charge
from credits.models import AdminSettings, SettingsChange, UsageHistory, User
from credits.pricing import get_feature_costs
from tests.api import Api, assert_problem
from tests.factories import make_charge, make_plan, set_price
from tests.ledger import refused_by
from tests.parallel import count_of, in_parallel

SETTINGS = "/api/admin/settings"


def put(user: User, body: Any) -> Any:
    return Api(user).send("put", SETTINGS, body)


def test_it_has_prices_and_every_plan(admin: User) -> None:
    make_plan("cplan_pro", credits=1000)
    make_plan("cplan_old", credits=5, active=False)
    body = Api(admin).get(SETTINGS).json()
    assert body["featureCosts"] == FEATURE_CREDIT_COSTS
    assert body["planCredits"] == {"cplan_pro": 1000}
    assert {plan["clerkId"]: plan["active"] for plan in body["billingPlans"]} == {
        "cplan_pro": True,
        "cplan_old": False,
    }


def test_a_partial_change_leaves_other_prices(admin: User) -> None:
    set_price("ai_image_generation", 9)
    response = put(admin, {"featureCosts": {"ai_text_chat": 3}})
    assert response.status_code == 200
    costs = {**FEATURE_CREDIT_COSTS, "ai_text_chat": 3, "ai_image_generation": 9}
    assert response.json()["featureCosts"] == costs
    assert get_feature_costs() == costs


@pytest.mark.parametrize("cost", [0, 1_000_000])
def test_the_bounds_are_prices(cost: int, admin: User) -> None:
    assert put(admin, {"featureCosts": {"ai_text_chat": cost}}).status_code == 200
    assert get_feature_costs()["ai_text_chat"] == cost


NO_PRICES = [
    "-1", "1000001", "1.5", "1.0", "1e3", "1e400", '"5"', '""', "true", "false", "null", "[]",
    "{}", "[1]", "9" * 400, "-" + "9" * 30,
]  # fmt: skip


@pytest.mark.parametrize("cost", NO_PRICES)
def test_what_is_no_price_is_400_naming_the_feature_and_changes_nothing(
    cost: str, admin: User
) -> None:
    body = f'{{"featureCosts": {{"ai_image_generation": 7, "ai_text_chat": {cost}}}}}'
    problem = assert_problem(put(admin, body.encode()), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [["featureCosts", "ai_text_chat"]]
    assert get_feature_costs() == FEATURE_CREDIT_COSTS
    assert not SettingsChange.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"featureCosts": {"ai_video": 5, "ai_text_chat": 2}}, ["featureCosts", "ai_video"]),
        ({"featureCosts": [1]}, ["featureCosts"]),
        ({"featureCosts": "free"}, ["featureCosts"]),
        ({"featureCosts": None}, ["featureCosts"]),
        ({"ai_text_chat": 2}, ["ai_text_chat"]),
        ({"featureCosts": {"ai_text_chat": 2}, "planCredits": {}}, ["planCredits"]),
        ({}, ["featureCosts"]),
        ([], []),
    ],
)
def test_a_wrong_shape_is_400_naming_the_field_and_changes_nothing(
    body: Any, path: list[str], admin: User
) -> None:
    problem = assert_problem(put(admin, body), 400, "invalid")
    assert path in [issue["path"] for issue in problem["issues"]]
    assert get_feature_costs() == FEATURE_CREDIT_COSTS


def test_a_new_price_holds_for_the_next_charge_and_a_held_one_keeps_its_own(
    admin: User, alice: User
) -> None:
    held = make_charge(alice, hold=True)
    put(admin, {"featureCosts": {"ai_text_chat": 9}})
    settle_charge(charge_id=held.id, delivered=0, reason="test")
    assert UsageHistory.objects.get(refund_of_id=held.id).credits_used == -1
    assert make_charge(alice).unit_cost == 9


def test_each_change_is_kept_with_who_from_and_to(admin: User) -> None:
    put(admin, {"featureCosts": {"ai_text_chat": 3, "ai_image_generation": 5}})
    [change] = Api(admin).get(f"{SETTINGS}/changes").json()["items"]
    del change["createdAt"], change["id"]
    assert change == {
        "actor": "admin@example.com",
        "actorId": admin.pk,
        "subject": "price",
        "name": "ai_text_chat",
        "before": 1,
        "after": 3,
    }


def test_changes_come_in_pages_newest_first(admin: User) -> None:
    for cost in (3, 4, 5):
        put(admin, {"featureCosts": {"ai_text_chat": cost}})
    first = Api(admin).get(f"{SETTINGS}/changes?limit=2").json()
    rest = Api(admin).get(f"{SETTINGS}/changes?cursor={first['nextCursor']}").json()
    afters = [row["after"] for row in [*first["items"], *rest["items"]]]
    assert (afters, rest["nextCursor"]) == ([5, 4, 3], None)


def test_the_history_refuses_to_be_changed(admin: User) -> None:
    put(admin, {"featureCosts": {"ai_text_chat": 3}})
    with refused_by("settings_change_append_only"):
        SettingsChange.objects.update(after=1)
    with refused_by("settings_change_append_only"):
        SettingsChange.objects.all().delete()


def test_a_version_that_is_not_current_changes_nothing(admin: User) -> None:
    read = Api(admin).get(SETTINGS).json()["version"]
    put(admin, {"featureCosts": {"ai_text_chat": 3}})
    late = put(admin, {"featureCosts": {"ai_text_chat": 8}, "version": read})
    problem = assert_problem(late, 409, "changed_meanwhile")
    assert get_feature_costs()["ai_text_chat"] == 3
    again = {"featureCosts": {"ai_text_chat": 8}, "version": problem["version"]}
    assert put(admin, again).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_at_once_one_is_told(admin: User) -> None:
    version = version_of(get_feature_costs())

    def change(number: int) -> dict[str, int]:
        costs = {"ai_text_chat": 10 + number}
        return set_feature_costs(actor=admin, costs=costs, expected_version=version)

    answers = in_parallel(8, change, catch=ChangedMeanwhile)
    assert count_of(answers, ChangedMeanwhile) == 7
    assert SettingsChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_changes_of_different_prices_at_once_are_all_kept(admin: User) -> None:
    features = list(FEATURE_CREDIT_COSTS)

    def change(number: int) -> dict[str, int]:
        return set_feature_costs(actor=admin, costs={features[number]: 50 + number})

    in_parallel(len(features), change)
    assert get_feature_costs() == {key: 50 + at for at, key in enumerate(features)}


@pytest.mark.parametrize("cost", [True, 1.0, "1", None, -1, 1_000_001])
def test_the_service_itself_takes_prices_only(cost: object, admin: User) -> None:
    with pytest.raises(InvalidValue) as refusal:
        set_feature_costs(actor=admin, costs={"ai_text_chat": cost})
    assert refusal.value.path == ("featureCosts", "ai_text_chat")
    assert not AdminSettings.objects.exclude(feature_costs={}).exists()


def test_setting_what_is_set_is_no_change(admin: User) -> None:
    assert put(admin, {"featureCosts": FEATURE_CREDIT_COSTS}).status_code == 200
    assert not SettingsChange.objects.exists()


def test_the_answer_is_json_numbers(admin: User) -> None:
    text = put(admin, {"featureCosts": {"ai_text_chat": 1_000_000}}).content
    assert json.loads(text)["featureCosts"]["ai_text_chat"] == 1_000_000
