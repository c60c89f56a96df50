"""/api/admin/plans and /api/admin/plans/{clerkId}."""

from typing import Any

import pytest

from credits.catalogue.exceptions import ChangedMeanwhile, NameTaken
from credits.catalogue.plans import create_plan, plan_version, update_plan
from credits.models import Plan, SettingsChange, User
from credits.pricing import get_plan_credits
from tests.api import Api, assert_problem
from tests.factories import make_plan
from tests.parallel import count_of, in_parallel

PLANS = "/api/admin/plans"
PRO = {"clerkId": "cplan_pro", "name": "Pro", "credits": 1000}


def post(user: User, body: Any) -> Any:
    return Api(user).send("post", PLANS, body)


def put(user: User, body: Any, clerk_id: str = "cplan_pro") -> Any:
    return Api(user).send("put", f"{PLANS}/{clerk_id}", body)


def test_a_new_plan_is_there_at_once(admin: User) -> None:
    response = post(admin, PRO)
    assert response.status_code == 201
    assert PRO.items() <= response.json().items()
    assert response.json()["active"] is True
    assert get_plan_credits("cplan_pro") == 1000
    assert [plan["clerkId"] for plan in Api(admin).get(PLANS).json()["plans"]] == ["cplan_pro"]


def test_a_second_plan_of_the_same_id_is_409(admin: User) -> None:
    post(admin, PRO)
    assert_problem(post(admin, {**PRO, "credits": 5}), 409, "duplicate")
    assert get_plan_credits("cplan_pro") == 1000


WRONG = [
    ("clerkId", "plan_pro"),
    ("clerkId", "cplan_"),
    ("clerkId", "cplan_a b"),
    ("clerkId", "cplan_a\n"),
    ("clerkId", "cplan_é"),
    ("clerkId", "cplan_" + "x" * 59),
    ("clerkId", "cplan_\x00"),
    ("clerkId", 5),
    ("clerkId", None),
    ("name", ""),
    ("name", "   "),
    ("name", "x" * 151),
    ("name", "a\x00b"),
    ("name", "a\nb"),
    ("name", 7),
    ("credits", -1),
    ("credits", 1.5),
    ("credits", "10"),
    ("credits", True),
    ("credits", None),
    ("credits", 1_000_000_001),
    ("credits", 10**30),
    ("active", 1),
    ("active", "true"),
    ("active", None),
    ("price", 1),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_is_400_naming_it_and_makes_no_plan(
    field: str, value: object, admin: User
) -> None:
    problem = assert_problem(post(admin, {**PRO, field: value}), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [[field]]
    assert not Plan.objects.exists()


@pytest.mark.parametrize("missing", PRO)
def test_a_missing_field_is_400_naming_it(missing: str, admin: User) -> None:
    body = {key: value for key, value in PRO.items() if key != missing}
    problem = assert_problem(post(admin, body), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [[missing]]


def test_a_change_leaves_what_it_does_not_name(admin: User) -> None:
    make_plan("cplan_pro", credits=100)
    body = put(admin, {"credits": 250}).json()
    assert (body["name"], body["credits"], body["active"]) == ("Pro", 250, True)


def test_a_plan_is_sent_back_whole(admin: User) -> None:
    make_plan("cplan_pro", credits=100)
    assert put(admin, {**PRO, "active": False}).json()["credits"] == 1000
    assert_problem(put(admin, {**PRO, "clerkId": "cplan_max"}), 409, "another_plan")


def test_an_inactive_plan_brings_nothing(admin: User) -> None:
    make_plan("cplan_pro", credits=100)
    assert put(admin, {"active": False}).status_code == 200
    assert get_plan_credits("cplan_pro") == 0


def test_a_plan_is_renamed(admin: User) -> None:
    make_plan("cplan_pro", credits=100)
    assert put(admin, {"newClerkId": "cplan_max", "name": "Max"}).json()["clerkId"] == "cplan_max"
    assert get_plan_credits("cplan_max") == 100
    assert get_plan_credits("cplan_pro") == 0
    assert_problem(put(admin, {}), 404, "not_found")


def test_a_rename_onto_another_plan_is_409_and_changes_nothing(admin: User) -> None:
    make_plan("cplan_pro", credits=100)
    make_plan("cplan_max", credits=500)
    assert_problem(put(admin, {"newClerkId": "cplan_max", "credits": 7}), 409, "duplicate")
    assert get_plan_credits("cplan_pro") == 100


@pytest.mark.parametrize(
    ("field", "value"), [("newClerkId", "x"), ("credits", -1), ("name", ""), ("clerkId", "x")]
)
def test_a_wrong_change_is_400_naming_the_field(field: str, value: object, admin: User) -> None:
    make_plan("cplan_pro", credits=100)
    problem = assert_problem(put(admin, {field: value}), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [[field]]


def test_a_plan_is_removed_once(admin: User) -> None:
    make_plan("cplan_pro")
    response = Api(admin).delete(f"{PLANS}/cplan_pro")
    assert (response.status_code, response.content) == (204, b"")
    assert_problem(Api(admin).delete(f"{PLANS}/cplan_pro"), 404, "not_found")


def test_a_version_that_is_not_current_changes_nothing(admin: User) -> None:
    version = plan_version(make_plan("cplan_pro", credits=100))
    put(admin, {"credits": 200})
    assert_problem(put(admin, {"credits": 300, "version": version}), 409, "changed_meanwhile")
    response = Api(admin).delete(f"{PLANS}/cplan_pro?version={version}")
    assert_problem(response, 409, "changed_meanwhile")
    assert get_plan_credits("cplan_pro") == 200


def test_every_change_is_kept(admin: User) -> None:
    post(admin, PRO)
    put(admin, {"newClerkId": "cplan_max", "credits": 5})
    put(admin, {"credits": 5}, "cplan_max")
    Api(admin).delete(f"{PLANS}/cplan_max")
    rows = SettingsChange.objects.order_by("pk").values_list("name", "before", "after", "actor")
    pro = {**PRO, "active": True}
    changed = {**pro, "clerkId": "cplan_max", "credits": 5}
    assert list(rows) == [
        ("cplan_pro", None, pro, admin.pk),
        ("cplan_pro", pro, changed, admin.pk),
        ("cplan_max", changed, None, admin.pk),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_many_that_add_the_same_plan_at_once_one_does(admin: User) -> None:
    def add(number: int) -> Plan:
        return create_plan(actor=admin, clerk_id="cplan_pro", name="Pro", credits=number)

    answers = in_parallel(8, add, catch=NameTaken)
    assert count_of(answers, NameTaken) == 7
    assert SettingsChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_that_change_what_they_read_at_once_one_does(admin: User) -> None:
    version = plan_version(make_plan("cplan_pro", credits=100))

    def change(number: int) -> Plan:
        changes = {"credits": 200 + number}
        return update_plan(
            actor=admin, clerk_id="cplan_pro", changes=changes, expected_version=version
        )

    assert count_of(in_parallel(8, change, catch=ChangedMeanwhile), ChangedMeanwhile) == 7
