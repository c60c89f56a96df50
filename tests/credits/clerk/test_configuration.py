"""What Clerk's variables must look like, and who is an admin."""

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from credits.clerk import conf
from credits.clerk.auth.tokens import verify_session_token
from credits.models import Identity, User
from credits.roles import is_admin
from credits.users.permissions import CONFIRMED_AT, admin_page
from tests.factories import make_user
from tests.fakes.clerk import KEY, SECRET_KEY, pem, session_token


def private_pem() -> str:
    """What nobody should paste there."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return KEY.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def test_a_complete_configuration_starts() -> None:
    conf.validate()


def test_nothing_set_starts(settings: Settings) -> None:
    settings.CLERK_PUBLISHABLE_KEY = settings.CLERK_JWT_KEY = settings.CLERK_INSTANCE_ID = ""
    settings.CLERK_WEBHOOK_SIGNING_SECRET = []
    conf.validate()


@pytest.mark.parametrize(
    "written",
    [pem(KEY), pem(KEY).replace("\n", " "), pem(KEY).strip()],
    ids=["lines", "line", "strip"],
)
def test_the_public_key_may_be_written_in_one_line(settings: Settings, written: str) -> None:
    settings.CLERK_JWT_KEY = written
    conf.validate()
    assert verify_session_token(session_token("user_1")).user_id == "user_1"


def test_each_part_starts_alone(settings: Settings) -> None:
    settings.CLERK_INSTANCE_ID = settings.CLERK_JWT_KEY = ""
    settings.CLERK_SECRET_KEY = SECRET_KEY
    conf.validate()
    settings.CLERK_PUBLISHABLE_KEY = ""
    conf.validate()
    settings.CLERK_SECRET_KEY = ""
    conf.validate()
    assert conf.takes_webhooks()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLERK_PUBLISHABLE_KEY", "pk_live_"),
        ("CLERK_PUBLISHABLE_KEY", "sk_test_Y2xlcmsuY2xlcmsuZGV2JA"),
        ("CLERK_PUBLISHABLE_KEY", "pk_test_ZXZpbC5leGFtcGxlL3g7IHNjcmlwdC1zcmMgKiQ"),
        ("CLERK_PUBLISHABLE_KEY", "pk_live_…"),
        ("CLERK_SECRET_KEY", "sk_live_…"),
        ("CLERK_JWT_KEY", "hello"),
        ("CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
        ("CLERK_JWT_KEY", private_pem()),
        ("CLERK_JWT_KEY", ""),
        ("CLERK_PUBLISHABLE_KEY", ""),
        ("CLERK_WEBHOOK_SIGNING_SECRET", ["whsec_"]),
        ("CLERK_WEBHOOK_SIGNING_SECRET", ["whsec_AAAA"]),
        ("CLERK_WEBHOOK_SIGNING_SECRET", ["not base64!"]),
        ("CLERK_WEBHOOK_SIGNING_SECRET", ["whsec_…"]),
    ],
)
def test_a_wrong_value_stops_the_start_and_is_named(
    settings: Settings, name: str, value: str | list[str]
) -> None:
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        conf.validate()


@pytest.mark.django_db
class TestAdmins:
    def test_staff_are(self, admin: User, alice: User) -> None:
        assert is_admin(admin)
        assert not is_admin(alice)
        assert not is_admin(AnonymousUser())

    def test_closed_accounts_are_not(self, admin: User) -> None:
        admin.is_active = False
        assert not is_admin(admin)

    def test_an_address_counts_only_when_it_is_verified(
        self, settings: Settings, alice: User
    ) -> None:
        settings.ADMIN_EMAILS = [alice.email]
        assert not is_admin(alice)
        identity = Identity.objects.create(clerk_id="user_1", user=alice, email=str(alice.email))
        alice.refresh_from_db()
        assert not is_admin(alice)
        Identity.objects.update(email_verified=True)
        alice = type(alice).objects.get(pk=alice.pk)
        assert is_admin(alice)
        assert identity.user_id == alice.pk

    def test_ids_count_ours_and_clerk_s(self, settings: Settings) -> None:
        ours, theirs = make_user(), make_user(clerk_id="user_7")
        settings.ADMIN_USER_IDS = [str(ours.pk), "user_7"]
        assert is_admin(ours)
        assert is_admin(theirs)

    def test_pages_hide_from_everybody_else(
        self, rf: RequestFactory, admin: User, alice: User
    ) -> None:
        @admin_page
        def page(request: Any) -> HttpResponse:
            return HttpResponse("in")

        request: Any = rf.get("/admin")
        request.session = {CONFIRMED_AT: time.time()}
        request.user = alice
        with pytest.raises(Http404):
            page(request)
        request.user = admin
        assert page(request).content == b"in"
