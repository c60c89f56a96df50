"""`manage.py seed_usage`: a large base for looking and measuring."""

from argparse import ArgumentTypeError
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from credits.reports import rollup
from credits.seeding import seed_usage


def _whole(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < 1:
        raise ArgumentTypeError("must be 1 or more")
    return number


class Command(BaseCommand):
    help = (
        "Adds months of believable usage by new users, in the embedded database or one that is "
        "named on purpose. It cannot be taken out again: the journal keeps what it has."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rows", type=_whole, default=100_000, help="of the journal, about")
        parser.add_argument("--users", type=_whole, default=1_000)
        parser.add_argument("--days", type=_whole, default=90, help="how far back it goes")
        parser.add_argument(
            "--confirm-database",
            metavar="NAME",
            help="the name of the database, where it is not the embedded one",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = connection.settings_dict["NAME"]
        if not settings.EMBEDDED_DATABASE and options["confirm_database"] != name:
            raise CommandError(
                "This is not the embedded database. What is added cannot be taken out again; to "
                f"add it nevertheless: --confirm-database {name}"
            )
        started = monotonic()
        made = seed_usage(rows=options["rows"], users=options["users"], days=options["days"])
        self.stdout.write(f"{made.rows:,} rows by {made.users:,} users in {_since(started)}.")
        started = monotonic()
        tidy()
        days = rollup.rebuild()
        self.stdout.write(f"{days} days closed in {_since(started)}.")
        self.stdout.write("Prove it with: manage.py check_ledger")


def tidy() -> None:
    """What autovacuum would do in time: statistics, and summaries for the index by time."""
    vacuum = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
    tables = ("usagehistory", "grantallocation", "creditgrant", "creditbalance", "user")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"{vacuum} credits_{table}")


def _since(started: float) -> str:
    return f"{monotonic() - started:.1f} s"
