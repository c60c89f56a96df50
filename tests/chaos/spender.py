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
from contextlib import suppress
from itertools import count
from random import Random

import django

django.setup()

from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402

from credits.catalogue.models import default_provider  # noqa: E402
from credits.features import TEXT  # noqa: E402
from credits.ledger import (  # noqa: E402
    deduct_credits_for_feature,
    grant_credits,
    release_charge,
    settle_charge,
)
from credits.limits.setting import NoSuchLimit, remove_limit, set_limit  # noqa: E402
from credits.models import AIModel, CreditGrant, Limit, Provider, User  # noqa: E402
from credits.uses import Asked, Reserve, Tokens, reserve_credits, settle_use  # noqa: E402
from tests.factories import make_model, make_token_price  # noqa: E402

#: The model that all spenders call, priced by tokens.
TOKEN_MODEL = "by-tokens"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--users", required=True)
    asked = arguments.parse_args()
    logging.disable(logging.WARNING)  # The pool tells of every connection that broke.
    offer_model()
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


def offer_model() -> None:
    """TOKEN_MODEL at a first price, unless another spender has been faster."""
    with transaction.atomic():
        Provider.objects.select_for_update().get(pk=default_provider().pk)
        if not AIModel.objects.filter(name=TOKEN_MODEL).exists():
            make_token_price(make_model(TOKEN_MODEL))


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
        way = self.random.choice([
            self.spend, self.spend, self.fail, self.deliver, self.grant,
            self.use, self.use, self.use, self.fail_by_tokens, self.limit, self.price,
        ])  # fmt: skip
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

    def reserve(self, user: int, key: str) -> Reserve:
        asked = Asked(self.random.randint(0, 5000), self.random.randint(1, 5000), 1)
        reserve, tries = self.until_answered(
            lambda: reserve_credits(
                user_id=user, feature=TEXT, model=TOKEN_MODEL, asked=asked,
                idempotency_key=key, lease_seconds=600,
            )
        )  # fmt: skip
        self.landed += tries > 1 and reserve.replayed
        assert reserve.output_granted == asked.output, reserve
        return reserve

    def use(self, user: int, key: str) -> None:
        """Settled, and settled once more with other counts, as by a worker that was away."""
        reserve = self.reserve(user, key)
        tokens = Tokens(self.random.randint(0, 6000), 0, 0, self.random.randint(0, 6000), 0,
                        "provider")  # fmt: skip
        ending, tries = self.until_answered(lambda: settle_use(charge_id=reserve.id, tokens=tokens))
        self.landed += ending.outcome == "ended"
        assert ending.outcome == "settled" or tries > 1, ending
        late, _ = self.until_answered(
            lambda: settle_use(charge_id=reserve.id, tokens=Tokens(1, 0, 0, 1, 0, "provider"))
        )
        assert late == ending._replace(outcome="ended", refund_id=None), (ending, late)
        assert ending.kept + ending.refunded == reserve.credits, ending
        self.note(
            user, key, charge=reserve.id, kept=ending.kept, tokens=[tokens.input, tokens.output],
            collected=ending.collected,
        )  # fmt: skip

    def fail_by_tokens(self, user: int, key: str) -> None:
        reserve = self.reserve(user, key)
        ending, tries = self.until_answered(
            lambda: release_charge(charge_id=reserve.id, reason="x")
        )
        self.landed += ending.outcome == "ended"
        assert ending.refunded == reserve.credits, ending
        assert ending.outcome == "refunded" or tries > 1, ending
        self.note(user, key, charge=reserve.id, kept=0, tokens=[0, 0], collected=0)

    def limit(self, user: int, key: str) -> None:
        """One that refuses nothing, set or lowered or removed: the counters are kept beside it."""
        actor = User(pk=user)
        if self.random.random() < 0.3:
            known, _ = self.until_answered(lambda: Limit.objects.filter(account_id=user).first())
            with suppress(NoSuchLimit):
                self.until_answered(
                    lambda: remove_limit(
                        actor=actor, account_id=user, limit_id=known.pk if known else 0
                    )
                )
            return
        credits = self.random.choice([10**9, 10**10])
        self.until_answered(
            lambda: set_limit(actor=actor, account_id=user, period="day", credits=credits)
        )

    def price(self, user: int, key: str) -> None:
        """A new price for all: a try without an answer may leave two."""
        model, _ = self.until_answered(lambda: AIModel.objects.get(name=TOKEN_MODEL))
        read, written = (self.random.randint(1, 10**9) for _ in range(2))
        self.until_answered(lambda: make_token_price(model, input=read, output=written))

    def note(self, user: int, key: str, *, kept: int, **ids: object) -> None:
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
