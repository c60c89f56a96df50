"""API keys at the desk and in JSON: found, revoked, and never their secret."""

from typing import Any

import pytest
from django.test import Client

from credits.keys.lookup import InvalidApiKey, find_caller
from credits.models import ApiKey, AuditEntry, User
from tests.adminpanel.settings.words import words
from tests.api import BACKEND, Api, assert_problem
from tests.factories import make_charge, make_key, make_secret, sql_now
from tests.live import session_of

pytestmark = pytest.mark.django_db
PAGE, URL = "/admin/keys", "/api/admin/keys"


@pytest.fixture
def boss(admin: User) -> Api:
    client = Api()
    client.cookies["sessionid"] = session_of(admin)
    return client


def test_the_list_says_whose_each_is_and_what_it_spent(
    desk: Client, alice: User, bob: User
) -> None:
    assert "No keys yet" in desk.get(PAGE).text
    key = make_key(alice, name="<b>CI</b>")
    secret = make_secret(key)
    find_caller(secret)
    make_charge(alice, 3, key_id=key.pk)
    make_key(bob, name="old", expires_at=sql_now())
    page = desk.get(PAGE)
    assert "<b>CI</b>" not in page.text
    assert secret not in page.text
    text = words(page)
    assert f"…{secret[-4:]} {key.public_id} alice@example.com active" in text
    assert "bob@example.com expired" in text
    assert f"{PAGE}/{key.public_id}/revoke" in page.text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["stale", "CI", "laptop"]),
        ("?user=alice@example.com", ["CI", "laptop"]),
        ("?search=lap", ["laptop"]),
        ("?search=key_0123456789abcdef", ["CI"]),
        ("?search=%E2%80%A6x9Qz", ["CI"]),
        ("?search=x9Q", []),
        ("?state=active", ["CI"]),
        ("?state=expired", ["stale"]),
        ("?state=revoked", ["laptop"]),
        ("?to=2020-01-02", []),
    ],
)
def test_filters(desk: Client, alice: User, bob: User, query: str, names: list[str]) -> None:
    revoked = make_key(alice, name="laptop")
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=sql_now())
    key = make_key(alice, name="CI", public_id="key_0123456789abcdef")
    make_secret(key)
    key.secrets.update(hint="x9Qz")
    make_key(bob, name="stale", expires_at=sql_now())
    page = desk.get(PAGE + query)
    assert [state.key.name for state in page.context["page"].rows] == names


@pytest.mark.parametrize("query", ["?state=lost", "?user=nobody", "?search=%00", "?before=x"])
def test_what_cannot_be_asked_for_is_said(desk: Client, query: str) -> None:
    assert desk.get(PAGE + query).status_code == 400


def test_pages_of_the_list(desk: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adminpanel.keys.views.PAGE", 2)
    for number in range(3):
        make_key(alice, name=f"key {number}")
    page = desk.get(PAGE).context["page"]
    older = desk.get(f"{PAGE}?before={page.older}").context["page"]
    assert [state.key.name for state in older.rows] == ["key 0"]


def test_revoking_asks_why(desk: Client, admin: User, alice: User) -> None:
    key = make_key(alice, name="CI")
    secret = make_secret(key)
    path = f"{PAGE}/{key.public_id}/revoke"
    assert "Revoke “CI”?" in desk.get(path).text
    refused = desk.post(path, {"reason": " "})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert find_caller(secret)
    answer: Any = desk.post(path, {"reason": "It was leaked.", "stop": "on"})
    assert answer["Location"] == f"/admin/users/{alice.pk}"
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    entry = AuditEntry.objects.get(action="key.revoke")
    assert (entry.actor, entry.user_id, entry.reason) == (admin, alice.pk, "It was leaked.")
    assert entry.after == {"stop": True}


def test_a_person_s_page_has_their_keys(desk: Client, alice: User, bob: User) -> None:
    key = make_key(alice, name="CI")
    secret = make_secret(key)
    make_charge(alice, 3, key_id=key.pk)
    make_key(bob, name="stranger")
    shown = desk.get(f"/admin/users/{alice.pk}")
    assert f"CI …{secret[-4:]} active 3 spent this month" in words(shown)
    assert f"{PAGE}?user={alice.pk}" in shown.text
    assert secret not in shown.text
    assert "stranger" not in shown.text


def test_in_json(boss: Api, alice: User, bob: User) -> None:
    key = make_key(alice, name="CI")
    secret = make_secret(key)
    make_key(bob, name="his")
    [item] = boss.get(f"{URL}?user={alice.pk}&state=active&search=c").json()["items"]
    assert (item["id"], item["userId"], item["email"]) == (key.public_id, alice.pk, alice.email)
    assert secret not in boss.get(URL).text
    assert "key" not in item
    assert [each["name"] for each in boss.get(URL).json()["items"]] == ["his", "CI"]
    assert_problem(boss.get(f"{URL}?state=lost"), 400, "invalid")
    assert_problem(boss.get(f"{URL}?search=%00"), 400, "invalid")


def test_revoking_in_json(boss: Api, alice: User) -> None:
    key = make_key(alice)
    secret = make_secret(key)
    assert_problem(boss.delete(f"{URL}/{key.public_id}"), 400, "invalid")
    assert_problem(boss.delete(f"{URL}/key_0000000000000000?reason=x"), 404, "not_found")
    assert boss.delete(f"{URL}/{key.public_id}?reason=Leaked&stop=1").status_code == 204
    with pytest.raises(InvalidApiKey):
        find_caller(secret)
    assert AuditEntry.objects.get(action="key.revoke").reason == "Leaked"


def test_it_is_for_admins(alice: User) -> None:
    key = make_key(alice)
    client = Client()
    client.force_login(alice, backend=BACKEND)
    for path in (PAGE, f"{PAGE}/{key.public_id}/revoke", URL):
        assert client.get(path).status_code == 404
    assert client.delete(f"{URL}/{key.public_id}?reason=x").status_code == 404
