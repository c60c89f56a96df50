"""`manage.py replay_webhooks`: processes kept deliveries again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.clerk.inbox import replay, unprocessed
from credits.clerk.models import WebhookDelivery


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
        chosen = unprocessed()
        if options["all"]:
            chosen = WebhookDelivery.objects.all()
        elif options["unmapped"]:
            chosen = WebhookDelivery.objects.filter(unmapped=True)
        elif options["svix_id"]:
            chosen = WebhookDelivery.objects.filter(svix_id__in=options["svix_id"])
        chosen = chosen.filter(forgotten=False)
        outcome = replay(chosen.values_list("pk", flat=True))
        self.stdout.write(f"processed: {len(outcome.processed)}")
        if outcome.failed:
            raise CommandError(f"failed: {len(outcome.failed)} (their error is on the row)")
