"""A process that spends until its standard input is closed. Every operation carries a key made
before its first try and is tried until there is an answer, whatever happens to the connection. It
prints `working`, and at the end the answers.

    python -m tests.chaos.spender --name one --users 3,4
"""

import argparse
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from random import Random

import django

django.setup()

from django.db import InterfaceError, OperationalError, connection  # noqa: E402

from credits.ledger import (  # noqa: E402
    deduct_credits_for_feature,
    grant_credits,
    release_charge,
    settle_charge,
)
from credits.models import CreditGrant  # noqa: E402


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--users", required=True)
    asked = arguments.parse_args()
    logging.disable(logging.WARNING)  # The pool tells of every connection that broke.
    spender = Spender(asked.name, [int(user) for user in asked.users.split(",")])
    stop = threading.Event()
    threading.Thread(target=wait_for_end_of_input, args=(stop,), daemon=True).start()
    print("working", flush=True)
    for number in count():
        if stop.is_set():
            break
        spender.operate(number)
    answers = {"answers": spender.answers, "broken": spender.broken, "landed": spender.landed}
    print(json.dumps(answers), flush=True)


def wait_for_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


class Spender:
    """`answers` are those it got, one per operation; `broken` counts tries without an answer,
    `landed` those of them that turn out to have been done all the same."""

    def __init__(self, name: str, users: list[int]) -> None:
        self.name, self.users = name, users
        self.random = Random(name)
        self.answers: list[dict[str, object]] = []
        self.broken = self.landed = 0

    def operate(self, number: int) -> None:
        key, user = f"{self.name}:{number}", self.random.choice(self.users)
        way = self.random.choice([self.spend, self.spend, self.fail, self.deliver, self.grant])
        way(user, key)

    def spend(self, user: int, key: str) -> None:
        charge, tries = self.until_answered(
            lambda: deduct_credits_for_feature(
                user_id=user, feature="ai_text_chat", quantity=2, idempotency_key=key
            )
        )
        self.landed += tries > 1 and charge.replayed
        self.note(user, key, charge=charge.id, kept=2)

    def hold(self, user: int, key: str) -> int:
        charge, tries = self.until_answered(
            lambda: deduct_credits_for_feature(
                user_id=user,
                feature="ai_text_chat",
                quantity=4,
                idempotency_key=key,
                hold=True,
                lease_seconds=600,
            )
        )
        self.landed += tries > 1 and charge.replayed
        return int(charge.id)

    def fail(self, user: int, key: str) -> None:
        charge = self.hold(user, key)
        ending, tries = self.until_answered(lambda: release_charge(charge_id=charge, reason="x"))
        self.landed += ending.outcome == "ended"
        assert ending.refunded == 4, ending
        assert ending.outcome == "refunded" or tries > 1, ending
        self.note(user, key, charge=charge, kept=0)

    def deliver(self, user: int, key: str) -> None:
        charge = self.hold(user, key)
        ending, tries = self.until_answered(
            lambda: settle_charge(charge_id=charge, delivered=3, reason="x")
        )
        self.landed += ending.outcome == "ended"
        assert ending.refunded == 1, ending
        assert ending.outcome == "settled" or tries > 1, ending
        self.note(user, key, charge=charge, kept=3)

    def grant(self, user: int, key: str) -> None:
        grant, tries = self.until_answered(
            lambda: grant_credits(user_id=user, source=CreditGrant.Source.PACK, amount=3, key=key)
        )
        self.landed += tries > 1 and grant.replayed
        self.note(user, key, grant=grant.id, kept=-3)

    def note(self, user: int, key: str, *, kept: int, **ids: int) -> None:
        """What the books must say: `kept` credits have left the user for good."""
        self.answers.append({"user": user, "key": key, "kept": kept, **ids})

    def until_answered[T](self, act: Callable[[], T]) -> tuple[T, int]:
        """The answer, and how many tries it took."""

        for tries in range(1, 10_000):
            try:
                return act(), tries
            except (OperationalError, InterfaceError):
                self.broken += 1
                connection.close()
                time.sleep(self.random.uniform(0, 0.1))
        raise AssertionError("The database never came back.")


if __name__ == "__main__":
    main()
