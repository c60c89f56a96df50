"""Where one is signed in, as /account lists it: each session can be ended, or ends by itself."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from credits.models import AuthenticationEvent, Session, User
from credits.users.tasks import forget, send_letter
from tests.credits.users.conftest import link_in_letter, work
from tests.factories import PASSWORD
from tests.live import Site

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
NEWER_FIREFOX = FIREFOX.replace("145", "146")
CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
    " Mobile Safari/537.36"
)
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


def signed_in(user: User, *, agent: str = FIREFOX, address: str = HERE) -> Client:
    """A browser in which somebody signed in through the form."""
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    answer = client.post("/sign-in", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/api/credits/me").status_code == 200


def end_links(client: Client) -> list[str]:
    return re.findall(r'action="(/account/sessions/\w+/end)"', client.get("/account").text)


def session_of(client: Client) -> Session:
    return Session.objects.get(pk=client.cookies["sessionid"].value)


class TestList:
    def test_it_says_which_program_where_and_when(self, alice: User) -> None:
        first = signed_in(alice)
        signed_in(alice, agent=CHROME, address=ELSEWHERE)
        text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", first.get("/account").text))
        assert re.search("Firefox on Linux this device 192.0.2.7 · signed in", text)
        assert re.search("Chrome on Android 198.51.100.9 · signed in", text)

    def test_no_key_of_a_session_is_on_the_page(self, alice: User) -> None:
        first, second = signed_in(alice), signed_in(alice, agent=CHROME)
        page = first.get("/account").text
        for client in (first, second):
            assert client.cookies["sessionid"].value not in page

    def test_it_lists_no_session_of_others_and_none_that_is_over(
        self, alice: User, bob: User
    ) -> None:
        client = signed_in(alice)
        signed_in(bob)
        over = session_of(signed_in(alice))
        Session.objects.filter(pk=over.pk).update(used_at=timezone.now() - timedelta(days=8))
        assert end_links(client) == []

    def test_a_program_that_writes_markup_stays_text(self, alice: User) -> None:
        client = signed_in(alice, agent="<script>alert(1)</script>/1.0")
        assert "<script>alert" not in client.get("/account").text


class TestEnding:
    def test_ending_one_signs_that_browser_out(self, alice: User) -> None:
        here, there = signed_in(alice), signed_in(alice, agent=CHROME)
        (link,) = end_links(here)
        assert here.post(link)["Location"] == "/account"
        assert not is_signed_in(there)
        assert is_signed_in(here)
        assert AuthenticationEvent.objects.filter(user=alice, kind="session_ended").count() == 1
        assert here.post(link).status_code == 404

    def test_all_others_end(self, alice: User, bob: User) -> None:
        here, bobs = signed_in(alice), signed_in(bob)
        others = [signed_in(alice) for _ in range(3)]
        assert here.post("/account/sessions/end")["Location"] == "/account"
        assert is_signed_in(here)
        assert is_signed_in(bobs)
        assert not any(map(is_signed_in, others))

    def test_a_session_of_somebody_else_is_not_there(self, alice: User, bob: User) -> None:
        first, hers, his = signed_in(alice), signed_in(alice), signed_in(bob)
        (link,) = end_links(first)
        assert his.post(link).status_code == 404
        assert is_signed_in(hers)
        assert his.post("/account/sessions/end").status_code == 302
        assert is_signed_in(hers)

    def test_it_takes_a_post_with_a_token(self, alice: User) -> None:
        here = signed_in(alice)
        signed_in(alice)
        (link,) = end_links(here)
        assert here.get(link).status_code == 405
        here.handler.enforce_csrf_checks = True
        assert here.post(link).status_code == 403

    def test_the_running_site_signs_the_other_browser_out_at_once(
        self, site: Site, alice: User
    ) -> None:
        here, there = site.sign_in(alice.email or ""), site.sign_in(alice.email or "")
        assert there.get("/account").status_code == 200
        (link,) = re.findall(r'action="(/account/sessions/\w+/end)"', here.get("/account").text)
        assert here.post(link).status_code == 302
        assert there.get("/account").status_code == 302
        assert here.get("/account").status_code == 200


class TestEndByThemselves:
    def age(self, client: Client, **columns: timedelta) -> None:
        past = {name: timezone.now() - age for name, age in columns.items()}
        Session.objects.filter(pk=session_of(client).pk).update(**past)

    def test_after_a_week_without_use(self, alice: User) -> None:
        client = signed_in(alice)
        self.age(client, used_at=timedelta(days=6, hours=23))
        assert is_signed_in(client)
        self.age(client, used_at=timedelta(days=7, minutes=1))
        assert not is_signed_in(client)

    def test_after_two_weeks_of_use(self, alice: User) -> None:
        client = signed_in(alice)
        self.age(client, created_at=timedelta(days=13, hours=23))
        assert is_signed_in(client)
        client.get("/account")
        self.age(client, created_at=timedelta(days=14, minutes=1))
        assert not is_signed_in(client)

    def test_the_setting_says_how_long(self, alice: User, settings: Settings) -> None:
        settings.SESSION_IDLE = timedelta(days=1)
        client = signed_in(alice)
        self.age(client, used_at=timedelta(days=1, minutes=1))
        assert not is_signed_in(client)

    def test_use_is_written_every_few_minutes(
        self, alice: User, django_assert_num_queries: Any
    ) -> None:
        client = signed_in(alice)
        self.age(client, used_at=timedelta(minutes=6))
        old = session_of(client).used_at
        client.defaults["REMOTE_ADDR"] = ELSEWHERE
        with django_assert_num_queries(2):
            client.get("/sign-in")
        assert session_of(client).used_at > old
        assert session_of(client).address == ELSEWHERE
        self.age(client, used_at=timedelta(minutes=4))
        old = session_of(client).used_at
        with django_assert_num_queries(1):
            client.get("/sign-in")
        assert session_of(client).used_at == old

    def test_a_change_of_the_session_moves_no_other_column(self, alice: User) -> None:
        client = signed_in(alice)
        self.age(client, created_at=timedelta(days=3), used_at=timedelta(minutes=2))
        before = session_of(client)
        session = client.session
        session["something"] = 1
        session.save()
        after = session_of(client)
        assert after.session_data != before.session_data
        for name in ("created_at", "used_at", "address", "device", "user_id"):
            assert getattr(after, name) == getattr(before, name)

    def test_what_is_over_is_deleted(self, alice: User) -> None:
        over, alive = signed_in(alice), signed_in(alice)
        self.age(over, used_at=timedelta(days=8))
        event = AuthenticationEvent.objects.create(user=alice, kind="signed_in")
        past = timezone.now() - timedelta(days=91)
        AuthenticationEvent.objects.filter(pk=event.pk).update(created_at=past)
        count = AuthenticationEvent.objects.count()
        forget(0)
        assert Session.objects.get() == session_of(alive)
        assert AuthenticationEvent.objects.count() == count - 1


class TestActivity:
    def test_the_page_shows_what_happened_lately(self, alice: User, bob: User) -> None:
        client = signed_in(alice)
        signed_in(bob, address=ELSEWHERE)
        page = client.get("/account").text
        assert "Signed in" in page
        assert ELSEWHERE not in page

    @pytest.fixture(autouse=True)
    def mail(self, settings: Settings) -> None:
        settings.MAIL_CONFIGURED = True

    def letters(self) -> int:
        return ProcrastinateJob.objects.filter(task_name="users.send_letter").count()

    def test_a_new_place_or_program_is_told(self, alice: User) -> None:
        signed_in(alice)
        assert self.letters() == 0  # The first sign-in ever.
        signed_in(alice, agent=NEWER_FIREFOX)
        assert self.letters() == 0
        signed_in(alice, agent=CHROME)
        assert self.letters() == 1
        signed_in(alice, address=ELSEWHERE)
        assert self.letters() == 2
        signed_in(alice, address=ELSEWHERE)
        assert self.letters() == 2
        context = ProcrastinateJob.objects.latest("id").args["context"]
        assert context["device"] == "Firefox on Linux"
        assert context["address"] == ELSEWHERE

    def test_the_letter_says_what_when_and_from_where(
        self, alice: User, mailoutbox: list[EmailMessage]
    ) -> None:
        signed_in(alice)
        signed_in(alice, agent="<b>&/1", address=ELSEWHERE)
        send_letter(**ProcrastinateJob.objects.latest("id").args)
        (letter,) = mailoutbox
        assert letter.to == [alice.email]
        assert letter.subject == "Your account at Tally"
        assert "Somebody signed in to your account.\n\nWhen: " in letter.body
        assert f"With: <b>&\nFrom: {ELSEWHERE}\n" in letter.body
        assert f"{configured.SITE_URL}/account\n" in letter.body

    def test_a_place_of_long_ago_is_new_again(self, alice: User) -> None:
        signed_in(alice)
        past = timezone.now() - timedelta(days=91)
        AuthenticationEvent.objects.update(created_at=past)
        signed_in(alice)
        assert self.letters() == 1

    def test_signing_up_is_not_told(self, client: Client, db: None, settings: Settings) -> None:
        settings.SIGNUP_CREDITS = 0
        client.post("/sign-up", {"email": "new@example.com", "password": PASSWORD})
        work()
        client.post(link_in_letter("sign-up"))
        assert is_signed_in(client)
        assert self.letters() == 0

    def test_whoever_signs_in_elsewhere_is_told_there(self, alice: User) -> None:
        signed_in(alice)
        alice.refresh_from_db()
        alice.set_unusable_password()
        alice.save()
        Client(REMOTE_ADDR=ELSEWHERE).force_login(alice)
        assert self.letters() == 0

    def test_who_becomes_an_admin_is_written_whatever_writes_it(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(is_staff=True)
        alice.refresh_from_db()
        alice.name = "Alice B."
        alice.save()
        alice.is_staff = False
        alice.save()
        boss = User.objects.create_superuser("boss@example.com", PASSWORD)
        kinds = AuthenticationEvent.objects.order_by("pk").values_list("user_id", "kind")
        assert list(kinds) == [
            (alice.pk, "became_admin"), (alice.pk, "no_admin"), (boss.pk, "became_admin"),
        ]  # fmt: skip
