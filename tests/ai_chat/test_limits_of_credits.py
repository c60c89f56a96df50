"""A limit of credits on the pages and calls that spend: said before, refused, told once reached,
through a running site."""

import re
from typing import Any

import httpx
import pytest

from ai_chat.models import ImageRequest, Turn
from credits.models import LimitAlert, User, WebhookMessage
from tests.factories import make_charge, make_limit, set_price
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGE = [{"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}]


def words(page: httpx.Response) -> str:
    return " ".join(page.text.split())


def say(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/ai-chat", data={"message": "Hello", "price": "1", **fields})


def ask(client: httpx.Client) -> httpx.Response:
    return client.post(
        "/api/ai/chat", json={"messages": MESSAGE}, headers={"Accept": "application/json"}
    )


def test_the_button_knows_it_before(chat_site: Site, alice: User) -> None:
    client = chat_site.client(alice)
    assert "Your limits" not in client.get("/ai-chat").text
    make_limit(alice, 4)
    make_charge(alice, 4)
    page = words(client.get("/ai-chat"))
    assert "A message costs 1; the limit of 4 credits a day leaves 0 until" in page
    assert re.search(r'disabled aria-describedby="short"', page)
    assert '<a href="/account/limits">Your limits</a>' in page
    images = words(client.get("/images"))
    assert "1 image costs 5; the limit of 4 credits a day leaves 0 until" in images


def test_the_button_changes_when_the_limit_does(chat_site: Site, alice: User) -> None:
    client = chat_site.client(alice)
    limit = make_limit(alice, 4)
    make_charge(alice, 4)
    shown = re.search(r'name="shown" value="([^"]+)"', client.get("/ai-chat").text)
    assert shown
    assert client.get("/ai-chat/offer", params={"shown": shown[1]}).status_code == 204
    limit.credits = 9
    limit.save()
    offer = client.get("/ai-chat/offer", params={"shown": shown[1]})
    assert offer.status_code == 200
    assert "disabled" not in offer.text.split('class="offer for-image"')[0]


def test_the_page_refuses_and_says_which_limit(chat_site: Site, alice: User) -> None:
    client = chat_site.client(alice)
    make_limit(alice, 3, by_admin=True)
    make_charge(alice, 3)
    refused = say(client)
    assert refused.status_code == 402
    problem = re.search(r'id="problem"[^>]*>(.*?)</p>', words(refused))
    assert problem
    assert problem[1].startswith(
        "This message costs 1; the limit of 3 credits a day that an admin set leaves 0 until"
    )
    assert problem[1].endswith('Nothing was charged. <a href="/account/limits">Your limits</a>')
    image = client.post("/images", data={"message": "A lighthouse", "count": "2"})
    assert image.status_code == 402
    assert "2 images cost 10; the limit" in words(image)
    assert not Turn.objects.exists()
    assert not ImageRequest.objects.exists()


def test_the_api_says_it_with_figures(chat_site: Site, alice: User) -> None:
    client = chat_site.client(alice)
    limit = make_limit(alice, 3)
    make_charge(alice, 3)
    refused = ask(client)
    assert refused.status_code == 402
    body = refused.json()
    assert (body["error"], body["required"], body["available"]) == ("limit_reached", 1, 0)
    assert (body["limit"]["id"], body["limit"]["spent"]) == (limit.pk, "3.000000000000")
    assert body["limit"]["resetsAt"].endswith("T00:00:00Z")
    assert body["message"].startswith("This takes 1 credit; the limit of 3 credits a day leaves 0")
    image = client.post("/api/ai/image", json={"prompt": "A lighthouse", "count": 2})
    assert (image.status_code, image.json()["required"]) == (402, 10)


def test_what_reaches_it_is_told(chat_site: Site, alice: User, provider: FakeProvider) -> None:
    """The process that ends the job says so; no worker runs here."""
    client = chat_site.client(alice)
    make_limit(alice, 2, alert_at=[50, 100])
    assert ask(client).status_code == 200
    wait_for(lambda: LimitAlert.objects.count() == 1, "the first alert")
    assert say(client).status_code == 302
    wait_for(lambda: LimitAlert.objects.count() == 2, "the second alert")
    kinds = WebhookMessage.objects.order_by("created_at").values_list("kind", flat=True)
    assert list(kinds) == ["limit.threshold_reached", "limit.reached"]
    assert ask(client).status_code == 402


def test_a_failure_reaches_nothing(chat_site: Site, alice: User, provider: FakeProvider) -> None:
    client = chat_site.client(alice)
    make_limit(alice, 1, alert_at=[100])
    set_price("ai_text_chat", 1)
    failed = client.post(
        "/api/ai/chat",
        json={
            "messages": [
                {"id": "1", "role": "user", "parts": [{"type": "text", "text": "[[fail:500]]"}]}
            ]
        },
        headers={"Accept": "application/json"},
    )
    assert failed.status_code == 502
    assert not LimitAlert.objects.exists()
    assert ask(client).status_code == 200
