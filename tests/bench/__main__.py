"""Runs every measurement on a throwaway database and prints a table of ratios."""

import os
import platform
import shutil
import tempfile
from pathlib import Path


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tally-bench-"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"
    os.environ["VAR_DIR"] = str(folder / "var")
    os.environ.pop("DEBUG", None)
    os.environ.pop("DATABASE_URL", None)
    try:
        measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench.pages import bench_balance
    from tests.bench.spend import bench_spend
    from tests.bench.streams import bench_answers, bench_open_streams

    call_command("migrate", verbosity=0)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | figure | target | note |\n|---|---|---|---|")
    bench_spend()
    bench_balance(folder)
    bench_answers(folder)
    bench_open_streams(folder)
    call_command("check_ledger")


if __name__ == "__main__":
    main()
