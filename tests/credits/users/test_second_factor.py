"""/account/second-factor and /sign-in/code: a code of an app besides the password."""

import re
import time
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.signals import user_logged_in
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from credits.models import AuditEntry, AuthenticationEvent, Session, User
from credits.users import second_factor, second_factor_views
from credits.users.second_factor import make_recovery_codes
from tests.api import Api, assert_problem
from tests.credits.users.conftest import Browser, link_in_letter, work
from tests.factories import PASSWORD, add_second_factor, code_of
from tests.live import Site
from tests.parallel import backend_pid, in_background, wait_until_blocked

PAGE = "/account/second-factor"
NOT_RIGHT = "This code is not right, or was used before."


@pytest.fixture
def app(alice: User) -> TOTPDevice:
    """Alice's app, set up."""
    return add_second_factor(alice)


def give_password(browser: Browser, next_: str = "") -> Any:
    return browser.send("/sign-in", username="alice@example.com", password=PASSWORD, next=next_)


def give_code(browser: Browser, code: str) -> Any:
    return browser.send("/sign-in/code", code=code)


def kinds(user: User) -> list[str]:
    events = AuthenticationEvent.objects.filter(user=user).order_by("pk")
    return list(events.values_list("kind", flat=True))


def notices() -> list[str]:
    """What letters that wait for the worker say."""
    jobs = ProcrastinateJob.objects.filter(task_name="users.send_letter").order_by("pk")
    return [job.args["context"]["what"] for job in jobs]


def recovery_codes(user: User) -> list[str]:
    request = Client().get("/sign-in").wsgi_request
    return make_recovery_codes(user=user, request=request)


class TestSettingUp:
    @pytest.fixture
    def browser(self, browser: Browser, alice: User) -> Browser:
        browser.client.force_login(alice)
        return browser

    def offered(self, browser: Browser) -> dict[str, str]:
        """The hidden secret of the page, and the same in hexadecimal as people read it."""
        text = browser.get(PAGE).text
        signed = re.search(r'name="secret" value="([^"]+)"', text)
        shown = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', text)
        return {"secret": unescape(signed[1]), "key": b32decode(shown[1].replace(" ", "")).hex()}

    def set_up(self, browser: Browser, **fields: str) -> Any:
        offer = self.offered(browser)
        form = {"secret": offer["secret"], "password": PASSWORD, "code": code_of(offer["key"])}
        return browser.send(PAGE, **{**form, **fields})

    def test_the_app_is_set_up_and_ten_codes_are_shown_once(
        self, browser: Browser, alice: User
    ) -> None:
        answer = self.set_up(browser)
        codes = re.findall(r"<code>([a-z2-7]{4}-[a-z2-7]{4})</code>", answer.text)
        assert len(set(codes)) == 10
        assert all(code in answer.text.partition("data:text/plain,")[2] for code in codes)
        assert codes[0] not in browser.get(PAGE).text
        assert "10 recovery codes left" in browser.get(PAGE).text
        assert "Since" in browser.get("/account").text
        assert kinds(alice)[-2:] == ["second_factor_added", "recovery_codes_made"]
        assert not {code.replace("-", "") for code in codes} & set(
            StaticToken.objects.values_list("token", flat=True)
        )

    def test_other_sessions_end_and_this_one_goes_on(
        self, browser: Browser, other_browser: Browser, alice: User
    ) -> None:
        other_browser.client.force_login(alice)
        self.set_up(browser)
        assert browser.signed_in
        assert not other_browser.signed_in

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"password": "wrong"}, "This is not your current password."),
            ({"password": ""}, "This field is required."),
            ({"code": "000000"}, "The app shows another code"),
            ({"code": "abcd-efgh"}, "The app shows another code"),
            ({"secret": "forged"}, "This QR code is too old"),
        ],
    )
    def test_what_is_wrong_is_said_and_sets_nothing_up(
        self, browser: Browser, alice: User, fields: dict[str, str], message: str
    ) -> None:
        assert message in self.set_up(browser, **fields).text
        alice.refresh_from_db()
        assert alice.second_factor_at is None
        assert not TOTPDevice.objects.exists()

    def test_a_mistyped_code_keeps_the_secret_that_was_scanned(self, browser: Browser) -> None:
        offer = self.offered(browser)
        form = {"secret": offer["secret"], "password": PASSWORD, "code": "000000"}
        assert offer["secret"] in unescape(browser.send(PAGE, **form).text)

    def test_a_secret_that_was_offered_to_somebody_else_is_refused(
        self, browser: Browser, bob: User
    ) -> None:
        other = Browser()
        other.client.force_login(bob)
        theirs = self.offered(other)
        answer = self.set_up(browser, secret=theirs["secret"], code=code_of(theirs["key"]))
        assert "This QR code is too old" in answer.text

    def test_a_second_app_is_refused(self, browser: Browser, alice: User) -> None:
        offer = self.offered(browser)
        add_second_factor(alice)
        form = {"secret": offer["secret"], "password": PASSWORD, "code": code_of(offer["key"])}
        assert browser.send(PAGE, **form).status_code == 200
        assert TOTPDevice.objects.filter(user=alice).count() == 1

    def test_a_letter_tells_of_it(self, browser: Browser, settings: Settings) -> None:
        settings.MAIL_CONFIGURED = True
        self.set_up(browser)
        assert notices() == ["A second factor was added to your account."]

    def test_whoever_signs_in_elsewhere_has_it_there(self, browser: Browser, alice: User) -> None:
        alice.set_unusable_password()
        alice.save()
        browser.client.force_login(alice)
        assert "are kept where you sign in" in browser.get(PAGE).text
        assert "Second factor" not in browser.get("/account").text
        assert Api(alice).post(PAGE).status_code == 403


class TestSigningIn:
    def test_between_password_and_code_nobody_is_signed_in(
        self, browser: Browser, app: TOTPDevice
    ) -> None:
        assert give_password(browser)["Location"] == "/sign-in/code"
        assert not browser.signed_in
        assert browser.get("/api/credits/me").status_code == 401
        assert not Session.objects.exclude(user=None).exists()
        assert give_code(browser, code_of(app.key))["Location"] == "/ai-chat"
        assert browser.signed_in

    def test_without_the_password_there_is_no_page(self, browser: Browser, app: TOTPDevice) -> None:
        assert browser.get("/sign-in/code")["Location"] == "/sign-in/password?next=/"

    @pytest.mark.parametrize(
        ("next_", "back"),
        [("/usage?row=5", "/usage?row=5"), ("https://evil.example", "/ai-chat")],
    )
    def test_it_leads_back_within_the_site(
        self, browser: Browser, app: TOTPDevice, next_: str, back: str
    ) -> None:
        give_password(browser, next_)
        assert give_code(browser, code_of(app.key))["Location"] == back

    def test_the_session_gets_a_new_key(self, browser: Browser, app: TOTPDevice) -> None:
        give_password(browser)
        waiting = browser.client.cookies["sessionid"].value
        give_code(browser, code_of(app.key))
        assert browser.client.cookies["sessionid"].value != waiting
        assert not Session.objects.filter(pk=waiting).exists()
        days = Session.objects.get().expire_date - timezone.now()
        assert days.days == 13

    def test_a_code_may_be_written_in_groups(self, browser: Browser, app: TOTPDevice) -> None:
        give_password(browser)
        code = code_of(app.key)
        give_code(browser, f" {code[:3]} {code[3:]} ")
        assert browser.signed_in

    @pytest.mark.parametrize("code", ["000000", "", "٣٣٣٣٣٣", "1e5", "-1", "x" * 500, "\0"])
    def test_a_wrong_code_signs_nobody_in(
        self, browser: Browser, app: TOTPDevice, code: str
    ) -> None:
        give_password(browser)
        assert give_code(browser, code).status_code == 200
        assert not browser.signed_in

    def test_a_code_is_right_once(
        self, browser: Browser, other_browser: Browser, app: TOTPDevice, alice: User
    ) -> None:
        code = code_of(app.key)
        give_password(browser)
        give_code(browser, code)
        give_password(other_browser)
        assert NOT_RIGHT in give_code(other_browser, code).text
        assert not other_browser.signed_in
        assert kinds(alice)[-1] == "wrong_code"

    def test_twenty_posts_of_one_code_at_once_sign_in_once(self, site: Site, alice: User) -> None:
        app = add_second_factor(alice)
        AuthenticationEvent.objects.all().delete()
        clients = [site.client() for _ in range(20)]
        form = {"username": alice.email, "password": PASSWORD}
        for client in clients:
            assert client.post("/sign-in", data=form).headers["Location"] == "/sign-in/code"
        code = {"code": code_of(app.key)}
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda c: c.post("/sign-in/code", data=code), clients))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(302) == 1
        # Judged were no more than are counted.
        assert statuses.count(200) == configured.CODES_PER_HOUR - 1
        assert statuses.count(429) == 20 - configured.CODES_PER_HOUR
        assert Session.objects.filter(user=alice).count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("kind", ["app", "recovery"])
    def test_a_code_that_is_being_judged_is_waited_for(self, alice: User, kind: str) -> None:
        app, request = add_second_factor(alice), Client().get("/sign-in").wsgi_request
        code = code_of(app.key) if kind == "app" else recovery_codes(alice)[0]

        def judged() -> bool:
            # Without the count of codes, which waits as well where it is not committed.
            with transaction.atomic():
                return second_factor._is_right(alice, code, request)

        with transaction.atomic():
            assert judged()
            second = in_background(judged)
            wait_until_blocked(by=backend_pid())
        assert second.result() is False

    def test_one_that_was_set_up_while_the_password_was_judged_is_asked_for(
        self, browser: Browser, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judge = ModelBackend.authenticate

        def judge_slowly(*args: Any, **options: Any) -> Any:
            user = judge(*args, **options)
            add_second_factor(User.objects.get())
            return user

        monkeypatch.setattr(ModelBackend, "authenticate", judge_slowly)
        assert give_password(browser)["Location"] == "/sign-in/code"
        assert not browser.signed_in

    @pytest.mark.django_db(transaction=True)
    def test_setting_one_up_waits_for_a_sign_in_and_ends_it(
        self, browser: Browser, alice: User
    ) -> None:
        key = default_key()
        request = Client().get("/sign-in").wsgi_request
        at_work: list[Any] = []

        def set_up() -> None:
            second_factor.set_up(user=alice, secret=key, code=code_of(key), request=request)

        def meanwhile(**_: object) -> None:
            at_work.append(in_background(set_up))
            wait_until_blocked(by=backend_pid())

        user_logged_in.connect(meanwhile)
        try:
            give_password(browser)
        finally:
            user_logged_in.disconnect(meanwhile)
        at_work[0].result()
        assert not browser.signed_in

    def test_guesses_are_counted_for_the_user(
        self, browser: Browser, app: TOTPDevice, alice: User, settings: Settings
    ) -> None:
        settings.CODES_PER_HOUR, settings.MAIL_CONFIGURED = 3, True
        give_password(browser)
        for _ in range(3):
            assert give_code(browser, "000000").status_code == 200
        answer = give_code(browser, code_of(app.key))
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) > 0
        assert not browser.signed_in
        give_code(browser, "000000")
        assert kinds(alice) == [*["wrong_code"] * 3, "locked_out"]
        assert notices() == ["Somebody who knows your password tried many wrong codes."]

    def test_guesses_are_counted_for_the_address(
        self, browser: Browser, app: TOTPDevice, bob: User, settings: Settings
    ) -> None:
        settings.CODES_PER_HOUR_AND_ADDRESS = 1
        give_password(browser)
        give_code(browser, "000000")
        theirs = add_second_factor(bob)
        other = Browser()
        other.send("/sign-in", username=bob.email, password=PASSWORD)
        assert give_code(other, code_of(theirs.key)).status_code == 429

    def test_the_wait_for_a_code_ends(
        self, browser: Browser, app: TOTPDevice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give_password(browser, "/usage")
        later = time.time() + second_factor_views.CODE_SECONDS + 1
        monkeypatch.setattr("credits.users.second_factor_views.time.time", lambda: later)
        assert browser.get("/sign-in/code")["Location"] == "/sign-in/password?next=/usage"

    def test_a_new_password_by_a_letter_is_no_way_around_it(
        self, browser: Browser, app: TOTPDevice, with_mail: None
    ) -> None:
        browser.send("/password-reset", email="alice@example.com")
        work()
        form = browser.get(link_in_letter("reset"))["Location"]
        browser.send(form, new_password="a quite different staple")
        assert not browser.signed_in
        browser.send("/sign-in", username="alice@example.com", password="a quite different staple")
        assert not browser.signed_in
        give_code(browser, code_of(app.key))
        assert browser.signed_in

    @pytest.mark.parametrize("change", ["password", "closed", "removed"])
    def test_a_change_of_the_account_ends_the_wait(
        self, browser: Browser, app: TOTPDevice, alice: User, change: str
    ) -> None:
        give_password(browser)
        alice.refresh_from_db()
        if change == "password":
            alice.set_password("a quite different staple")
        elif change == "closed":
            alice.is_active = False
        else:
            alice.second_factor_at = None
        alice.save()
        browser.client.handler.enforce_csrf_checks = False
        answer = browser.client.post("/sign-in/code", {"code": code_of(app.key)})
        assert answer["Location"].startswith("/sign-in/password")
        assert not browser.signed_in

    def test_a_recovery_code_is_right_once(
        self, browser: Browser, other_browser: Browser, app: TOTPDevice, alice: User,
        settings: Settings,
    ) -> None:  # fmt: skip
        settings.MAIL_CONFIGURED = True
        code = recovery_codes(alice)[3]
        give_password(browser)
        give_code(browser, f" {code.upper()} ")
        assert browser.signed_in
        assert kinds(alice)[-2:] == ["recovery_code_used", "signed_in"]
        assert notices()[0] == "A recovery code of your account was used."
        give_password(other_browser)
        assert NOT_RIGHT in give_code(other_browser, code).text

    def test_a_recovery_code_of_somebody_else_is_wrong(
        self, browser: Browser, app: TOTPDevice, bob: User
    ) -> None:
        give_password(browser)
        give_code(browser, recovery_codes(bob)[0])
        assert not browser.signed_in


class TestChanging:
    @pytest.fixture
    def browser(self, browser: Browser, alice: User, app: TOTPDevice) -> Browser:
        give_password(browser)
        give_code(browser, code_of(app.key))
        return browser

    def test_new_recovery_codes_replace_the_old(
        self, browser: Browser, app: TOTPDevice, alice: User
    ) -> None:
        old = recovery_codes(alice)[0]
        answer = browser.send(
            PAGE, action="codes", password=PASSWORD, code=code_of(app.key, steps=1)
        )
        new = re.findall(r"<code>([a-z2-7-]+)</code>", answer.text)
        assert len(new) == 10
        assert old not in new
        assert NOT_RIGHT in browser.send(PAGE, action="codes", password=PASSWORD, code=old).text
        assert browser.send(PAGE, action="codes", password=PASSWORD, code=new[0]).status_code == 200

    def test_it_is_removed_for_a_password_and_a_code(
        self, browser: Browser, app: TOTPDevice, alice: User
    ) -> None:
        answer = browser.send(
            PAGE, action="remove", password=PASSWORD, code=code_of(app.key, steps=1)
        )
        assert answer["Location"] == "/account"
        assert browser.signed_in
        alice.refresh_from_db()
        assert alice.second_factor_at is None
        assert not TOTPDevice.objects.exists()
        assert kinds(alice)[-1] == "second_factor_removed"
        assert give_password(Browser())["Location"] == "/ai-chat"

    @pytest.mark.parametrize(
        "wrong", [{"password": "wrong"}, {"code": "000000"}, {"action": "other"}, {"code": ""}]
    )
    def test_nothing_is_removed_for_less(
        self, browser: Browser, app: TOTPDevice, alice: User, wrong: dict[str, str]
    ) -> None:
        form = {"action": "remove", "password": PASSWORD, "code": code_of(app.key, steps=1)}
        browser.send(PAGE, **{**form, **wrong})
        alice.refresh_from_db()
        assert alice.second_factor_at


class TestAdmins:
    @pytest.fixture
    def desk(self, client: Client, admin: User) -> Client:
        client.force_login(admin)
        return client

    def test_without_the_setting_nothing_is_asked(self, desk: Client) -> None:
        assert desk.get("/admin").status_code == 200

    def test_the_setting_sends_admins_to_set_one_up(
        self, desk: Client, settings: Settings, alice: User
    ) -> None:
        settings.ADMIN_SECOND_FACTOR = True
        answer = desk.get("/admin/users?search=x")
        assert answer["Location"] == "/account/second-factor?next=/admin/users%3Fsearch%3Dx"
        assert "Admins of this site need a second factor." in desk.get(answer["Location"]).text
        assert_problem(desk.get("/api/admin/settings"), 403, "second_factor_required")
        assert desk.get("/usage").status_code == 200
        assert desk.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 404
        assert Api(alice).get("/admin").status_code == 404

    def test_setting_one_up_opens_the_desk(
        self, desk: Client, settings: Settings, admin: User
    ) -> None:
        settings.ADMIN_SECOND_FACTOR = True
        offer = TestSettingUp().offered(_as_browser(desk))
        form = {"password": PASSWORD, "code": code_of(offer["key"]), "next": "/admin/users"}
        answer = desk.post(PAGE, {**form, "secret": offer["secret"]})
        assert 'href="/admin/users">I have kept them' in answer.text
        assert desk.get("/admin/users").status_code == 200
        assert desk.get("/api/admin/settings").status_code == 200

    def test_the_way_on_leads_to_no_other_site(self, desk: Client, settings: Settings) -> None:
        assert "evil.example" not in desk.get(f"{PAGE}?next=https://evil.example/").text

    @pytest.mark.parametrize("demanded", [True, False])
    def test_a_session_from_before_shows_the_code_once(
        self, desk: Client, admin: User, settings: Settings, demanded: bool
    ) -> None:
        settings.ADMIN_SECOND_FACTOR = demanded
        app = add_second_factor(admin)
        answer = desk.get("/admin/usage")
        assert answer["Location"] == "/admin/confirm?next=/admin/usage"
        assert_problem(desk.get("/api/admin/settings"), 403, "second_factor_required")
        assert "has not shown your second factor" in desk.get(answer["Location"]).text
        form = {"password": PASSWORD, "code": "000000"}
        assert NOT_RIGHT in desk.post(answer["Location"], form).text
        assert desk.get("/admin/usage").status_code == 302
        form["code"] = code_of(app.key)
        assert desk.post(answer["Location"], form)["Location"] == "/admin/usage"
        assert desk.get("/admin/usage").status_code == 200
        assert desk.get("/api/admin/settings").status_code == 200
        assert kinds(admin)[-2:] == ["wrong_code", "confirmed"]

    def test_another_app_is_shown_anew(self, desk: Client, admin: User) -> None:
        app = add_second_factor(admin)
        desk.post("/admin/confirm", {"password": PASSWORD, "code": code_of(app.key)})
        assert desk.get("/admin").status_code == 200
        app.delete()
        add_second_factor(admin)
        assert desk.get("/admin").status_code == 302

    def test_the_password_alone_confirms_nothing(self, desk: Client, admin: User) -> None:
        add_second_factor(admin)
        desk.post("/admin/confirm", {"password": PASSWORD})
        assert desk.get("/admin").status_code == 302


def _as_browser(client: Client) -> Browser:
    browser = Browser()
    browser.client = client
    return browser


class TestReset:
    def test_an_operator_removes_a_lost_app(
        self, browser: Browser, app: TOTPDevice, alice: User, settings: Settings
    ) -> None:
        settings.MAIL_CONFIGURED = True
        recovery_codes(alice)
        browser.client.force_login(alice)
        out = StringIO()
        call_command("reset_second_factor", "Alice@example.com", stdout=out)
        assert "is removed" in out.getvalue()
        assert not browser.signed_in
        assert not StaticToken.objects.exists()
        assert give_password(browser)["Location"] == "/ai-chat"
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.user_id) == ("second_factor.reset", alice.pk)
        assert kinds(alice)[-2:] == ["second_factor_removed", "signed_in"]
        assert notices()[0] == "The second factor of your account was removed."

    @pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
    def test_who_has_none_is_said(self, alice: User, email: str) -> None:
        with pytest.raises(CommandError):
            call_command("reset_second_factor", email)
        assert not AuditEntry.objects.exists()
