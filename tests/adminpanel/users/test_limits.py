"""Limits that admins set for somebody, at the desk and in JSON."""

from typing import Any

import pytest
from django.test import Client

from credits.limits.setting import limit_version
from credits.models import AuditEntry, Limit, User
from tests.api import BACKEND, Api, assert_problem
from tests.factories import make_charge, make_limit
from tests.live import session_of

pytestmark = pytest.mark.django_db
FORM = {"period": "day", "credits": "10", "hard": "1", "alert_at": ["80"], "reason": "Stolen?"}


@pytest.fixture
def desk(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend=BACKEND)
    return client


def test_setting_changing_and_removing_one(desk: Client, admin: User, alice: User) -> None:
    own = make_limit(alice, 50)
    url = f"/admin/users/{alice.pk}/limits"
    assert desk.post(url, FORM).status_code == 302
    limit = Limit.objects.get(by_admin=True)
    page = desk.get(url).text
    assert "50 credits a day" in page
    assert f"{url}/{limit.pk}" in page
    assert f"{url}/{own.pk}" not in page, "The person's own is theirs."
    assert "10 credits a day" in desk.get(f"/admin/users/{alice.pk}").text
    change = {**FORM, "credits": "5", "was": limit_version(limit)}
    assert desk.post(f"{url}/{limit.pk}", change).status_code == 302
    limit.refresh_from_db()
    assert (limit.credits, limit.set_by) == (5, admin)
    remove = f"{url}/{limit.pk}/remove"
    assert desk.post(remove, {"was": limit_version(limit)}).status_code == 422, "Without a reason."
    assert desk.post(remove, {"was": "another", "reason": "x"}).status_code == 422
    assert desk.post(remove, {"was": limit_version(limit), "reason": "Solved"}).status_code == 302
    assert Limit.objects.get() == own
    entries = AuditEntry.objects.filter(user=alice).order_by("pk")
    assert [(entry.action, entry.reason) for entry in entries] == [
        ("limit.set", "Stolen?"), ("limit.set", "Stolen?"), ("limit.remove", "Solved"),
    ]  # fmt: skip
    assert entries[1].before["credits"] == 10


def test_a_reason_is_needed(desk: Client, alice: User) -> None:
    answer = desk.post(f"/admin/users/{alice.pk}/limits", {**FORM, "reason": " "})
    assert answer.status_code == 422
    assert "Say why" in answer.text
    assert not Limit.objects.exists()


def test_nobody_sets_one_for_themselves_at_the_desk(desk: Client, admin: User) -> None:
    url = f"/admin/users/{admin.pk}/limits"
    assert "your own account" in desk.get(url).text
    answer = desk.post(url, FORM)
    assert answer.status_code == 422
    assert not Limit.objects.exists()


def test_the_list_marks_who_has_reached_one(desk: Client, alice: User, bob: User) -> None:
    for user in (alice, bob):
        make_limit(user, 5)
    make_charge(alice, 5)
    make_charge(bob, 5, hold=True)
    page = desk.get("/admin/users").text
    assert page.count("limit reached") == 1
    assert f"/admin/users/{alice.pk}/limits" in page


def test_the_calls(admin: User, alice: User) -> None:
    api = Api(admin)
    url = f"/api/admin/users/{alice.pk}/limits"
    body: dict[str, Any] = {"period": "week", "credits": 7, "reason": "Stolen?"}
    made = api.send("post", url, body)
    assert (made.status_code, made.json()["byAdmin"]) == (201, True)
    assert_problem(api.send("post", url, body), 409, "duplicate")
    changed = api.send("put", url, {**body, "credits": 8, "version": made.json()["version"]})
    assert (changed.status_code, changed.json()["credits"]) == (200, 8)
    assert api.get(url).json()["limits"] == [changed.json()]
    one = f"{url}/{made.json()['id']}"
    assert_problem(api.delete(one), 400, "invalid")
    own = make_limit(alice, 5)
    assert_problem(api.delete(f"{url}/{own.pk}?reason=x"), 404, "not_found")
    assert api.delete(f"{one}?reason=Solved").status_code == 204
    assert AuditEntry.objects.filter(user=alice).count() == 3
    mine = f"/api/admin/users/{admin.pk}/limits"
    assert_problem(api.send("post", mine, body), 403, "own_account")
    assert session_of(admin)
