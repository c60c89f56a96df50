"""More streams than a process has threads: they are refused before the charge, and all else is
served."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpResponse, StreamingHttpResponse

from ai_chat.jobs import capacity
from ai_chat.jobs.errors import Busy
from ai_chat.models import Turn
from credits.models import Hold, UsageHistory, User
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import EVENTS, Answer, Chat
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for


def test_what_does_not_fit_is_refused_and_costs_nothing(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User
) -> None:
    site = start_site(OPENAI_BASE_URL=provider.base_url, WEB_WORKERS="1", WEB_THREADS="16")
    fit = 14
    people = [Chat(site, alice) for _ in range(30)]

    def send(person: Chat) -> Answer:
        return person.send("[[gate]]")

    with ThreadPoolExecutor(30) as pool:
        sent = [pool.submit(send, person) for person in people]
        wait_for(lambda: sum(each.done() for each in sent) == 30 - fit, "those that do not fit")
        wait_for(lambda: Hold.objects.count() == fit, "those that do")
        assert httpx.get(f"{site.base_url}/healthz").status_code == 200
        chat, program = Chat(site, alice), Program(site, alice)
        for path in ("/readyz", "/ai-chat", "/usage", "/credits/balance"):
            assert chat.client.get(path).status_code == 200, path
        followed = chat.client.get(f"/ai-chat/turns/{chat.turn.pk}/events", headers=EVENTS)
        calls = [program.ask("Hello"), program.paint("A tree"), followed]
        assert [call.status_code for call in calls] == [503] * 3
        assert calls[0].json()["error"] == "unavailable"
        assert all(int(call.headers["Retry-After"]) > 0 for call in calls)
        assert UsageHistory.objects.filter(unit_cost__isnull=False).count() == fit
        provider.open_gate()
    answers = [each.result() for each in sent]
    assert Counter(answer.status for answer in answers) == {200: fit, 503: 30 - fit}
    assert {answer.headers["Retry-After"] for answer in answers if answer.status == 503} == {"2"}
    assert {answer.receipt for answer in answers if answer.status == 200} == {"1 credit"}
    assert Turn.objects.count() == provider.completions_started == fit
    assert chat.send("Hello").receipt == "1 credit", "There is room again."


@pytest.fixture
def connections_stay() -> Iterator[None]:
    """As in Django's test client: the end of a response must not look at the database's connection,
    which an earlier test may have opened."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


def test_a_response_gives_its_thread_back_also_when_it_is_thrown_away(
    settings: Any, connections_stay: None
) -> None:
    settings.WEB_THREADS = 4
    streaming = capacity.keeps_its_thread(lambda: StreamingHttpResponse(iter([b"a"])))
    responses = [streaming(), streaming()]
    with pytest.raises(Busy):
        streaming()
    responses.pop().close()
    responses.append(streaming())
    del responses[:]
    gc.collect()
    assert not capacity._taken


def test_a_view_that_fails_or_answers_at_once_gives_its_thread_back() -> None:
    def fail() -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        capacity.keeps_its_thread(fail)()
    assert capacity.keeps_its_thread(HttpResponse)().status_code == 200
    assert not capacity._taken
