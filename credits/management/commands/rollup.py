"""`manage.py rollup`: closes days now, or makes the whole rollup again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from credits.reports.rollup import close_days, rebuild


class Command(BaseCommand):
    help = "Sums up the days that are over, as the worker does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebuild", action="store_true", help="empty the rollup first, and make it again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = rebuild() if options["rebuild"] else close_days()
        self.stdout.write(f"{days} days closed.")
