"""A process of people at the chat, until its standard input is closed. Every message carries a key
made before its first try and is sent until its receipt has been read, whatever happens to the site
and its database. It prints `working`, and at the end what the receipts said.

    python -m tests.chaos.chat_client --site http://127.0.0.1:8000 --user 3 --people 6 --name one
"""

import argparse
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, cast

import django

django.setup()

import httpx  # noqa: E402

from credits.models import User  # noqa: E402
from tests.ai_chat.chat import Answer, Chat  # noqa: E402
from tests.chaos.spender import wait_for_end_of_input  # noqa: E402
from tests.forked import Forked  # noqa: E402
from tests.live import Site  # noqa: E402

#: A hold that nobody ends is refunded some seconds later; its receipt can be read then.
PATIENCE = 300  # seconds
MESSAGES = [
    "Hello",
    "[[tokens:40]] [[delay:0.05]]",
    "[[tokens:15]] [[delay:0.1]]",
    "[[fail:500]]",
    "[[fail:empty]]",
    "[[fail:cut:5]] [[delay:0.05]]",
]


def main() -> None:
    arguments = argparse.ArgumentParser()
    for name in ("--site", "--user", "--people", "--name"):
        arguments.add_argument(name, required=True)
    asked = arguments.parse_args()
    logging.disable(logging.WARNING)
    process = cast(Forked, None)  # Started by somebody else.
    site = Site(asked.site, process, Path("/dev/null"))
    user = User.objects.get(pk=asked.user)
    people = [Person(f"{asked.name}-{n}", Chat(site, user)) for n in range(int(asked.people))]
    stop = threading.Event()
    threading.Thread(target=wait_for_end_of_input, args=(stop,), daemon=True).start()
    print("working", flush=True)
    with ThreadPoolExecutor(len(people)) as threads:
        list(threads.map(lambda person: person.chat_until(stop), people))
    answers = [answer for person in people for answer in person.answers]
    broken = sum(person.broken for person in people)
    print(json.dumps({"answers": answers, "broken": broken, "landed": 0}), flush=True)


class Person:
    """`answers` are what the receipts said, `broken` how often one had to be asked for again."""

    def __init__(self, name: str, chat: Chat) -> None:
        self.name, self.chat = name, chat
        self.random = Random(name)
        self.answers: list[dict[str, Any]] = []
        self.broken = 0

    def chat_until(self, stop: threading.Event) -> None:
        for number in count():
            if stop.is_set():
                return
            key = f"{self.name}-{number}"
            receipt = self.ask(self.random.choice(MESSAGES), key)
            kept = 1 if receipt == "1 credit" else 0  # Refunded, or not charged.
            self.answers.append({"user": self.chat.user.pk, "key": f"turn:{key}", "kept": kept})

    def ask(self, message: str, key: str) -> str:
        """Sends the message until there is a receipt, and returns that."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = self.chat.send(message, key=key)
                if is_whole(answer):
                    return answer.receipt
            except httpx.HTTPError:
                pass  # The worker or the connection is gone: once more, with the same key.
            self.broken += 1
            time.sleep(self.random.uniform(0, 0.5))
        raise AssertionError(f"The message {key} never got its receipt.")


def is_whole(answer: Answer) -> bool:
    """Whether the stream came to its end; False while the site or its database is away."""
    assert answer.status == 200 or answer.status >= 500, f"{answer.status}: {answer.body[:500]}"
    return answer.status == 200 and answer.names[-1:] == ["end"]


if __name__ == "__main__":
    main()
