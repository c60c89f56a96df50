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
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import get_resolver, reverse

from ai_chat.models import Turn
from config.errors import Busy
from config.serving import capacity
from config.serving.capacity import TooManyOpen
from credits.models import Hold, UsageHistory, User
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import EVENTS, Answer, Chat
from tests.factories import make_user
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for


def test_what_does_not_fit_is_refused_and_costs_nothing(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User
) -> None:
    site = start_site(OPENAI_BASE_URL=provider.base_url, WEB_WORKERS="1", WEB_THREADS="16")
    fit = 14
    users = [alice, *(make_user(f"user{n}@example.com", credits=10) for n in range(9))]
    people = [Chat(site, users[n % 10]) for n in range(30)]

    def send(person: Chat) -> Answer:
        return person.send("[[gate]]")

    with ThreadPoolExecutor(30) as pool:
        sent = [pool.submit(send, person) for person in people]
        wait_for(lambda: sum(each.done() for each in sent) == 30 - fit, "those that do not fit")
        wait_for(lambda: Hold.objects.count() == fit, "those that do")
        assert httpx.get(f"{site.base_url}/healthz").status_code == 200
        somebody = Turn.objects.latest("created_at").user
        chat, program = Chat(site, somebody), Program(site, somebody)
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


def request_of(user_id: int, *, path: str = "/events", method: str = "GET") -> HttpRequest:
    request = HttpRequest()
    request.user = User(pk=user_id)
    request.path, request.method = path, method
    return request


def streaming(user_id: int, **about: str) -> StreamingHttpResponse:
    """What a view streams to this user."""
    view = capacity.keeps_its_thread(lambda _: StreamingHttpResponse(iter([b"a"])))
    return view(request_of(user_id, **about))


def test_a_response_gives_its_thread_back_also_when_it_is_thrown_away(
    settings: Any, connections_stay: None
) -> None:
    settings.WEB_THREADS = 4
    responses = [streaming(1), streaming(2)]
    with pytest.raises(Busy):
        streaming(3)
    responses.pop().close()
    responses.append(streaming(3))
    del responses[:]
    gc.collect()
    assert not capacity._taken


def test_a_view_that_fails_or_answers_at_once_gives_its_thread_back() -> None:
    def fail(_: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        capacity.keeps_its_thread(fail)(request_of(1))
    assert capacity.keeps_its_thread(lambda _: HttpResponse())(request_of(1)).status_code == 200
    assert not capacity._taken


def test_one_user_has_a_share_of_the_threads(settings: Any, connections_stay: None) -> None:
    settings.WEB_THREADS = 16
    kept = [streaming(1, path=f"/{n}") for n in range(3)]
    with pytest.raises(TooManyOpen):
        streaming(1, path="/3")
    kept += [streaming(2, path="/3")]
    kept.pop(0).close()
    kept.append(streaming(1, path="/3"))
    for response in kept:
        response.close()


def test_a_thread_may_be_given_back_while_the_threads_of_a_user_are_counted(
    settings: Any, connections_stay: None
) -> None:
    settings.WEB_THREADS = 64
    kept = [streaming(1, path=f"/{n}") for n in range(3)]

    class Compared(int):
        """An id; another response ends while it is compared."""

        def __eq__(self, other: object) -> bool:
            while kept:
                kept.pop().close()
            return int(self) == other

        __hash__ = int.__hash__

    streaming(Compared(2)).close()
    assert not kept
    assert not capacity._taken


def test_one_user_reads_the_same_thing_a_few_times_at_once(
    settings: Any, connections_stay: None
) -> None:
    settings.WEB_THREADS = 64
    kept = [streaming(1) for _ in range(capacity.VIEWERS)]
    with pytest.raises(TooManyOpen):
        streaming(1)
    kept += [streaming(1, path="/other"), streaming(2), streaming(1, method="POST")]
    export = capacity.exports(lambda _: StreamingHttpResponse(iter([b"a"])))
    kept.append(export(request_of(1, path="/usage.csv")))
    with pytest.raises(TooManyOpen):
        export(request_of(1, path="/usage.csv"))
    for response in kept:
        response.close()
    assert not capacity._taken


def test_every_csv_file_is_counted(
    client: Client, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(admin)
    monkeypatch.setattr(capacity, "most", lambda: 0)
    names = [name for name in get_resolver().reverse_dict if str(name).endswith("-csv")]
    assert len(names) >= 4
    assert [client.get(reverse(name)).status_code for name in names] == [503] * len(names)
