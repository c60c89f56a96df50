"""The ledger's tests once more, on a throwaway server of another version:

    python -m tests.on_postgresql 15

With DATABASE_URL the tests run where that says; without it on the embedded PostgreSQL 18. The
ledger lives in the database, so it is also tried on the oldest version that Tally supports, where
this machine has that one's binaries; where it has not, this says so and ends well.
"""

import os
import subprocess
import sys

from tests.cluster import server_binaries, throwaway_cluster
from tests.processes import ROOT

TESTS = "tests/credits/ledger"


def main() -> None:
    version, *arguments = sys.argv[1:]
    if server_binaries(int(version)) is None:
        report(f"There is no PostgreSQL {version} on this machine: the ledger was not tried on it.")
        return
    report(f"The ledger on PostgreSQL {version}:")
    with throwaway_cluster(int(version)) as cluster:
        environment = {**os.environ, "DATABASE_URL": cluster.url("tally")}
        command = [sys.executable, "-m", "pytest", TESTS, *(arguments or ["-n", "auto"])]
        sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)


def report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
