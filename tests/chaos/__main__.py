"""`make chaos`: storms at length, with their seed and figures."""

import argparse
import os
import signal
import sys
import time
from random import SystemRandom

import django

from tests.chaos.proof import assert_nothing_lost_nothing_doubled
from tests.chaos.storm import Storm, storm_over
from tests.cluster import server_binaries, throwaway_cluster


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Nobody started here is left behind.
    versions = [version for version in (15, 18) if server_binaries(version)]
    if not versions:
        sys.exit("There is no PostgreSQL on this machine to kill.")
    print(f"seed {asked.seed}", flush=True)
    for version in versions:
        print(f"PostgreSQL {version}, spenders:", flush=True)
        with throwaway_cluster(version) as cluster, storm_over(cluster, asked.seed) as storm:
            storm_of_spenders(storm, asked)
    print(f"PostgreSQL {versions[-1]}, people at the chat:", flush=True)
    with throwaway_cluster(versions[-1]) as cluster, storm_over(cluster, asked.seed) as storm:
        storm_of_people(storm, asked)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    arguments.add_argument("--spenders", type=int, default=8, help="processes")
    arguments.add_argument("--people", type=int, default=24, help="at the chat at once")
    arguments.add_argument("--users", type=int, default=4)
    arguments.add_argument("--strikes", type=int, default=30, help="in each storm")
    arguments.add_argument("--calm", type=float, default=1.0, help="seconds between strikes")
    return arguments.parse_args()


def storm_of_spenders(storm: Storm, asked: argparse.Namespace) -> None:
    """Processes call the ledger while its database is killed."""
    users = storm.prepare(users=asked.users)
    for number in range(asked.spenders):
        storm.start_spender(number, users)
    rage(storm, asked)


def storm_of_people(storm: Storm, asked: argparse.Namespace) -> None:
    """People chat while the site's workers and its database are killed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.setdefault("DATABASE_URL", storm.url)
    django.setup()
    from tests.chaos.web import site_in

    users = storm.prepare(users=asked.users)
    with site_in(storm) as site:
        for user in users:
            storm.start_chatter(user, site.base_url, people=asked.people // len(users))
        rage(storm, asked)


def rage(storm: Storm, asked: argparse.Namespace) -> None:
    """Struck, answered, proved, told."""
    started = time.monotonic()
    storm.rage(strikes=asked.strikes, calm=asked.calm)
    told = storm.answers()
    took = time.monotonic() - started
    answers = [answer for worker in told for answer in worker["answers"]]
    storm.wait_until_nothing_is_held()
    assert_nothing_lost_nothing_doubled(storm.url, answers)
    checked = storm.check().splitlines()[-1]
    troubles = ", ".join(f"{count} × {name}" for name, count in sorted(storm.struck.items()))
    print(f"  {len(answers)} answers to {len(told)} processes in {took:.0f} s; {troubles}")
    broken, landed = (sum(worker[figure] for worker in told) for figure in ("broken", "landed"))
    print(
        f"  {broken} tries broke, of which {landed} had landed; nothing was lost, nothing doubled"
    )
    print(f"  check_ledger: {checked}", flush=True)


if __name__ == "__main__":
    main()
