"""Who is asking: the session in the cookie and its user, in one plain statement."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from credits.models import Session, User
from credits.users import tasks


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_a_page_asks_once_who_is_there(signed_in: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert signed_in.get("/sign-in").status_code == 302


def test_a_session_that_expired_is_nobody(signed_in: Client) -> None:
    assert signed_in.get("/usage").status_code == 200
    # Long ago: in a test, now() is when its transaction began.
    Session.objects.update(expire_date=timezone.now() - timedelta(hours=1))
    assert signed_in.get("/usage").status_code == 302


def test_expired_sessions_are_deleted_and_others_stay(
    signed_in: Client, alice: User, bob: User
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    Session.objects.update(expire_date=long_ago)
    other = Client()
    other.force_login(bob)
    tasks.forget(0)
    assert [session.user_id for session in Session.objects.all()] == [bob.pk]
    assert other.get("/usage").status_code == 200


def test_a_session_that_was_deleted_is_nobody(signed_in: Client) -> None:
    Session.objects.all().delete()
    assert signed_in.get("/usage").status_code == 302


def test_an_account_that_was_closed_is_nobody(signed_in: Client, alice: User) -> None:
    alice.is_active = False
    alice.save()
    assert signed_in.get("/usage").status_code == 302


@pytest.mark.parametrize(
    "cookie", ["", "short", "x" * 5000, '"\\000aaaaaaaaaaa"', "ä" * 32, "' OR 1=1 --aaaa"]
)
def test_a_hostile_cookie_is_nobody(client: Client, db: None, cookie: str) -> None:
    client.cookies["sessionid"] = cookie
    assert client.get("/usage").status_code == 302
    client.cookies.load({"sessionid": cookie})
    assert client.get("/api/credits/me").status_code == 401
