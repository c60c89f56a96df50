"""`manage.py send_sample_webhook TYPE`: a signed event to a running site, to see what it does."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.clerk.billing.projection import milliseconds
from credits.clerk.webhooks.samples import TYPES, sample_event


class Command(BaseCommand):
    help = "Sends a signed sample event, as Clerk would, to a running site."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("type", choices=TYPES, metavar="TYPE", help=", ".join(TYPES))
        parser.add_argument("--user", default="user_sample", help="the Clerk user it is about")
        parser.add_argument("--plan", default="cplan_sample", help="the plan, for billing events")
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.CLERK_WEBHOOK_SIGNING_SECRET:
            raise CommandError("CLERK_WEBHOOK_SIGNING_SECRET is not set.")
        event = sample_event(
            options["type"],
            instance_id=settings.CLERK_INSTANCE_ID or "ins_sample",
            user_id=options["user"],
            plan_id=options["plan"],
            now=milliseconds(datetime.now(UTC)),
        )
        from svix.webhooks import Webhook  # Takes two seconds.

        body, url = json.dumps(event), options["url"]
        svix_id, now = f"msg_{uuid.uuid4().hex}", datetime.now(UTC)
        secret = settings.CLERK_WEBHOOK_SIGNING_SECRET[0]
        headers = {
            "Content-Type": "application/json",
            "svix-id": svix_id,
            "svix-timestamp": str(int(now.timestamp())),
            "svix-signature": Webhook(secret).sign(svix_id, now, body),
        }
        try:
            address = f"{url.rstrip('/')}/api/webhooks/clerk"
            answer = httpx.post(address, content=body, headers=headers)
        except httpx.TransportError as error:
            raise CommandError(f"No site answers at {url}: {error}") from None
        self.stdout.write(f"{answer.status_code} {answer.text}")
        if not answer.is_success:
            raise CommandError("The site did not take it.")
