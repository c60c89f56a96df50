"""People of whom a webhook was lost: those who changed since we last looked, and those who were
deleted at Clerk, whom no list of Clerk's names any more."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db.models import Q, QuerySet
from django.utils import timezone

from credits.clerk.client import ClerkClient, ClerkError, NotAtClerk
from credits.clerk.identity import bury, upsert_person
from credits.clerk.models import Identity
from credits.clerk.shapes import Person, parse_person
from credits.clerk.sync_jobs import Progress

type One = Callable[[Progress, str], AbstractContextManager[None]]

#: So many who are missing at once, and more than one in ten, are not people who left: the key is of
#: another instance, or Clerk's list is not whole. Nobody's account is closed then.
FEW, ONE_IN = 20, 10


def meet(people: list[Person]) -> None:
    """Remembers that Clerk's list named these; in a dry run too, which needs it as much."""
    ids = [person.clerk_id for person in people]
    Identity.objects.filter(clerk_id__in=ids).update(checked_at=timezone.now())


def find_gone(progress: Progress, client: ClerkClient, one: One) -> None:
    """Closes the accounts of people whom the walk over Clerk's list did not meet, and whom Clerk,
    asked for each by name, does not know."""
    if progress.options.max_pages is not None:
        return  # The walk was cut short: who was not met may be there.
    unmet = _unmet(progress)
    missing, known = unmet.count(), Identity.objects.filter(deleted_at=None).count()
    if missing > max(FEW, known // ONE_IN):
        text = f"{missing} of {known} are not in Clerk's list. Is the key of another instance?"
        progress.fail("people", ClerkError(text))
        return
    progress.enter("gone", missing)
    for clerk_id in list(unmet.order_by("pk").values_list("clerk_id", flat=True)):
        _ask(progress, client, clerk_id, one)
        progress.save(processed=1)


def _unmet(progress: Progress) -> QuerySet[Identity]:
    started = progress.job.started_at
    unseen = Q(checked_at=None) | Q(checked_at__lt=started)
    return Identity.objects.filter(unseen, deleted_at=None, created_at__lt=started)


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
