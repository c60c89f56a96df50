"""From a Clerk token to a Django session and back out of it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings

from ai_chat.models import Conversation
from credits.ledger import get_balance
from credits.models import ApiKey, SessionLink, User
from tests.credits.clerk.conftest import Deliver
from tests.factories import make_charge, make_grant
from tests.fakes.clerk import HOST, session_token, user_json
from tests.fakes.clerk_events import event

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
ACTOR = {"iss": "https://clerk.tally.example", "sid": "sess_0", "sub": "user_admin"}


def exchange(client: Client, token: Any) -> Any:
    return client.post("/auth/clerk/session", {"token": token})


def signed_in(client: Client) -> bool:
    return client.get("/api/credits/me").status_code == 200


def test_a_token_becomes_a_django_session(client: Client) -> None:
    before = client.session.session_key
    assert exchange(client, session_token("user_1")).status_code == 204
    assert signed_in(client)
    assert client.session.session_key != before
    assert client.session["clerk_sid"] == "sess_1"
    assert 0 < client.session.get_expiry_age() <= 12 * 3600
    assert not client.session.get_expire_at_browser_close()


def test_the_exchange_wants_a_csrf_token() -> None:
    strict = Client(enforce_csrf_checks=True)
    assert exchange(strict, session_token("user_1")).status_code == 403
    assert not User.objects.exists()


def test_a_token_that_is_refused_signs_nobody_in(client: Client) -> None:
    answer = exchange(client, session_token("user_1", exp=int(time.time()) - 60))
    assert answer.status_code == 401
    assert "expired" not in answer.text
    assert not signed_in(client)


@pytest.mark.parametrize("kind", ["ended", "removed", "revoked"])
def test_clerk_ends_the_session(client: Client, deliver: Deliver, kind: str) -> None:
    other = Client()
    exchange(client, session_token("user_1"))
    exchange(other, session_token("user_1", sid="sess_2"))
    data = {"object": "session", "id": "sess_1", "user_id": "user_1", "status": kind}
    deliver(event(f"session.{kind}", data, at=NOW))
    assert not signed_in(client)
    assert signed_in(other)


def test_a_token_that_outlives_its_session_opens_nothing(client: Client, deliver: Deliver) -> None:
    data = {"object": "session", "id": "sess_1", "user_id": "user_1", "status": "ended"}
    deliver(event("session.ended", data, at=NOW))
    assert exchange(client, session_token("user_1")).status_code == 401
    bearer = {"Authorization": f"Bearer {session_token('user_1')}"}
    assert client.get("/api/credits/me", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("user.deleted", {"id": "user_1", "deleted": True}),
        ("user.updated", user_json("user_1", at=NOW, banned=True)),
        ("user.updated", user_json("user_1", at=NOW, locked=True)),
    ],
)
def test_a_deleted_banned_or_locked_user_is_signed_out_everywhere(
    client: Client, deliver: Deliver, kind: str, data: dict[str, Any]
) -> None:
    other = Client()
    exchange(client, session_token("user_1"))
    exchange(other, session_token("user_1", sid="sess_2"))
    deliver(event(kind, data, at=NOW))
    assert not signed_in(client)
    assert not signed_in(other)


def test_a_banned_user_s_token_opens_nothing(client: Client, deliver: Deliver) -> None:
    deliver(event("user.updated", user_json("user_1", at=NOW, banned=True), at=NOW))
    assert exchange(client, session_token("user_1")).status_code == 401


@pytest.mark.parametrize("suffixed", [True, False])
def test_a_good_cookie_is_known_at_once(client: Client, suffixed: bool) -> None:
    from credits.clerk.conf import cookie_suffix

    name = f"__session_{cookie_suffix()}" if suffixed else "__session"
    client.cookies[name] = session_token("user_1")
    assert signed_in(client)


def test_another_application_s_cookie_is_passed_over(client: Client) -> None:
    from credits.clerk.conf import cookie_suffix

    client.cookies["__session"] = session_token("user_9", iss="https://clerk.other.example")
    client.cookies["__session_AAAAAAAA"] = session_token("user_9")
    assert not signed_in(client)
    client.cookies[f"__session_{cookie_suffix()}"] = session_token("user_1")
    assert signed_in(client)
    assert User.objects.get().clerk_id == "user_1"


@pytest.mark.parametrize("newer", ["suffixed", "plain"])
def test_of_two_good_cookies_the_newer_wins(client: Client, newer: str) -> None:
    from credits.clerk.conf import cookie_suffix

    now = int(time.time())
    names = {"suffixed": f"__session_{cookie_suffix()}", "plain": "__session"}
    for kind, name in names.items():
        issued = now if kind == newer else now - 20
        client.cookies[name] = session_token(f"user_{kind}", iat=issued)
    assert signed_in(client)
    assert User.objects.get().clerk_id == f"user_{newer}"


@pytest.mark.parametrize("iat", [10**12, "9" * 30, True, None, [], 1e400])
def test_a_cookie_that_only_claims_to_be_newer_is_passed_over(client: Client, iat: object) -> None:
    from credits.clerk.conf import cookie_suffix

    client.cookies["__session"] = session_token("user_9", iat=iat)
    client.cookies[f"__session_{cookie_suffix()}"] = session_token("user_1")
    assert signed_in(client)
    assert User.objects.get().clerk_id == "user_1"


def test_a_cookie_without_a_csrf_token_changes_nothing() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["__session"] = session_token("user_1")
    assert strict.post("/sign-out").status_code == 403


def test_an_expired_cookie_heals_on_the_way_through_the_door(client: Client) -> None:
    client.cookies["__session"] = session_token("user_1", exp=int(time.time()) - 60)
    answer = client.get("/usage")
    assert answer.status_code == 302
    door = client.get(answer["Location"])
    assert "Signing you in" in door.text
    assert 'data-next="/usage"' in door.text
    assert "data-automatic" in door.text


def test_healing_stops_when_the_browser_keeps_no_session(client: Client) -> None:
    client.cookies["__session"] = session_token("user_1", exp=int(time.time()) - 60)
    for _ in range(3):
        assert "data-automatic" in client.get("/sign-in?next=/usage").text
        assert exchange(client, session_token("user_1")).status_code == 204
        del client.cookies["sessionid"]
    assert "data-automatic" not in client.get("/sign-in?next=/usage").text


def test_who_is_signed_in_goes_where_they_wanted_to(client: Client) -> None:
    exchange(client, session_token("user_1"))
    assert client.get("/sign-in?next=/usage")["Location"] == "/usage"
    assert client.get("/sign-in?next=https://evil.example/")["Location"] == "/ai-chat"


def test_signing_out_leads_over_clerk_s_own_sign_out(client: Client) -> None:
    exchange(client, session_token("user_1"))
    answer = client.post("/sign-out")
    assert 'data-kind="sign-out"' in answer.text
    assert not signed_in(client)


def test_an_impersonated_session_is_marked_on_every_way_in(
    client: Client, rf: RequestFactory
) -> None:
    from credits.users.permissions import ImpersonatedAction, refuse_impersonated

    token = session_token("user_1", act=ACTOR)
    bearer = client.get("/api/credits/me", headers={"Authorization": f"Bearer {token}"})
    exchange(client, token)
    page = client.get("/usage")
    other = Client()
    other.cookies["__session"] = token
    cookie = other.get("/usage")
    for answer in (bearer, page, cookie):
        assert answer.status_code == 200
        with pytest.raises(ImpersonatedAction):
            refuse_impersonated(answer.wsgi_request)
    own = Client()
    exchange(own, session_token("user_1", sid="sess_2"))
    refuse_impersonated(own.get("/usage").wsgi_request)


def test_an_impersonated_admin_sees_no_figures_of_the_site(client: Client) -> None:
    exchange(client, session_token("user_1"))
    User.objects.update(is_staff=True)
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 200
    exchange(client, session_token("user_1", act=ACTOR))
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 404


SPENDING = [
    ("/ai-chat", {"message": "Hello", "model": "smollm2-135m", "price": "1"}),
    ("/ai-chat", {"mode": "image", "message": "A house", "image_model": "tally-painter"}),
    ("/images", {"message": "A house", "image_model": "tally-painter"}),
    ("/api/ai/chat", {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]}),
    ("/api/ai/image", {"prompt": "A house"}),
    # Whoever has a key spends later.
    ("/account/keys", {"name": "CI", "which": "all"}),
    ("/api/keys", {"name": "CI"}),
]


@pytest.mark.parametrize(("address", "body"), SPENDING)
def test_an_impersonated_session_spends_nowhere(
    client: Client, address: str, body: dict[str, Any]
) -> None:
    exchange(client, session_token("user_1", act=ACTOR))
    user = User.objects.get()
    make_grant(user, 100)
    if address.startswith("/api/"):
        answer = client.post(address, body, content_type="application/json")
    else:
        answer = client.post(address, body)
    assert answer.status_code == 403
    assert not user.usage.filter(unit_cost__isnull=False).exists()
    assert not ApiKey.objects.exists()


def in_a_cookie(client: Client, token: str) -> dict[str, str]:
    client.cookies.load({"__session": token})
    return {}


#: How a token comes: the function lets the client have it, and returns headers.
WAYS_IN: dict[str, Callable[[Client, str], dict[str, str]]] = {
    "session": lambda client, token: exchange(client, token) and {},
    "cookie": in_a_cookie,
    "bearer": lambda _, token: {"Authorization": f"Bearer {token}"},
    "bearer beside a session": lambda client, token: (
        exchange(client, token) and {"Authorization": f"Bearer {token}"}
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(("address", "body"), [row for row in SPENDING if "/api/" in row[0]])
def test_an_impersonated_token_spends_nothing_by_the_api(
    client: Client, address: str, body: dict[str, Any], way: str
) -> None:
    headers = WAYS_IN[way](client, session_token("user_1", act=ACTOR))
    assert client.get("/api/credits/me", headers=headers).status_code == 200
    user = User.objects.get()
    make_grant(user, 100)
    answer = client.post(address, body, content_type="application/json", headers=headers)
    assert answer.status_code == 403
    assert not user.usage.filter(unit_cost__isnull=False).exists()


def test_an_impersonated_session_spends_in_no_conversation_that_is_there(client: Client) -> None:
    exchange(client, session_token("user_1", act=ACTOR))
    user = User.objects.get()
    make_grant(user, 100)
    conversation = f"/ai-chat/{Conversation.objects.create(user=user, title='A talk').pk}"
    assert client.get(conversation).status_code == 200
    for body in (body for address, body in SPENDING if address == "/ai-chat"):
        assert client.post(conversation, body).status_code == 403
        assert client.post(conversation, body, headers={"HX-Request": "true"}).status_code == 403
    assert not user.usage.filter(unit_cost__isnull=False).exists()


def test_who_acts_in_an_admin_s_name_moves_nobody_s_credits(
    client: Client, alice: User, settings: Settings
) -> None:
    settings.ADMIN_USER_IDS = {"user_1"}
    token = session_token("user_1", act=ACTOR)
    bearer = {"Authorization": f"Bearer {token}"}
    exchange(client, token)
    make_grant(alice, 100)
    charge = make_charge(alice, 2)
    grant = {"change": 100, "reason": "A gift", "override": 5, "confirmed": "1"}
    for address in (
        f"/admin/users/{alice.pk}/adjust", f"/admin/users/charges/{charge.id}/refund",
        "/admin/users/approvals", "/admin/sync", "/admin/settings", "/admin/webhooks",
    ):  # fmt: skip
        assert client.get(address).status_code == 404
        assert client.post(address, grant).status_code == 404
    for address in (
        f"/api/admin/users/{alice.pk}/credits", f"/api/admin/credits/{alice.pk}",
        "/api/admin/users/sync", "/api/admin/settings",
    ):  # fmt: skip
        for send in (client.post, client.patch, client.put):
            for headers in ({}, bearer):
                answer = send(address, grant, content_type="application/json", headers=headers)
                assert answer.status_code == 404
    assert [row.pk for row in alice.usage.filter(unit_cost__isnull=False)] == [charge.id]
    assert get_balance(user_id=alice.pk).remaining == charge.balance


@pytest.mark.parametrize("address", ["/sign-in", "/sign-up", "/pricing"])
def test_pages_with_clerk_allow_exactly_its_hosts(client: Client, address: str) -> None:
    answer = client.get(address)
    policy = dict(
        part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";")
    )
    assert policy["script-src"].split()[:2] == ["'self'", f"https://{HOST}"]
    assert "unsafe-inline" not in policy["script-src"]
    assert ("stripe" in policy["script-src"]) == (address == "/pricing")
    checkout = address == "/pricing"
    challenges = {"https://challenges.cloudflare.com", "https://*.protect.clerk.com"}
    hosts = {name: set(policy[name].split()) for name in policy}
    assert hosts["script-src"] == {"'self'", f"https://{HOST}"} | challenges | (
        {"https://js.stripe.com"} if checkout else set()
    )
    assert hosts["connect-src"] == {
        "'self'", f"https://{HOST}", "https://*.protect.clerk.com:*",
    } | ({"https://api.stripe.com"} if checkout else set())  # fmt: skip
    assert hosts["frame-src"] == challenges | (
        {"https://js.stripe.com", "https://hooks.stripe.com"} if checkout else set()
    )
    assert hosts["img-src"] == {"'self'", "https://img.clerk.com"}
    assert hosts["default-src"] == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert f'src="https://{HOST}/npm/@clerk/clerk-js@6/dist/clerk.browser.js"' in answer.text
    assert f'src="https://{HOST}/npm/@clerk/ui@1/dist/ui.browser.js"' in answer.text
    assert "The sign-in service does not answer" in answer.text


def test_other_pages_do_not_allow_them(client: Client) -> None:
    assert HOST not in client.get("/")["Content-Security-Policy"]


def test_staff_can_sign_in_with_a_password_beside_clerk(client: Client, admin: User) -> None:
    assert 'type="password"' in client.get("/sign-in/password").text


@pytest.mark.parametrize("address", ["/sign-in", "/sign-up", "/pricing"])
def test_without_clerk_nothing_of_it_shows(
    client: Client, settings: Settings, address: str
) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    answer = client.get(address)
    assert answer.status_code == 200
    assert "clerk" not in answer.text.lower()
    assert "clerk" not in answer["Content-Security-Policy"]


def test_without_clerk_there_is_no_exchange(client: Client, settings: Settings) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert exchange(client, session_token("user_1")).status_code == 404


def test_however_often_a_token_was_exchanged_all_of_it_ends(deliver: Deliver) -> None:
    browsers = [Client() for _ in range(12)]
    for browser in browsers:
        assert exchange(browser, session_token("user_1")).status_code == 204
    data = {"object": "session", "id": "sess_1", "user_id": "user_1", "status": "revoked"}
    deliver(event("session.revoked", data, at=NOW))
    assert not any(signed_in(browser) for browser in browsers)


def test_two_tabs_end_together(client: Client, deliver: Deliver) -> None:
    other = Client()
    exchange(client, session_token("user_1"))
    exchange(other, session_token("user_1"))
    data = {"object": "session", "id": "sess_1", "user_id": "user_1", "status": "ended"}
    deliver(event("session.ended", data, at=NOW))
    assert not signed_in(client)
    assert not signed_in(other)
    assert SessionLink.objects.get().ended_at
