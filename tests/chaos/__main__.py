"""`make chaos`: experiments at length, with their seed and figures."""

import argparse
import os
import signal
import sys
import time
from random import SystemRandom

import django

from tests.chaos.experiment import Experiment, experiment_on
from tests.chaos.proof import assert_nothing_lost_nothing_doubled
from tests.cluster import server_binaries


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Nobody started here is left behind.
    versions = [version for version in (15, 18) if server_binaries(version)]
    if not versions:
        sys.exit("There is no PostgreSQL on this machine to kill.")
    print(f"seed {asked.seed}", flush=True)
    for version in versions:
        print(f"PostgreSQL {version}, spenders:", flush=True)
        with experiment_on(version, asked.seed) as experiment:
            with_spenders(experiment, asked)
    print(f"PostgreSQL {versions[-1]}, people at the chat:", flush=True)
    with experiment_on(versions[-1], asked.seed) as experiment:
        with_people(experiment, asked)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    arguments.add_argument("--spenders", type=int, default=8, help="processes")
    arguments.add_argument("--people", type=int, default=24, help="at the chat at once")
    arguments.add_argument("--users", type=int, default=4)
    arguments.add_argument("--faults", type=int, default=30, help="in each experiment")
    arguments.add_argument("--pause", type=float, default=1.0, help="seconds between faults")
    return arguments.parse_args()


def with_spenders(experiment: Experiment, asked: argparse.Namespace) -> None:
    """Processes call the ledger while its database is killed."""
    users = experiment.prepare(users=asked.users)
    for number in range(asked.spenders):
        experiment.start_spender(number, users)
    run(experiment, asked)


def with_people(experiment: Experiment, asked: argparse.Namespace) -> None:
    """People chat while the site's workers and its database are killed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.setdefault("DATABASE_URL", experiment.url)
    django.setup()
    from tests.chaos.web import site_under_test

    users = experiment.prepare(users=asked.users)
    with site_under_test(experiment) as site:
        for user in users:
            experiment.start_chat_client(user, site.base_url, people=asked.people // len(users))
        run(experiment, asked)


def run(experiment: Experiment, asked: argparse.Namespace) -> None:
    """Injects the faults, checks what is left, and prints the figures."""
    started = time.monotonic()
    experiment.inject_faults(count=asked.faults, pause=asked.pause)
    results = experiment.answers()
    took = time.monotonic() - started
    answers = [answer for worker in results for answer in worker["answers"]]
    experiment.wait_until_nothing_is_held()
    assert_nothing_lost_nothing_doubled(experiment.url, answers)
    checked = experiment.check().splitlines()[-1]
    faults = ", ".join(f"{count} × {name}" for name, count in sorted(experiment.injected.items()))
    print(f"  {len(answers)} answers to {len(results)} processes in {took:.0f} s; {faults}")
    broken, landed = (sum(worker[figure] for worker in results) for figure in ("broken", "landed"))
    print(
        f"  {broken} tries broke, of which {landed} had landed; nothing was lost, nothing doubled"
    )
    print(f"  check_ledger: {checked}", flush=True)


if __name__ == "__main__":
    main()
