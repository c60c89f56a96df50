"""`make chaos`: a storm at length, with its seed and figures."""

import argparse
import sys
import time
from random import SystemRandom

from tests.chaos.proof import assert_nothing_lost_nothing_doubled
from tests.chaos.storm import Storm, storm_over
from tests.cluster import server_binaries, throwaway_cluster


def main() -> None:
    asked = _arguments()
    versions = [version for version in (15, 18) if server_binaries(version)]
    print(f"seed {asked.seed}, PostgreSQL {' and '.join(map(str, versions))}", flush=True)
    for version in versions:
        with throwaway_cluster(version) as cluster, storm_over(cluster, asked.seed) as storm:
            rage(storm, asked)
    if not versions:
        sys.exit("There is no PostgreSQL on this machine to kill.")


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    arguments.add_argument("--spenders", type=int, default=8)
    arguments.add_argument("--users", type=int, default=5)
    arguments.add_argument("--strikes", type=int, default=30)
    arguments.add_argument("--calm", type=float, default=1.0, help="seconds between strikes")
    return arguments.parse_args()


def rage(storm: Storm, asked: argparse.Namespace) -> None:
    """One storm over one cluster: at work, struck, answered, proved, told."""
    users = storm.prepare(users=asked.users)
    started = time.monotonic()
    for number in range(asked.spenders):
        storm.start_spender(number, users)
    storm.rage(strikes=asked.strikes, calm=asked.calm)
    told = storm.answers()
    took = time.monotonic() - started
    answers = [answer for spender in told for answer in spender["answers"]]
    assert_nothing_lost_nothing_doubled(storm.url, answers)
    checked = storm.check().splitlines()[-1]
    troubles = ", ".join(f"{count} × {name}" for name, count in sorted(storm.struck.items()))
    print(f"  {len(answers)} operations of {len(told)} processes in {took:.0f} s; {troubles}")
    broken, landed = (sum(spender[figure] for spender in told) for figure in ("broken", "landed"))
    print(
        f"  {broken} tries broke, of which {landed} had landed; nothing was lost, nothing doubled"
    )
    print(f"  check_ledger: {checked}", flush=True)


if __name__ == "__main__":
    main()
