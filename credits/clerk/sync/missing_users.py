"""People of whom a webhook was lost: those who changed since we last looked, and those who were
deleted at Clerk, whom no list of Clerk's names any more."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import models, transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from credits.clerk.client import ClerkClient, ClerkError, NotAtClerk
from credits.clerk.identity import bury, upsert_person
from credits.clerk.models import Identity
from credits.clerk.parsing import Person, parse_person
from credits.clerk.sync.jobs import Progress

type One = Callable[[Progress, str], AbstractContextManager[None]]

#: So many who are missing at once, and more than one in ten, or simply all, are not people who
#: left: the key is another instance's, or Clerk's list is not whole. Nobody is closed then.
FEW, ONE_IN = 20, 10


def meet(people: list[Person]) -> None:
    """Remembers that Clerk's list named these; in a dry run too, which needs it as much."""
    mark_met(Identity.objects.filter(clerk_id__in=[person.clerk_id for person in people]))


def mark_met[M: models.Model](rows: QuerySet[M]) -> None:
    """Remembers that a sync found these rows at Clerk. Who is being changed by somebody else is
    waited for alone: a page whose rows were locked together could wait for a delivery which waits
    for the page."""
    ids = set(rows.values_list("pk", flat=True))
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, no_key=True)
        met = set(free.values_list("pk", flat=True))
        rows.filter(pk__in=met).update(checked_at=timezone.now())
    for pk in sorted(ids - met):
        rows.filter(pk=pk).update(checked_at=timezone.now())


def find_gone(progress: Progress, client: ClerkClient, one: One) -> None:
    """Closes the accounts of people whom the walk over Clerk's list did not meet, and whom Clerk,
    asked for each by name, does not know."""
    if progress.options.max_pages is not None:
        return  # The walk was cut short: who was not met may be there.
    unmet, known = _unmet(progress), _known(progress).count()
    missing = unmet.count()
    if missing > max(FEW, known // ONE_IN) or missing == known > 1:
        text = f"{missing} of {known} are not in Clerk's list. Is the key of another instance?"
        progress.fail("people", ClerkError(text))
        return
    progress.enter("gone", missing)
    for clerk_id in list(unmet.order_by("pk").values_list("clerk_id", flat=True)):
        _ask(progress, client, clerk_id, one)
        progress.save(processed=1)


def _known(progress: Progress) -> QuerySet[Identity]:
    """Everybody whom the walk should meet: who came in since it began is no sign of anything."""
    return Identity.objects.filter(deleted_at=None, created_at__lt=progress.job.started_at)


def _unmet(progress: Progress) -> QuerySet[Identity]:
    started = progress.job.started_at
    return _known(progress).filter(Q(checked_at=None) | Q(checked_at__lt=started))


def somebody_left(client: ClerkClient) -> bool:
    """Whether Clerk has fewer people than are known here."""
    return client.count_users() < Identity.objects.filter(deleted_at=None).count()


def deleted_payers() -> QuerySet[Identity, str]:
    """Payers whose items nobody looks after any more."""
    gone = Identity.objects.filter(deleted_at__isnull=False)
    return gone.values_list(Concat(Value("user:"), "clerk_id"), flat=True)


def _ask(progress: Progress, client: ClerkClient, clerk_id: str, one: One) -> None:
    try:
        person = parse_person(client.user(clerk_id))
    except ClerkError as error:
        if isinstance(error, NotAtClerk) and error.status == 404:
            with one(progress, clerk_id):
                bury(clerk_id)
                progress.count("deletedUsers")
        else:
            progress.fail(clerk_id, error)
    else:
        with one(progress, clerk_id):
            upsert_person(person)
