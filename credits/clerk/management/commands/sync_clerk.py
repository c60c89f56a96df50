"""`manage.py sync_clerk`: people, subscriptions and credits from Clerk, with progress."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.clerk import conf
from credits.clerk.models import SyncJob
from credits.clerk.sync.jobs import SyncOptions, describe
from credits.clerk.sync.manual import SyncRunning, start_sync
from credits.clerk.sync.run import result_of, run_sync


class Command(BaseCommand):
    help = "Syncs people and subscriptions from Clerk. Running it twice changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        only = parser.add_mutually_exclusive_group()
        only.add_argument("--users-only", action="store_true", help="people, no subscriptions")
        only.add_argument("--plans-only", action="store_true", help="subscriptions, no people")
        parser.add_argument("--set-credits", action="store_true", help="set balances to the plan's")
        parser.add_argument("--override-credits", type=int, help="with --set-credits: to so many")
        parser.add_argument(
            "--page-size", type=int, default=500, choices=range(1, 501), metavar="N"
        )
        parser.add_argument("--max-pages", type=int)
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--reason", default="", help="kept with every balance that is set")

    def handle(self, *args: Any, **options: Any) -> None:
        if not conf.has_backend():
            raise CommandError("Clerk is not configured: CLERK_SECRET_KEY is not set.")
        if options["override_credits"] is not None and not options["set_credits"]:
            raise CommandError("--override-credits needs --set-credits.")
        try:
            job = start_sync(actor=None, options=_options(options), background=False)
        except SyncRunning as running:
            raise CommandError(f"{running} It is at /admin/sync/{running.job.pk}.") from None
        run_sync(job.pk, watch=self.show)
        job.refresh_from_db()
        self.report(job)

    def show(self, job: SyncJob) -> None:
        now = describe(job)
        left = "" if now["secondsLeft"] is None else f", {now['secondsLeft']} s left"
        self.stdout.write(
            f"{now['phase']}: {now['processed']} of {now['total']} ({now['rate']}/s{left})"
        )

    def report(self, job: SyncJob) -> None:
        for name, value in result_of(job).items():
            self.stdout.write(f"{name}: {value}")
        for failure in job.failures:
            self.stderr.write(f"failed: {failure['who']}: {failure['error']}")
        if job.state != SyncJob.State.DONE:
            raise CommandError(f"The sync is {job.state}. {job.error}".strip())


def _options(given: dict[str, Any]) -> SyncOptions:
    return SyncOptions(
        sync_users=not given["plans_only"],
        sync_plans=not given["users_only"],
        set_credits=given["set_credits"],
        override_credits=given["override_credits"],
        page_size=given["page_size"],
        max_pages=given["max_pages"],
        dry_run=given["dry_run"],
        reason=given["reason"],
    )
