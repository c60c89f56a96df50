"""The pages of one's own webhooks: the secret once, the list of what was sent, and what can be
done; the same over the JSON API."""

import re
from typing import Any

import pytest
from django.test import Client

from credits.events import endpoints
from credits.events.announcing import announce
from credits.events.endpoints import BY_HAND_PER_HOUR, MOST, WithSecret, add_endpoint
from credits.events.sending import send_due
from credits.models import User, WebhookAttempt, WebhookEndpoint, WebhookMessage
from credits.users import closing
from tests.api import BACKEND, Api, assert_problem
from tests.credits.users.conftest import Browser
from tests.fakes.receiver import Receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("to_anywhere")]
LIST = "/account/webhooks"


@pytest.fixture
def page(alice: User) -> Browser:
    browser = Browser()
    browser.client.force_login(alice, backend=BACKEND)
    return browser


def test_the_secret_is_shown_once_and_no_cache_keeps_it(page: Browser, receiver: Receiver) -> None:
    answer = page.send(LIST, url=receiver.url, description="My <b>own</b>")
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]{44}", answer.text)
    assert "no-store" in answer["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    for path in (LIST, f"{LIST}/{endpoint.pk}"):
        shown = page.get(path).text
        assert "My &lt;b&gt;own&lt;/b&gt;" in shown
        assert secret not in shown
    again = page.send(LIST, url=receiver.url)
    assert "You have a webhook at this address already" in again.text
    assert "whsec_" not in again.text


def test_what_is_wrong_with_an_address_is_said(page: Browser, settings: Any) -> None:
    settings.WEBHOOKS_TO_ANY_ADDRESS = False
    for url, sentence in (
        ("https://localhost/", "must be at a public address"),
        ("http://example.com/", "must begin with https://"),
        ("https://no-such-host.invalid/", "has no address"),
        ("https://example.com:22/", "must be 443 or 8443"),
    ):
        assert sentence in page.send(LIST, url=url).text
    assert not WebhookEndpoint.objects.exists()


def test_there_are_five_at_most(alice: User, page: Browser, receiver: Receiver) -> None:
    for number in range(MOST):
        add_endpoint(account_id=alice.pk, url=f"{receiver.url}/{number}")
    assert "as many as there can be" in page.get(LIST).text
    answer = Api(alice).send("POST", f"/api{LIST}", {"url": receiver.url})
    assert assert_problem(answer, 409, "too_many_webhooks")["most"] == MOST


def test_a_test_message_and_what_came_of_it(
    page: Browser, hook: WithSecret, receiver: Receiver
) -> None:
    path = f"{LIST}/{hook.endpoint.pk}"
    token = page.get(path).context["csrf_token"]
    receiver.answers = [500]
    page.client.post(f"{path}/test", {"csrfmiddlewaretoken": token})
    assert "next try" in page.get(path).text
    send_due()
    assert receiver.received[0].verify(hook.secret)["type"] == "webhook.test"
    shown = page.get(path).text
    assert "failed" in shown
    assert "500" in shown
    assert "Send now" in shown
    first = WebhookAttempt.objects.get(number=1)
    page.client.post(f"{path}/attempts/{first.pk}/again", {"csrfmiddlewaretoken": token})
    send_due()
    assert "delivered" in page.get(path).text
    assert receiver.received[0].id == receiver.received[1].id


def test_off_and_on_and_deleted(page: Browser, hook: WithSecret, receiver: Receiver) -> None:
    path = f"{LIST}/{hook.endpoint.pk}"
    token = {"csrfmiddlewaretoken": page.get(path).context["csrf_token"]}
    page.client.post(f"{path}/switch", {"active": "0", **token})
    assert "You turned it off" in page.get(path).text
    answer = page.client.post(f"{path}/test", token, follow=True)
    assert "This webhook is off" in answer.text
    page.client.post(f"{path}/switch", {"active": "1", **token})
    assert WebhookEndpoint.objects.get().active
    assert "Delete the webhook at 127.0.0.1?" in page.get(f"{path}/delete").text
    assert WebhookEndpoint.objects.exists()
    page.send(f"{path}/delete")
    assert not WebhookEndpoint.objects.exists()
    assert page.get(path).status_code == 404


def test_a_new_secret(page: Browser, hook: WithSecret) -> None:
    path = f"{LIST}/{hook.endpoint.pk}"
    token = {"csrfmiddlewaretoken": page.get(path).context["csrf_token"]}
    answer = page.client.post(f"{path}/secret", token)
    assert "whsec_" in answer.text
    assert "no-store" in answer["Cache-Control"]
    again = page.client.post(f"{path}/secret", token, follow=True)
    assert "less than 24 hours ago" in again.text
    assert "whsec_" in page.client.post(f"{path}/secret", {"end_former": "1", **token}).text


def test_alerts_by_mail_can_be_turned_off(alice: User, page: Browser, settings: Any) -> None:
    assert "This site sends no mail" in page.get(LIST).text
    settings.MAIL_CONFIGURED = True
    token = {"csrfmiddlewaretoken": page.get(LIST).context["csrf_token"]}
    page.client.post("/account/alerts", {"mail": "0", **token})
    assert "do not come by mail" in page.get(LIST).text
    alice.refresh_from_db()
    assert not alice.alerts_by_mail
    assert Api(alice).get("/api/account/alerts").json() == {"byMail": False}
    assert Api(alice).send("PUT", "/api/account/alerts", {"byMail": True}).status_code == 200
    assert "Alerts go to alice@example.com" in page.get(LIST).text


def test_the_same_as_a_program(alice: User, receiver: Receiver) -> None:
    api = Api(alice)
    made = api.send("POST", f"/api{LIST}", {"url": receiver.url, "description": "mine"})
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    secret, path = body.pop("secret"), f"/api{LIST}/{body['id']}"
    assert api.get(path).json() == body
    assert api.get(f"/api{LIST}").json() == {"items": [body]}
    assert (body["active"], body["disabledReason"], body["failingSince"]) == (True, None, None)

    assert api.send("POST", f"{path}/test").status_code == 202
    send_due()
    assert receiver.received[0].is_signed_with(secret)
    [attempt] = api.get(f"{path}/attempts").json()["items"]
    assert (attempt["type"], attempt["state"], attempt["status"]) == (
        "webhook.test", "delivered", 200,
    )  # fmt: skip
    assert attempt["messageId"] == receiver.received[0].id
    again = api.send("POST", f"{path}/attempts/{attempt['id']}/again").json()
    assert (again["number"], again["state"], again["failure"]) == (2, "pending", None)

    rolled = api.send("POST", f"{path}/roll", {})
    assert rolled["Cache-Control"] == "no-store"
    assert rolled.json()["formerSecretUntil"]
    assert_problem(api.send("POST", f"{path}/roll", {}), 409, "rolled_lately")
    off = api.send("PUT", path, {"active": False, "url": receiver.url + "/2"}).json()
    assert (off["disabledReason"], off["url"]) == ("by_user", receiver.url + "/2")
    assert_problem(api.send("POST", f"{path}/test"), 409, "webhook_off")
    assert api.send("DELETE", path).status_code == 204
    assert_problem(api.get(path), 404, "not_found")


@pytest.mark.parametrize("body", [
    {}, {"url": 1}, {"url": "nonsense"}, {"url": "https://x.example/", "secret": "mine"},
    {"url": "https://x.example/", "description": "a\0b"},
    {"url": "https://x.example/", "description": "two\nlines"}, {"url": "https://x\0.example/"},
])  # fmt: skip
def test_no_webhook(alice: User, body: dict[str, Any], settings: Any) -> None:
    settings.WEBHOOKS_TO_ANY_ADDRESS = False
    assert_problem(Api(alice).send("POST", f"/api{LIST}", body), 400, "invalid")


def test_the_same_address_twice(alice: User, hook: WithSecret, receiver: Receiver) -> None:
    api, other = Api(alice), add_endpoint(account_id=alice.pk, url=receiver.url + "/2").endpoint
    problem = assert_problem(
        api.send("PUT", f"/api{LIST}/{other.pk}", {"url": receiver.url}), 400, "invalid"
    )
    assert problem["issues"][0]["path"] == ["url"]


def test_by_hand_not_without_end(alice: User, bob: User, hook: WithSecret) -> None:
    for _ in range(BY_HAND_PER_HOUR - 1):
        endpoints.send_test(endpoint=hook.endpoint)
    answer = Api(alice).send("POST", f"/api{LIST}/{hook.endpoint.pk}/test")
    assert_problem(answer, 429, "too_many_requests")
    assert int(answer["Retry-After"]) > 3000
    page = Client()
    page.force_login(alice, backend=BACKEND)
    assert page.post(f"{LIST}/{hook.endpoint.pk}/test").status_code == 429


def test_pages_of_attempts(alice: User, hook: WithSecret) -> None:
    for number in range(30):
        announce(account_id=alice.pk, kind="test.happened", key=str(number), payload={})
    page = Client()
    page.force_login(alice, backend=BACKEND)
    path = f"{LIST}/{hook.endpoint.pk}"
    first = page.get(path)
    assert len(first.context["page"].rows) == 25
    older = page.get(f"{path}?before={first.context['page'].older}")
    assert len(older.context["page"].rows) == 5
    assert page.get(f"{path}?before=nonsense").status_code == 200


def test_nothing_is_left_of_a_closed_account(alice: User, bob: User, hook: WithSecret) -> None:
    for user in (alice, bob):
        announce(account_id=user.pk, kind="test.happened", key="1", payload={})
    closing.close(alice)
    assert not WebhookEndpoint.objects.exists()
    assert WebhookMessage.objects.get().account_id == bob.pk


def test_who_may_only_look_does_nothing(
    alice: User, hook: WithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "django.core.handlers.wsgi.WSGIRequest.clerk_impersonated", True, raising=False
    )
    api, path = Api(alice), f"{LIST}/{hook.endpoint.pk}"
    for method, call in (("POST", "/roll"), ("POST", "/test"), ("PUT", ""), ("DELETE", "")):
        assert api.send(method, f"/api{path}{call}", {}).status_code == 403
    for action in ("/secret", "/test", "/switch", "/delete"):
        assert api.post(f"{path}{action}").status_code == 403
    assert api.post(LIST, {"url": "https://example.com/"}).status_code == 403
    assert api.get(path).status_code == 200
