"""`manage.py check_ledger`: proves the ledger's invariants on the data as it is."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.integrity.run import GRACE, OFFENDERS_NAMED, CheckResult, Run, check_and_keep
from credits.models.rollup import LedgerCheck


class Command(BaseCommand):
    help = (
        "Verifies every invariant of the ledger, in the whole database or in what changed since"
        " the last clean run; keeps what came out; exits 1 on a difference."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--changed",
            action="store_true",
            help="only what changed since the last clean run; the whole if there is none",
        )
        parser.add_argument(
            "--grace",
            type=int,
            default=int(GRACE.total_seconds()),
            metavar="SECONDS",
            help="how late the sweeper may be (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        grace = timedelta(seconds=options["grace"])
        kept, run = check_and_keep(changed=options["changed"], grace=grace, wait=True)
        for result in run.results:
            self.stdout.write(describe(result))
        self.stdout.write(summarize(kept, run))
        if not kept.ok:
            raise CommandError("The ledger has differences.")


def summarize(kept: LedgerCheck, run: Run) -> str:
    """How many checks, of what, how long, how many failed."""
    scope = f"what changed since {run.since.started_at:%Y-%m-%d %H:%M:%S}" if run.since else "all"
    took = f"{kept.checks} checks of {scope} on one snapshot in {kept.seconds:.1f} s"
    return f"{took}, {len(kept.differences)} failed."


def describe(result: CheckResult) -> str:
    """One line, and a second that names the first offenders if there are any."""
    check = result.check
    verdict = "ok    " if result.ok else "FAILED"
    line = f"{verdict} {check.invariant:<5} {check.sentence} ({result.rows:,} rows)"
    if result.ok:
        return line
    first = "first " if result.offences > OFFENDERS_NAMED else ""
    names = ", ".join(result.offenders)
    return f"{line}\n       {check.name}: {result.offences:,}; {first}{check.offender}: {names}"
