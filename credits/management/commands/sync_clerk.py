"""`manage.py sync_clerk`: people, subscriptions and credits from Clerk, with progress."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.approvals import ApprovalPending
from credits.clerk import conf
from credits.clerk.sync.jobs import SyncRunning, describe, start_sync
from credits.clerk.sync.options import OPTIONS, Option, SyncOptions, lacks_set_credits
from credits.clerk.sync.run import result_of, run_sync
from credits.exceptions import SecondAdminNeeded
from credits.models import SyncJob, User
from credits.roles import is_admin

#: Flags that leave out what is synced unless they are given, and what that is.
ONLY = {"plans_only": "sync_users", "users_only": "sync_plans"}
FIELDS = [option.field for option in OPTIONS]


class Command(BaseCommand):
    help = "Syncs people and subscriptions from Clerk. Running it twice changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--actor", help="address of the admin who asks for it", metavar="EMAIL")
        only = parser.add_mutually_exclusive_group()
        only.add_argument("--users-only", action="store_true", help="people, no subscriptions")
        only.add_argument("--plans-only", action="store_true", help="subscriptions, no people")
        for option in OPTIONS:
            if option.field not in ONLY.values():
                parser.add_argument(f"--{option.field.replace('_', '-')}", **_argument(option))

    def handle(self, *args: Any, **options: Any) -> None:
        if not conf.has_backend():
            raise CommandError("Clerk is not configured: CLERK_SECRET_KEY is not set.")
        chosen: dict[str, Any] = {field: not options[flag] for flag, field in ONLY.items()}
        chosen |= {o.field: options[o.field] for o in OPTIONS if o.field in options}
        wanted = SyncOptions(**chosen)
        if lacks_set_credits(wanted):
            raise CommandError("--override-credits needs --set-credits.")
        actor = _admin(options["actor"])
        try:
            job = start_sync(actor=actor, options=wanted, background=False)
        except SyncRunning as running:
            raise CommandError(f"{running} It is at /admin/sync/{running.job.pk}.") from None
        except ApprovalPending as waits:
            where = f"/admin/users/approvals/{waits.approval.pk}"
            raise CommandError(f"{waits} It is at {where}.") from None
        except SecondAdminNeeded as error:
            raise CommandError(f"{error} (--actor EMAIL)") from None
        run_sync(job.pk, watch=self.show)
        job.refresh_from_db()
        for name, value in result_of(job).items():
            self.stdout.write(f"{name}: {value}")
        for failure in job.failures:
            self.stderr.write(f"failed: {failure['who']}: {failure['error']}")
        if job.state != SyncJob.State.DONE:
            raise CommandError(f"The sync is {job.state}. {job.error}".strip())

    def show(self, job: SyncJob) -> None:
        now = describe(job)
        left = "" if now["secondsLeft"] is None else f", {now['secondsLeft']} s left"
        self.stdout.write(
            f"{now['phase']}: {now['processed']} of {now['total']} ({now['rate']}/s{left})"
        )


def _admin(address: str | None) -> User | None:
    if address is None:
        return None
    user = User.objects.filter(email__iexact=address).first()
    if not is_admin(user):
        raise CommandError(f"{address} is no admin.")
    return user


def _argument(option: Option) -> dict[str, Any]:
    if option.is_flag:
        return {"action": "store_true", "help": option.explanation}
    described = {"default": option.default, "help": option.explanation}
    if not option.is_number:
        return described

    def whole_number(text: str) -> int:
        if not option.low <= int(text) <= option.high:
            raise ArgumentTypeError(f"must be from {option.low:,} to {option.high:,}")
        return int(text)

    return {"type": whole_number, "metavar": "N", **described}
