"""The site in a experiment: its workers are killed as well, while people chat."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.chaos.experiment import Experiment, Fault
from tests.live import GRANIANS_PATIENCE, Site, running_site
from tests.processes import ROOT, free_port, stop

#: An answer takes at most as long; a hold that nobody ended is swept soon after.
BOUNDS = {
    "ANSWER_SECONDS": "8",
    "FIRST_TOKEN_SECONDS": "5",
    "SILENCE_SECONDS": "5",
    "IMAGE_SECONDS": "8",
    "HOLD_LEASE_SECONDS": "10",
    "REQUESTS_PER_MINUTE": "10000",
    "TURNS_IN_FLIGHT": "1000",
    "LOG_LEVEL": "CRITICAL",
}
#: A worker ends when its database stays away; whoever runs it starts it again.
AGAIN_AND_AGAIN = """
import subprocess, sys
while True:
    subprocess.run([sys.executable, "manage.py", "procrastinate", "worker"])
"""


@contextmanager
def site_under_test(experiment: Experiment) -> Iterator[Site]:
    """A site with a provider and a background worker of its own; its workers are injected too."""
    port = free_port()
    environment = {**BOUNDS, "DATABASE_URL": experiment.url}
    environment["OPENAI_BASE_URL"] = f"http://127.0.0.1:{port}/v1"
    logs = experiment.cluster.directory
    with (
        _running(["-m", "tests.fakes.provider", "--port", str(port)], {}, logs / "provider.log"),
        _running(["-c", AGAIN_AND_AGAIN], environment, logs / "worker.log"),
        running_site(environment, log=logs / "site.log") as site,
    ):
        experiment.faults["a web worker killed"] = _killing(site, Random(experiment.seed))
        yield site


def _killing(site: Site, random: Random) -> Fault:
    last = -GRANIANS_PATIENCE

    def kill_one() -> None:
        nonlocal last
        time.sleep(max(last + GRANIANS_PATIENCE - time.monotonic(), 0))
        if workers := site.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)
        last = time.monotonic()

    return kill_one


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    own = {"DJANGO_SETTINGS_MODULE": "tests.settings", **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env={**os.environ, **own},
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        stop(process)
