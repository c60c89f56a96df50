"""A person at the chat page, without the browser: posts messages and reads events as the page
does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from ai_chat.models import Turn
from credits.ledger import get_balance
from credits.models import UsageHistory, User
from tests.live import Site

EVENTS = {"Accept": "text/event-stream"}


@dataclass
class Answer:
    """What came back for a message. `events` are (name, data) pairs."""

    status: int
    headers: httpx.Headers
    body: str
    events: list[tuple[str, str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    @property
    def problem(self) -> str:
        """What the composer says went wrong, if it is shown."""
        found = re.search(r'id="problem"([^>]*)>([^<]*)<', self.body)
        return found[2] if found and "hidden" not in found[1] else ""

    @property
    def receipt(self) -> str:
        """The receipt's first words, as the page shows them at the end."""
        assert self.names[-1:] == ["end"], f"The stream did not end: {self.names}"
        found = re.search(r"<b>(.*?)</b>", self.events[-1][1])
        assert found, "The end has no receipt."
        return found[1]


class Chat:
    def __init__(self, site: Site, user: User) -> None:
        self.user = user
        self.site = site
        self.client = site.client(user)

    @contextmanager
    def sending(
        self, message: str, *, path: str = "/ai-chat", key: str = "", **form: str
    ) -> Iterator[httpx.Response]:
        """The response while it streams."""
        data = {
            "message": message,
            "model": "smollm2-135m",
            "key": key or uuid4().hex,
            "price": "1",
            **form,
        }
        with self.client.stream("POST", path, data=data, headers=EVENTS) as response:
            yield response

    def send(self, message: str, **form: str) -> Answer:
        """Sends a message and reads the answer to its end."""
        with self.sending(message, **form) as response:
            return answer_of(response)

    def follow(self, turn: Turn) -> Answer:
        path = f"/ai-chat/turns/{turn.pk}/events"
        with self.client.stream("GET", path, headers=EVENTS) as response:
            return answer_of(response)

    def stop(self, turn: Turn) -> httpx.Response:
        return self.client.post(f"/ai-chat/turns/{turn.pk}/stop", headers={"HX-Request": "true"})

    @property
    def balance(self) -> int:
        return get_balance(user_id=self.user.pk).remaining

    @property
    def turn(self) -> Turn:
        """The latest turn of this person."""
        return Turn.objects.filter(conversation__user=self.user).latest("created_at")

    def charges(self) -> int:
        return UsageHistory.objects.filter(user=self.user, unit_cost__isnull=False).count()

    def refunds(self) -> list[UsageHistory]:
        return list(UsageHistory.objects.filter(user=self.user, refund_of__isnull=False))


def answer_of(response: httpx.Response) -> Answer:
    body = response.read().decode()
    return Answer(response.status_code, response.headers, body, list(parse(body)))


def parse(body: str) -> Iterator[tuple[str, str]]:
    for block in body.split("\n\n"):
        name = re.search(r"^event: (\w+)$", block, re.MULTILINE)
        if name:
            yield name[1], "\n".join(re.findall(r"^data: (.*)$", block, re.MULTILINE))
