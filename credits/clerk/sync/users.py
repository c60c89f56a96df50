"""Users: everybody in Clerk's list, those who changed, and those who are not at Clerk any more."""

from itertools import islice

from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from credits.clerk.client import ClerkClient, ClerkError, NotAtClerk, last_id
from credits.clerk.identity import lock, mark_deleted, upsert_person
from credits.clerk.parsing import Person, parse_person
from credits.clerk.sync.progress import Progress
from credits.models import CreditBalance, Identity

#: When more users than this, and than one in ten, or all of them are missing, the key is another
#: instance's, or Clerk's list is incomplete: no account is closed then.
FEW, ONE_IN = 20, 10


def sync_users(progress: Progress, client: ClerkClient) -> None:
    """Reads everybody."""
    options = progress.options
    progress.enter("users", client.count_users())
    after = str(progress.job.cursor.get("after", ""))
    pages = client.user_pages(after=after, size=options.page_size)
    for page in islice(pages, options.max_pages):
        _sync_page(progress, [parse_person(user) for user in page])
        progress.save(processed=len(page), cursor={"after": last_id(page)})


def sync_changed_users(progress: Progress, client: ClerkClient) -> None:
    """Reads those whose newest version is of `changed_since` or later."""
    options = progress.options
    for page in client.changed_users(options.changed_since or 0, size=options.page_size):
        progress.enter("changed", len(page))
        _sync_page(progress, [parse_person(user) for user in page])
        progress.save(processed=len(page))


def _sync_page(progress: Progress, people: list[Person]) -> None:
    rows = Identity.objects.filter(clerk_id__in=[person.clerk_id for person in people])
    known = {identity.clerk_id: identity for identity in rows}
    balances = CreditBalance.objects.filter(account_id__in=[row.user_id for row in rows])
    with_balance: set[int | None] = set(balances.values_list("account_id", flat=True))
    read: list[str] = []
    for person in people:
        identity = known.get(person.clerk_id)
        progress.count("processed")
        if identity and (
            identity.deleted_at
            or (identity.version >= person.version and identity.user_id in with_balance)
        ):
            read.append(person.clerk_id)
            continue
        with progress.row(person.clerk_id or "a user without an id"):
            _sync_user(progress, person, with_balance)
            read.append(person.clerk_id)
    # In a dry run too, which has to know as well who is missing.
    mark_checked(Identity.objects.filter(clerk_id__in=read))


def _sync_user(progress: Progress, person: Person, with_balance: set[int | None]) -> None:
    if not person.clerk_id:
        raise ClerkError("a user without an id")
    # An event may have created them since the page was looked up: counted once.
    lock(person.clerk_id)
    known = Identity.objects.filter(clerk_id=person.clerk_id).first()
    now, _ = upsert_person(person)
    if now.user_id and now.user_id not in with_balance:
        balance = CreditBalance(account_id=now.user_id)
        # A new account with welcome credits has its balance already.
        if known is None or not CreditBalance.objects.filter(pk=balance.pk).exists():
            CreditBalance.objects.bulk_create([balance], ignore_conflicts=True)
            progress.count("createdBalances")
    if known is None:
        progress.count("createdUsers")
    elif known.version < person.version:
        progress.count("updatedUsers")


def mark_checked[M: models.Model](rows: QuerySet[M]) -> None:
    """Records that a sync read these rows from Clerk. Rows that are being changed are waited for
    one at a time: locking a page together could deadlock with a delivery."""
    ids = set(rows.values_list("pk", flat=True))
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, no_key=True)
        marked = set(free.values_list("pk", flat=True))
        rows.filter(pk__in=marked).update(checked_at=timezone.now())
    for pk in sorted(ids - marked):
        rows.filter(pk=pk).update(checked_at=timezone.now())


def find_deleted_if_fewer(progress: Progress, client: ClerkClient) -> None:
    """Reads everybody when users are missing at Clerk, which does not list deleted ones."""
    if client.count_users() < Identity.objects.filter(deleted_at=None).count():
        sync_users(progress, client)
        find_deleted(progress, client)


def find_deleted(progress: Progress, client: ClerkClient) -> None:
    """Closes the accounts of users whom Clerk neither lists nor knows by id."""
    if progress.options.max_pages is not None:
        return  # The list was not read to its end: a user may be in the rest.
    started = progress.job.started_at
    # Users created since the job began may not be in the list.
    known = Identity.objects.filter(deleted_at=None, created_at__lt=started)
    missing = known.filter(Q(checked_at=None) | Q(checked_at__lt=started))
    count, expected = missing.count(), known.count()
    if count > max(FEW, expected // ONE_IN) or count == expected > 1:
        text = f"{count} of {expected} are not in Clerk's list. Is the key of another instance?"
        progress.fail("people", ClerkError(text))
        return
    progress.enter("gone", count)
    for clerk_id in list(missing.order_by("pk").values_list("clerk_id", flat=True)):
        _check_user(progress, client, clerk_id)
        progress.save(processed=1)


def _check_user(progress: Progress, client: ClerkClient, clerk_id: str) -> None:
    try:
        person = parse_person(client.user(clerk_id))
    except ClerkError as error:
        if isinstance(error, NotAtClerk) and error.answered == 404:
            with progress.row(clerk_id):
                mark_deleted(clerk_id)
                progress.count("deletedUsers")
        else:
            progress.fail(clerk_id, error)
    else:
        read = list[str]()
        with progress.row(clerk_id):
            upsert_person(person)
            read.append(clerk_id)
        mark_checked(Identity.objects.filter(clerk_id__in=read))
