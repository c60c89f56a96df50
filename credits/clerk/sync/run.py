"""Reading Clerk's present state through the same projection as its webhooks, so that what was lost
is caught up and running it twice changes nothing. Memory holds a page at a time."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from credits.clerk import conf
from credits.clerk.billing import grant_counter, subscriptions
from credits.clerk.billing.projection import EARNING, merge_item, milliseconds
from credits.clerk.client import ClerkClient, ClerkError, last_id
from credits.clerk.identity import lock, upsert_person
from credits.clerk.models import Identity, SubscriptionItem, SyncJob, WebhookDelivery
from credits.clerk.parsing import (
    ItemVersion,
    Json,
    Payer,
    Person,
    as_id,
    parse_item,
    parse_payer,
    parse_person,
)
from credits.clerk.sync import missing_users
from credits.clerk.sync.jobs import Cancelled, Progress, TakenOver, start_job
from credits.clerk.sync.manual import RECONCILE
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.set_credits import set_credits
from credits.models import CreditBalance

logger = logging.getLogger(__name__)
State = SyncJob.State
Note = WebhookDelivery.Note

#: Statuses under which Clerk lists what is alive; `active` includes what is canceled.
LIVING = ("active", "past_due", "upcoming")
ALIVE = (*EARNING, "past_due")
#: How far two reconciles overlap, so that nobody falls between them.
OVERLAP = timedelta(minutes=10)
#: How long a reconcile that read everybody, and free items too, will do.
WHOLE_EVERY = timedelta(hours=23)
#: Pages of ended items, newest first, that are searched for items which vanished.
ENDED_PAGES = 20


def run_sync(job_id: uuid.UUID | str, *, watch: Callable[[SyncJob], object] | None = None) -> None:
    """Works on a job to its end, or until it is cancelled; goes on where a killed worker stopped.
    `watch` is shown the job after each page."""
    progress = Progress.claim(job_id)
    if progress is None:
        return
    progress.watch = watch
    try:
        with ClerkClient(sleep=progress.wait) as client:
            _run(progress, client)
    except Cancelled:
        progress.finish(State.CANCELED)
    except TakenOver:
        logger.warning("Sync %s goes on in another process", job_id)
    except KeyboardInterrupt:
        progress.finish(State.CANCELED)
        raise
    except Exception as error:
        # Also for what nobody foresaw: the job ends here, and is not taken up again for ever.
        logger.exception("Sync %s failed", job_id)
        progress.finish(State.FAILED, f"{type(error).__name__}: {error}")
    else:
        progress.finish(State.DONE)
        _report_drift(progress.job)


def _run(progress: Progress, client: ClerkClient) -> None:
    options = progress.options
    if options.dry_run:
        progress.begin_again()  # What an earlier worker remembered of it went with that worker.
    phases: list[tuple[str, bool, Callable[[Progress, ClerkClient], None]]] = [
        ("users", options.sync_users, _sync_users),
        ("gone", options.sync_users, _find_gone),
        ("changed", options.changed_since is not None, _sync_changed_users),
        ("left", options.changed_since is not None, _find_who_left),
        *((f"items:{status}", options.sync_plans, _items_phase(status)) for status in LIVING),
        ("missing", options.sync_plans, _find_missing),
        ("credits", options.set_credits, _set_credits),
    ]
    names = [name for name, wanted, _ in phases if wanted]
    done = names.index(progress.job.phase) if progress.job.phase in names else 0
    for name, wanted, phase in phases:
        if wanted and names.index(name) >= done:
            phase(progress, client)
    if options.sync_plans and not options.dry_run:
        subscriptions.release_due(report=progress.fail, beat=progress.beat)


def _set_credits(progress: Progress, client: ClerkClient) -> None:
    set_credits(progress, _one)


def _report_drift(job: SyncJob) -> None:
    if drift := job.counts.get("drift"):
        logger.warning("Sync %s: %d subscription items had drifted from Clerk", job.pk, drift)
    people = sum(job.counts.get(name, 0) for name in ("updatedUsers", "deletedUsers"))
    if people and job.actor == RECONCILE:
        logger.warning("Sync %s: %d people had changed without our hearing of it", job.pk, people)


@contextmanager
def _one(progress: Progress, who: str) -> Iterator[None]:
    """One row in a transaction of its own, with what it counts: it fails alone, and is taken back
    in a dry run."""
    before = dict(progress.job.counts)
    progress.stay_heard()
    try:
        with transaction.atomic(), grant_counter.granted() as granted:
            yield
            if granted:
                progress.count("creditsGranted", sum(granted))
            if progress.options.dry_run:
                transaction.set_rollback(True)
            elif progress.job.counts != before:
                progress.keep()
    except (Cancelled, TakenOver):
        raise
    except Exception as error:
        logger.exception("Sync of %s failed", who)
        progress.job.counts = before
        progress.fail(who, error)


# --- People ------------------------------------------------------------------------------------


def _sync_users(progress: Progress, client: ClerkClient) -> None:
    options = progress.options
    progress.enter("users", client.count_users())
    after = str(progress.job.cursor.get("after", ""))
    pages = client.user_pages(after=after, size=options.page_size)
    for page in islice(pages, options.max_pages):
        _sync_page_of_users(progress, [parse_person(user) for user in page])
        progress.save(processed=len(page), cursor={"after": last_id(page)})


def _sync_changed_users(progress: Progress, client: ClerkClient) -> None:
    options = progress.options
    for page in client.changed_users(options.changed_since or 0, size=options.page_size):
        progress.enter("changed", len(page))
        _sync_page_of_users(progress, [parse_person(user) for user in page])
        progress.save(processed=len(page))


def _find_who_left(progress: Progress, client: ClerkClient) -> None:
    """No list names who was deleted. When Clerk has fewer people than we, everybody is read."""
    if missing_users.somebody_left(client):
        _sync_users(progress, client)
        _find_gone(progress, client)


def _find_gone(progress: Progress, client: ClerkClient) -> None:
    missing_users.find_gone(progress, client, _one)


def _sync_page_of_users(progress: Progress, people: list[Person]) -> None:
    known = {
        identity.clerk_id: identity
        for identity in Identity.objects.filter(clerk_id__in=[p.clerk_id for p in people])
    }
    with_balance: set[int | None] = set(
        CreditBalance.objects.filter(
            account_id__in=[identity.user_id for identity in known.values()]
        ).values_list("account_id", flat=True)
    )
    for person in people:
        identity = known.get(person.clerk_id)
        progress.count("processed")
        if identity and _is_up_to_date(identity, person, with_balance):
            continue
        with _one(progress, person.clerk_id or "a user without an id"):
            _sync_user(progress, person, with_balance)
    missing_users.meet(people)


def _is_up_to_date(identity: Identity, person: Person, with_balance: set[int | None]) -> bool:
    if identity.deleted_at:
        return True
    return identity.version >= person.version and identity.user_id in with_balance


def _sync_user(progress: Progress, person: Person, with_balance: set[int | None]) -> None:
    if not person.clerk_id:
        raise ClerkError("a user without an id")
    # Somebody else may have brought them since the page was looked up: counted once.
    lock(f"user:{person.clerk_id}")
    known = Identity.objects.filter(clerk_id=person.clerk_id).first()
    now = upsert_person(person)
    if now.user_id and now.user_id not in with_balance:
        _give_balance(progress, now.user_id, is_new=known is None)
    if known is None:
        progress.count("createdUsers")
    elif known.version < person.version:
        progress.count("updatedUsers")


def _give_balance(progress: Progress, user_id: int, *, is_new: bool) -> None:
    """A new account with welcome credits has its balance already."""
    if is_new or not CreditBalance.objects.filter(account_id=user_id).exists():
        CreditBalance.objects.bulk_create(
            [CreditBalance(account_id=user_id)], ignore_conflicts=True
        )
        progress.count("createdBalances")


# --- Subscription items -------------------------------------------------------------------------


def _items_phase(status: str) -> Callable[[Progress, ClerkClient], None]:
    def phase(progress: Progress, client: ClerkClient) -> None:
        options = progress.options
        start = int(progress.job.cursor.get("offset", 0)) if _is_in(progress, status) else 0
        pages = client.item_pages(
            status, free=options.include_free, offset=start, size=options.page_size
        )
        seen = start
        for total, page in islice(pages, options.max_pages):
            progress.enter(f"items:{status}", total)
            apply_items(progress, page)
            seen += len(page)
            progress.save(processed=len(page), cursor={"offset": seen})

    return phase


def _is_in(progress: Progress, status: str) -> bool:
    return progress.job.phase == f"items:{status}"


def apply_items(progress: Progress, page: list[Json], *, payer: Payer | None = None) -> None:
    """Projects items as the Backend API has them. Those that we know in this version are passed
    over."""
    stored = {
        item.item_id: item
        for item in SubscriptionItem.objects.filter(
            item_id__in=[as_id(data.get("id")) for data in page]
        )
    }
    same: list[int] = []
    for data in page:
        item = stored.get(as_id(data.get("id")))
        who = payer or _payer_of(data, item)
        version = _version(data, who)
        _count_item(progress, version)
        if item and (progress.preview or _is_known(item, version)):
            same.append(item.pk)
        if _stands(progress, item, version):
            continue
        with _one(progress, version.item_id or "an item without an id"):
            _apply(progress, version, who)
            if progress.preview:
                progress.preview.note(item, version, who)
    missing_users.mark_met(SubscriptionItem.objects.filter(pk__in=same))


def _payer_of(data: Json, item: SubscriptionItem | None) -> Payer:
    """The item's payer, or the one we know it by: Clerk may leave it out."""
    payer = parse_payer(data.get("payer"))
    if payer.ref or item is None:
        return payer
    kind, _, clerk_id = item.payer.partition(":")
    return Payer(clerk_id, "") if kind == "user" else Payer("", clerk_id)


def _version(data: Json, payer: Payer) -> ItemVersion:
    return parse_item(
        data,
        payer=payer.ref,
        instance_id=settings.CLERK_INSTANCE_ID,
        seen=milliseconds(datetime.now(UTC)),
    )


def _stands(progress: Progress, item: SubscriptionItem | None, version: ItemVersion) -> bool:
    """Whether this version is stored, or would be in a dry run."""
    if progress.preview and progress.preview.knows(version):
        return True
    return item is not None and _is_known(item, version)


def _is_known(item: SubscriptionItem, version: ItemVersion) -> bool:
    state = subscriptions.state_of(item)
    return merge_item(state, version) == state


def _count_item(progress: Progress, version: ItemVersion) -> None:
    if not progress.options.sync_users:
        progress.count("processed")
    if version.status in EARNING and not version.is_free:
        progress.count("activeSubscriptions")


def _apply(progress: Progress, version: ItemVersion, payer: Payer) -> None:
    if not version.payer:
        raise ClerkError("an item without a payer")
    lock(version.payer)  # As with people: two who find the same drift count it once.
    item = SubscriptionItem.objects.filter(item_id=version.item_id).first()
    if subscriptions.apply_item(version, payer, checked_at=timezone.now()) == Note.MALFORMED:
        raise ClerkError("an item without an id or an instance (CLERK_INSTANCE_ID)")
    progress.count("drift", int(item is None or not _is_known(item, version)))


# --- What vanished ------------------------------------------------------------------------------


def _find_missing(progress: Progress, client: ClerkClient) -> None:
    """Items that we think alive and that the walk did not meet: their `ended` was lost."""
    if progress.options.max_pages is not None:
        return  # The walk was cut short: what it did not meet may be alive.
    missing = _missing(progress)
    progress.enter("missing", len(missing))
    for item in missing.values():
        _look_again(progress, client, item)
        progress.save(processed=1)
    missing = _missing(progress)
    for _, page in islice(client.item_pages("ended", free=True), ENDED_PAGES if missing else 0):
        apply_items(progress, [data for data in page if as_id(data.get("id")) in missing])
        progress.save()
    for item_id in _missing(progress):
        progress.fail(item_id, ClerkError("Clerk does not list this item any more"))


def _look_again(progress: Progress, client: ClerkClient, item: SubscriptionItem) -> None:
    user_id = item.payer.removeprefix("user:")
    try:
        found = client.subscription_items(user_id)
    except ClerkError as error:
        progress.fail(item.item_id, error)
    else:
        apply_items(progress, found, payer=Payer(user_id, ""))


def _missing(progress: Progress) -> dict[str, SubscriptionItem]:
    alive = SubscriptionItem.objects.filter(status__in=ALIVE, payer__startswith="user:")
    alive = alive.exclude(payer__in=missing_users.deleted_payers())
    if not progress.options.include_free:
        alive = alive.filter(is_free=False)
    unmet = alive.exclude(checked_at__gte=progress.job.started_at)
    return {item.item_id: item for item in unmet.order_by("item_id")}


# --- One person, and everybody each hour ---------------------------------------------------------


def pull(clerk_id: str) -> None:
    """Reads one person and their subscription: after a payment, a first sign-in, a checkout."""
    with ClerkClient() as client:
        upsert_person(parse_person(client.user(clerk_id)))
        payer = Payer(clerk_id, "")
        for data in client.subscription_items(clerk_id):
            subscriptions.apply_item(_version(data, payer), payer)


def reconcile() -> SyncJob | None:
    """The hourly sync: paid items, people who changed since the last one, and who left if there are
    fewer at Clerk than here; once a day everybody and everything. Reports how many had drifted."""
    if not conf.has_backend():
        subscriptions.release_due()
        return None
    job = start_job(options=_reconcile_options(), actor=RECONCILE, background=False)
    run_sync(job.pk)
    job.refresh_from_db()
    return job


def _reconcile_options() -> SyncOptions:
    done = SyncJob.objects.filter(actor=RECONCILE, state=State.DONE).exclude(started_at=None)
    if not done.filter(
        options__sync_users=True, started_at__gt=timezone.now() - WHOLE_EVERY
    ).exists():
        return SyncOptions()
    last = done.latest("started_at").started_at or timezone.now()
    since = milliseconds(last - OVERLAP)
    return SyncOptions(sync_users=False, include_free=False, changed_since=since)


def result_of(job: SyncJob) -> dict[str, Any]:
    """The figures of the contract."""
    return {**job.counts, "failed": job.failed}
