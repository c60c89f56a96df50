"""Runs every measurement on a throwaway database and prints a table of ratios; names of parts as
arguments run those alone (`python -m tests.bench answers`)."""

import logging
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tally-bench-"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"
    os.environ["VAR_DIR"] = str(folder / "var")
    os.environ.pop("DEBUG", None)
    os.environ.pop("DATABASE_URL", None)
    try:
        complete = measure(folder, sys.argv[1:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(not complete)


def measure(folder: Path, names: list[str]) -> bool:
    """Runs the parts of these names, all without any; a part that fails does not end the run.
    Returns whether none failed."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench.answers import bench_answers
    from tests.bench.chats import bench_chats
    from tests.bench.easy_questions import bench_easy_questions
    from tests.bench.kernel import bench_kernel
    from tests.bench.measure import row
    from tests.bench.pages import bench_balance
    from tests.bench.sessions import bench_who_is_asking
    from tests.bench.spend import bench_spend
    from tests.bench.streams import bench_open_streams

    parts = {
        "spend": bench_spend,
        "kernel": bench_kernel,
        "sessions": bench_who_is_asking,
        "pages": bench_balance,
        "answers": bench_answers,
        "streams": bench_open_streams,
        "chats": bench_chats,
        "questions": bench_easy_questions,
    }
    call_command("migrate", verbosity=0)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before, Python {platform.python_version()}\n")
    print("| what | figure | target | note |\n|---|---|---|---|")
    complete = True
    for name in names or parts:
        try:
            parts[name](folder)
        except Exception:
            complete = False
            logging.exception("The part %s failed; the ends of all logs:", name)
            for log in sorted(folder.glob("*.log")):
                print(f"{log.name}:\n{log.read_text()[-2000:]}", file=sys.stderr)
            row(name, None, "", "failed, see above")
    call_command("check_ledger")
    return complete


if __name__ == "__main__":
    main()
