"""An experiment: processes at work, faults injected at random, and the proof afterwards."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from tests.cluster import Cluster, manage, throwaway_cluster
from tests.processes import ROOT
from tests.waiting import wait_for

#: Something that goes wrong; it returns when the rest may go on.
type Fault = Callable[[], None]

CREDITS = 1_000_000


@dataclass
class Experiment:
    """One experiment over one cluster: the processes at work in `workers` (also those of a site),
    what can be made to go wrong in `faults`."""

    cluster: Cluster
    seed: int
    database: str = "tally"
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    injected: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return self.cluster.url(self.database)

    def prepare(self, *, users: int) -> list[int]:
        """A migrated database and its users, each with CREDITS; their ids."""
        with psycopg.connect(self.cluster.url(), autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{self.database}"'.encode())
        migrated = manage(self.url, "migrate", "--skip-checks", "--verbosity=0")
        assert migrated.returncode == 0, migrated.stderr
        with psycopg.connect(self.url) as database:
            return [_make_user(database, number) for number in range(users)]

    def start_spender(self, number: int, users: list[int]) -> None:
        name = f"{self.seed}-{number}"
        self.start(
            name, "tests.chaos.spender", "--name", name, "--users", ",".join(map(str, users))
        )

    def start_chat_client(self, user: int, site: str, *, people: int) -> None:
        name = f"{self.seed}-{user}"
        self.start(
            name, "tests.chaos.chat_client", "--name", name, "--user", str(user), "--site", site,
            "--people", str(people),
        )  # fmt: skip

    def start(self, name: str, module: str, *arguments: str) -> None:
        """A Python process at work on the database until its standard input is closed."""
        own = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": self.url}
        self.workers[name] = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, env={**os.environ, **own},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def inject_faults(self, *, count: int, pause: float) -> None:
        """Once everybody works, injects so many faults, `pause` seconds apart on average."""
        for worker in self.workers.values():
            assert worker.stdout
            assert worker.stdout.readline() == "working\n", "A worker did not begin."
        random = Random(self.seed)
        for _ in range(count):
            time.sleep(random.uniform(0, 2 * pause))
            name = random.choice(sorted(self.faults))
            self.faults[name]()
            self.injected[name] += 1
        time.sleep(pause)

    def answers(self) -> list[dict[str, Any]]:
        """Tells the workers to stop, and returns the answers that each of them got meanwhile."""
        printed = {name: worker.communicate()[0] for name, worker in self.workers.items()}
        failed = [name for name, worker in self.workers.items() if worker.returncode]
        assert not failed, f"These did not finish: {failed}"
        return [json.loads(text) for text in printed.values()]

    def wait_until_nothing_is_held(self) -> None:
        """Holds that nobody ended are swept soon after their lease, where a sweeper runs."""

        def nothing_is_held() -> bool:
            with psycopg.connect(self.url) as database:
                holds = database.execute("SELECT count(*) FROM credits_hold").fetchone()
            return holds == (0,)

        wait_for(nothing_is_held, "the sweeper to end all holds", pause=0.5)

    def check(self) -> str:
        """What `check_ledger` prints; raises AssertionError when it finds a difference."""
        checked = manage(self.url, "check_ledger", "--skip-checks")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        return checked.stdout


@contextmanager
def experiment_on(version: int, seed: int) -> Iterator[Experiment]:
    """An experiment on a throwaway PostgreSQL of this version; its workers end with it."""
    with throwaway_cluster(version) as cluster:
        experiment = Experiment(cluster, seed)
        experiment.faults = {
            "the server killed": lambda: _kill_and_start(cluster),
            "a backend killed": cluster.kill_one_backend,
        }
        try:
            yield experiment
        finally:
            for worker in experiment.workers.values():
                if worker.poll() is None:
                    worker.kill()
                    worker.communicate()


def _kill_and_start(cluster: Cluster) -> None:
    cluster.kill()
    cluster.start()


def _make_user(database: psycopg.Connection[Any], number: int) -> int:
    user = database.execute(
        "INSERT INTO credits_user"
        " (password, is_superuser, email, name, is_active, is_staff, alerts_by_mail)"
        " VALUES ('', false, %s, '', true, false, true) RETURNING id",
        [f"experiment{number}@example.com"],
    ).fetchone()
    assert user
    database.execute(
        "SELECT credits_grant(%s, 'GRANT', 'pack', %s, %s, 200, NULL, '{}', NULL, NULL)",
        [user[0], CREDITS, f"experiment {number}"],
    )
    return int(user[0])
