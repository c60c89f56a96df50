"""The kernel beside a floor, a ceiling and pgledger: pgbench with eight clients on many accounts,
the functions called without any Python. CPU is the server's.

BENCH_PGLEDGER names a file with pgledger's SQL and what it needs (`uuid_to_ulid`); without it that
contestant is left out."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from django.db import connection

from credits.models import User
from credits.sql import fetch_all
from tests.bench.measure import cpu_seconds, row
from tests.bench.spend import pgbench_binary
from tests.live import database_url
from tests.processes import children_of
from tests.waiting import wait_for

ACCOUNTS, CLIENTS, ROUNDS, SECONDS = 10_000, 8, 5, 4

#: A debit in one statement: its row, its key and two indexes.
FLOOR = """
CREATE TABLE floor_balance (id bigint PRIMARY KEY, credits bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO floor_balance SELECT n, 1000000000 FROM generate_series(1, {accounts}) n;
CREATE TABLE floor_history (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL, used bigint NOT NULL, balance_after bigint NOT NULL, key text);
CREATE UNIQUE INDEX ON floor_history (account_id, key);
CREATE INDEX ON floor_history (account_id, id DESC);
"""
FLOOR_CALL = """
WITH paid AS (UPDATE floor_balance SET credits = credits - 1 WHERE id = :n AND credits >= 1
    RETURNING id, credits)
INSERT INTO floor_history (account_id, used, balance_after, key)
SELECT id, 1, credits, gen_random_uuid()::text FROM paid RETURNING id;
"""

#: The kernel's own tables and indexes without their rules, and its writes in one statement.
CEILING = """
CREATE SCHEMA ceiling;
{tables}
ALTER TABLE ceiling.credits_creditbalance SET (fillfactor = 50);
ALTER TABLE ceiling.credits_creditgrant SET (fillfactor = 70);
INSERT INTO ceiling.credits_creditbalance SELECT * FROM credits_creditbalance;
INSERT INTO ceiling.credits_creditgrant OVERRIDING SYSTEM VALUE SELECT * FROM credits_creditgrant;
"""
CEILING_TABLE = """
CREATE TABLE ceiling.{0} (LIKE {0} INCLUDING ALL EXCLUDING CONSTRAINTS EXCLUDING GENERATED);
"""
CEILING_CALL = """
WITH balance AS (
    UPDATE ceiling.credits_creditbalance SET credits_remaining = credits_remaining - 1,
        last_usage_id = nextval('credits_usagehistory_id_seq')
    WHERE account_id = {first} + :n RETURNING account_id, credits_remaining, last_usage_id
), charge AS (
    INSERT INTO ceiling.credits_usagehistory (id, account_id, operation_type, credits_used,
        balance_after, unit_cost, quantity, details, idempotency_key, request_fingerprint,
        lease_until, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT last_usage_id, account_id, 'AI_TEXT_CHAT', 1, credits_remaining, 1, 1,
        '{{"feature": "ai_text_chat"}}', gen_random_uuid()::text, 'f',
        clock_timestamp() + '3 minutes', clock_timestamp()
    FROM balance RETURNING id, account_id, lease_until, created_at
), paid AS (
    UPDATE ceiling.credits_creditgrant SET remaining = remaining - 1
    WHERE account_id = {first} + :n RETURNING id
), allocated AS (
    INSERT INTO ceiling.credits_grantallocation (usage_id, grant_id, amount)
    SELECT charge.id, paid.id, 1 FROM charge, paid
)
INSERT INTO ceiling.credits_hold (charge_id, account_id, lease_until, created_at)
SELECT id, account_id, lease_until, created_at FROM charge RETURNING charge_id;
"""

CALL = """
SELECT * FROM credits_deduct(owner => {first} + :n, member => NULL, key_id => NULL,
    operation => 'AI_TEXT_CHAT',
    feature => 'ai_text_chat', default_cost => 1, units => 1, model => NULL,
    max_unit_cost => NULL, request_key => {key}, fingerprint => 'f', lease => {lease},
    extra => '{{}}');
"""
KEY, LEASE = "gen_random_uuid()::text", "interval '1 day'"

PGLEDGER = """
INSERT INTO pgledger_accounts (id, name, currency, allow_negative_balance, allow_positive_balance,
    created_at, updated_at)
SELECT format('pgla_%s', lpad(n::text, 26, '0')), 'x', 'USD', true, true, now(), now()
FROM generate_series(1, 2 * {accounts}) n;
"""
PGLEDGER_CALL = """
SELECT * FROM pgledger_create_transfer(format('pgla_%s', lpad((:n)::text, 26, '0')),
    format('pgla_%s', lpad((:n + {accounts})::text, 26, '0')), 1);
"""

CLIENTS_LEFT = "SELECT FROM pg_stat_activity WHERE application_name = 'pgbench'"


class Figures(NamedTuple):
    """Of one measurement: calls a second, CPU seconds a call, bytes of WAL a call."""

    rate: float
    cpu: float
    wal: float


def bench_kernel(folder: Path) -> None:
    scripts = _prepare()
    results: dict[str, list[Figures]] = {name: [] for name in scripts}
    for _ in range(ROUNDS):
        for name, script in scripts.items():
            results[name].append(_measure(folder / "call.sql", script))
    for name in scripts:
        _print(name, results)
    connection.close()


def _prepare() -> dict[str, str]:
    """The contestants by name, each as a script for pgbench; `:n` is a number of an account."""
    emails = [f"kernel{number}@example.com" for number in range(ACCOUNTS)]
    User.objects.bulk_create([User(email=email, password="!") for email in emails])
    _run(
        "SELECT count(credits_grant(id, 'GRANT', 'pack', 1000000000, format('kernel:%s', id), 200,"
        " NULL, '{}', NULL, NULL)) FROM credits_user WHERE starts_with(email, 'kernel')"
    )
    first = fetch_all("SELECT min(id) - 1 FROM credits_user WHERE starts_with(email, 'kernel')")[0][
        0
    ]
    _run(FLOOR.format(accounts=ACCOUNTS))
    tables = ("creditbalance", "usagehistory", "creditgrant", "grantallocation", "hold")
    _run(CEILING.format(tables="".join(CEILING_TABLE.format(f"credits_{t}") for t in tables)))
    _run("VACUUM ANALYZE")
    scripts = {
        "floor": FLOOR_CALL,
        "ceiling": CEILING_CALL.format(first=first),
        "plain": CALL.format(first=first, key="NULL", lease="NULL"),
        "key": CALL.format(first=first, key=KEY, lease="NULL"),
        "key and hold": CALL.format(first=first, key=KEY, lease=LEASE),
    }
    if path := os.environ.get("BENCH_PGLEDGER"):
        _run(Path(path).read_text())
        _run(PGLEDGER.format(accounts=ACCOUNTS))
        scripts["pgledger"] = PGLEDGER_CALL.format(accounts=ACCOUNTS)
    return scripts


def _run(script: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(script)


def _measure(path: Path, script: str) -> Figures:
    server = _parent(fetch_all("SELECT pg_backend_pid()")[0][0])
    wal, cpu = _wal(), _server_cpu(server)
    path.write_text(f"\\set n random(1, {ACCOUNTS})\n{script}")
    command = [pgbench_binary(), "-n", "-M", "prepared", "-f", str(path), "-T", str(SECONDS)]
    command += ["-c", str(CLIENTS), "-j", "2", database_url()]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, calls = re.search(r"tps = ([\d.]+)", out), re.search(r"processed: (\d+)", out)
    assert rate and calls, out
    wait_for(lambda: not fetch_all(CLIENTS_LEFT), lambda: "pgbench's connections stay")
    count = int(calls[1])
    return Figures(float(rate[1]), (_server_cpu(server) - cpu) / count, (_wal() - wal) / count)


def _wal() -> int:
    return int(fetch_all("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _server_cpu(server: int) -> float:
    """CPU seconds of the server, its processes, and those that have ended."""
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return ended + cpu_seconds([server, *children_of(server)])


def _print(name: str, results: dict[str, list[Figures]]) -> None:
    def to(other: str, figure: Callable[[Figures], float]) -> float:
        pairs = zip(results[name], results[other], strict=True)
        return median(figure(mine) / figure(theirs) for mine, theirs in pairs)

    figures = results[name]
    note = (
        f"{median(f.rate for f in figures):.0f}/s, {median(f.cpu for f in figures) * 1e6:.0f} µs of"
        f" CPU and {median(f.wal for f in figures):.0f} bytes of WAL a call"
    )
    for other in ("floor", "ceiling", "pgledger"):
        if other in results and other != name and (other == "floor" or name == "key and hold"):
            targets = {"ceiling": "≥ 0.55", "pgledger": "≥ 1.5"}
            row(
                f"kernel, {name} / {other}: calls a second",
                to(other, lambda f: f.rate),
                targets.get(other, ""),
                note,
            )
            row(f"kernel, {name} / {other}: calls by CPU", to(other, lambda f: 1 / f.cpu), "", "")
