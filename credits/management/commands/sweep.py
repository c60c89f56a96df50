"""`manage.py sweep`: the periodic sweep, now."""

from typing import Any

from django.core.management.base import BaseCommand

from credits.ledger import expire_credits, sweep_holds


class Command(BaseCommand):
    help = "Refunds holds whose lease ran out and posts due expiries, as the worker does."

    def handle(self, *args: Any, **options: Any) -> None:
        refunded, expired = sweep_holds(), expire_credits()
        self.stdout.write(f"{refunded} holds refunded, credits of {expired} users expired.")
