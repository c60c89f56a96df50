"""`manage.py check_ledger`: proves the ledger's invariants on the data as it is."""

from datetime import timedelta
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.integrity.run import GRACE, OFFENDERS_NAMED, CheckResult, run_checks


class Command(BaseCommand):
    help = "Verifies every invariant of the ledger in the whole database; exits 1 on a difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--grace",
            type=int,
            default=int(GRACE.total_seconds()),
            metavar="SECONDS",
            help="how late the sweeper may be (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = monotonic()
        results = run_checks(grace=timedelta(seconds=options["grace"]))
        for result in results:
            self.stdout.write(describe(result))
        broken = sum(not result.ok for result in results)
        took = f"{monotonic() - started:.1f} s"
        self.stdout.write(f"{len(results)} checks on one snapshot in {took}, {broken} failed.")
        if broken:
            raise CommandError("The ledger has differences.")


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
