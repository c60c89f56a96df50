"""Admins who sign in with Clerk: its own second factor counts where one is demanded."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from credits.models import Identity, SessionLink, User
from tests.api import assert_problem
from tests.fakes.clerk import session_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(settings: Settings) -> None:
    settings.ADMIN_SECOND_FACTOR = True
    settings.ADMIN_USER_IDS = ["user_1"]


def exchanged(**claims: Any) -> Client:
    client = Client()
    token = session_token("user_1", **claims)
    assert client.post("/auth/clerk/session", {"token": token}).status_code == 204
    return client


@pytest.mark.parametrize("fva", [[0, 0], [5, 90]])
def test_a_session_that_showed_one_opens_the_desk(admin: None, fva: list[int]) -> None:
    client = exchanged(fva=fva)
    assert client.get("/admin").status_code == 200
    assert client.get("/api/admin/settings").status_code == 200


@pytest.mark.parametrize("fva", [[0, -1], None, [0], [0, True], [0, "1"], "x", [0, 1.5]])
def test_one_that_did_not_is_told_where_to_set_it_up(admin: None, fva: Any) -> None:
    client = exchanged(fva=fva)
    answer = client.get("/admin")
    assert answer["Location"] == "/admin/confirm?next=/admin"
    assert "Set up two-step verification" in client.get(answer["Location"]).text
    assert_problem(client.get("/api/admin/settings"), 403, "second_factor_required")


def test_a_cookie_and_a_bearer_token_count_as_they_say(admin: None) -> None:
    for fva, page, call in (([0, 0], 200, 200), ([0, -1], 302, 403)):
        token = session_token("user_1", fva=fva)
        bearer = {"Authorization": f"Bearer {token}"}
        assert Client().get("/api/admin/settings", headers=bearer).status_code == call
        client = Client()
        client.cookies["__session"] = token
        # A cookie alone confirms nothing: the page of the desk asks for an exchange.
        answer = client.get("/admin")
        assert answer.status_code == 302
        assert ("Set up two-step" in client.get("/admin/confirm").text) == (page == 302)


def test_without_the_setting_nothing_is_asked(settings: Settings) -> None:
    settings.ADMIN_USER_IDS = ["user_1"]
    assert exchanged(fva=[0, -1]).get("/admin").status_code == 200


def test_an_ended_session_ends_at_clerk_too() -> None:
    here, there = exchanged(sid="sess_1"), exchanged(sid="sess_2")
    user = User.objects.get()
    assert "Where you are signed in" in here.get("/account").text
    assert "Second factor" not in here.get("/account").text
    assert here.post("/account/sessions/end").status_code == 302
    assert there.get("/api/credits/me").status_code == 401
    # Its browser still has Clerk's cookie, whose token opens nothing any more.
    token = session_token("user_1", sid="sess_2")
    assert there.post("/auth/clerk/session", {"token": token}).status_code == 401
    assert SessionLink.objects.get(sid="sess_2").ended_at
    assert SessionLink.objects.get(sid="sess_1").ended_at is None
    assert Identity.objects.get().user == user
    assert here.get("/account").status_code == 200
