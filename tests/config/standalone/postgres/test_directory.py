"""The folder of the embedded database, made by whoever comes first."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from config.standalone.postgres.layout import make_directory
from tests.waiting import PATIENCE

RACERS, ROUNDS = 8, 100


def test_many_may_make_it_at_the_same_moment(tmp_path: Path) -> None:
    start = Barrier(RACERS)

    def race(_: int) -> None:
        for number in range(ROUNDS):
            start.wait(PATIENCE)
            make_directory(tmp_path / str(number) / "postgres")

    with ThreadPoolExecutor(RACERS) as racers:
        list(racers.map(race, range(RACERS)))
    made = list(tmp_path.glob("*/postgres"))
    assert len(made) == ROUNDS
    assert all(stat.S_IMODE(path.stat().st_mode) in {0o700, 0o711} for path in made)
