"""The door of the admin desk: who comes in, and who is asked again."""

import time

from django.test import Client

from credits.models import AuditEntry, AuthenticationEvent, User
from credits.users.permissions import CONFIRMED_AT, CONFIRMED_FOR
from tests.factories import PASSWORD


def grow_old(client: Client, seconds: int = CONFIRMED_FOR + 1) -> None:
    session = client.session
    session[CONFIRMED_AT] = int(time.time()) - seconds
    session.save()


def test_nobody_is_sent_to_sign_in_and_comes_back(client: Client, db: None) -> None:
    answer = client.get("/admin/users?search=x")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in?next=/admin/users%3Fsearch%3Dx"


def test_a_user_finds_nothing_there(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/admin").status_code == 404
    assert client.get("/admin/confirm").status_code == 404


def test_an_admin_comes_in_and_finds_the_way(desk: Client) -> None:
    assert desk.get("/admin").status_code == 200
    assert 'href="/admin"' in desk.get("/usage").text


def test_a_user_sees_no_way_to_it(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert 'href="/admin"' not in client.get("/usage").text


def test_a_demoted_admin_loses_access_with_the_next_request(desk: Client, admin: User) -> None:
    admin.is_staff = False
    admin.save()
    assert desk.get("/admin").status_code == 404
    assert desk.get("/api/admin/settings").status_code == 404


class TestAfterTwelveHours:
    def test_the_password_is_asked_for_and_then_the_page_comes(self, desk: Client) -> None:
        grow_old(desk)
        answer = desk.get("/admin/users?search=x")
        assert answer["Location"] == "/admin/confirm?next=/admin/users%3Fsearch%3Dx"
        answer = desk.post(answer["Location"], {"password": PASSWORD})
        assert answer["Location"] == "/admin/users?search=x"
        assert desk.get(answer["Location"]).status_code == 200

    def test_a_wrong_password_lets_nobody_in(self, desk: Client) -> None:
        grow_old(desk)
        answer = desk.post("/admin/confirm", {"password": "wrong"})
        assert "This is not your current password." in answer.text
        assert desk.get("/admin").status_code == 302

    def test_an_open_session_is_no_way_to_guess_it(self, desk: Client) -> None:
        grow_old(desk)
        for _ in range(5):
            answer = desk.post("/admin/confirm", {"password": "guess"})
        assert answer.status_code == 429
        assert desk.post("/admin/confirm", {"password": PASSWORD}).status_code == 429

    def test_it_is_in_the_trail(self, desk: Client, admin: User) -> None:
        desk.post("/admin/confirm", {"password": PASSWORD})
        event = AuthenticationEvent.objects.latest("pk")
        assert (event.user, event.kind) == (admin, "confirmed")

    def test_the_way_back_leads_to_no_other_site(self, desk: Client) -> None:
        answer = desk.post("/admin/confirm?next=https://evil.example/", {"password": PASSWORD})
        assert answer["Location"] == "/admin"

    def test_the_api_asks_too_when_a_session_calls_it(self, desk: Client) -> None:
        grow_old(desk)
        answer = desk.get("/api/admin/settings")
        assert answer.status_code == 403
        assert "/admin/confirm" in answer.json()["message"]

    def test_eleven_hours_are_not_twelve(self, desk: Client) -> None:
        grow_old(desk, 11 * 3600)
        assert desk.get("/admin").status_code == 200

    def test_a_fragment_takes_the_whole_window_there(self, desk: Client) -> None:
        grow_old(desk)
        headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/admin/users"}
        answer = desk.get("/admin/users", headers=headers)
        assert answer["HX-Redirect"] == "/admin/confirm?next=/admin/users"


def test_a_change_of_a_price_is_written_down_with_its_origin(desk: Client, admin: User) -> None:
    body = {"featureCosts": {"ai_text_chat": 3}}
    answer = desk.put("/api/admin/settings", body, content_type="application/json")
    assert answer.status_code == 200
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.target) == (admin, "price.change", "ai_text_chat")
    assert (entry.before, entry.after, entry.origin) == (1, 3, "127.0.0.1")
