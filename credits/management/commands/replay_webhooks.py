"""`manage.py replay_webhooks`: processes kept deliveries again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.clerk.webhooks.replays import Which, deliveries, replay_all
from credits.models import WebhookDelivery


class Command(BaseCommand):
    help = (
        "Processes webhook deliveries again: those that failed, or the ones named. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("svix_id", nargs="*", help="deliveries; without any: all that failed")
        parser.add_argument("--unmapped", action="store_true", help="those with unmapped plans")
        parser.add_argument(
            "--all", action="store_true", help="every delivery whose payload is kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        which = Which.UNMAPPED if options["unmapped"] else Which.FAILED
        what, chosen = which.label, deliveries(which)
        if options["all"]:
            what, chosen = "all", WebhookDelivery.objects.all()
        elif options["svix_id"]:
            what, chosen = "named", WebhookDelivery.objects.filter(svix_id__in=options["svix_id"])
        outcome = replay_all(what=what, chosen=chosen.filter(forgotten=False))
        self.stdout.write(f"processed: {outcome.processed}")
        if outcome.failed:
            raise CommandError(f"failed: {outcome.failed} (their error is on the row)")
