"""Subscription items: those that Clerk lists, and those that it does not list any more."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from credits.clerk.billing.projection import merge_item, milliseconds
from credits.clerk.billing.subscriptions import apply_item, state_of
from credits.clerk.changes import Note
from credits.clerk.client import ClerkClient, ClerkError
from credits.clerk.identity import lock
from credits.clerk.parsing import ItemVersion, Json, Payer, as_id, parse_item, parse_payer
from credits.clerk.sync.progress import Progress
from credits.clerk.sync.users import mark_checked
from credits.models import Identity, PayerKind, SubscriptionItem
from credits.models.subscriptions import EARNING

ALIVE = (*EARNING, "past_due")
#: Pages of ended items, newest first, that are searched for lost endings.
ENDED_PAGES = 20


def items_phase(status: str) -> Callable[[Progress, ClerkClient], None]:
    """The phase that reads every item of a status, from where the job stopped within it."""
    name = f"items:{status}"

    def phase(progress: Progress, client: ClerkClient) -> None:
        options, job = progress.options, progress.job
        offset = int(job.cursor.get("offset", 0)) if job.phase == name else 0
        pages = client.item_pages(
            status, free=options.include_free, offset=offset, size=options.page_size
        )
        for total, page in islice(pages, options.max_pages):
            progress.enter(name, total)
            _apply_page(progress, page)
            offset += len(page)
            progress.save(processed=len(page), cursor={"offset": offset})

    return phase


def version_of(data: Json, payer: Payer) -> ItemVersion:
    """An item as the Backend API has it, which is its version of this moment."""
    now = milliseconds(datetime.now(UTC))
    return parse_item(data, payer=payer, instance_id=settings.CLERK_INSTANCE_ID, seen=now)


def _apply_page(progress: Progress, page: list[Json], *, payer: Payer | None = None) -> None:
    """Stores items whose version is not stored yet."""
    rows = SubscriptionItem.objects.filter(item_id__in=[as_id(data.get("id")) for data in page])
    stored = {row.item_id: row for row in rows}
    listed: list[int] = []
    for data in page:
        row = stored.get(as_id(data.get("id")))
        version = version_of(data, payer or _payer_of(data, row))
        if not progress.options.sync_users:
            progress.count("processed")
        if version.status in EARNING and not version.is_free:
            progress.count("activeSubscriptions")
        is_stored = row is not None and _is_stored(row, version)
        if is_stored or (progress.preview and progress.preview.knows(version)):
            listed += [row.pk] if row else []
            continue
        with progress.row(version.item_id or "an item without an id"):
            _apply(progress, version)
            if progress.preview:
                progress.preview.note(row, version)
                listed += [row.pk] if row else []
    mark_checked(SubscriptionItem.objects.filter(pk__in=listed))


def _payer_of(data: Json, row: SubscriptionItem | None) -> Payer:
    """The item's payer, or the stored one: Clerk may leave it out."""
    payer = parse_payer(data.get("payer"))
    return payer if payer.id or row is None else Payer(row.payer_kind, row.payer_id)


def _is_stored(row: SubscriptionItem, version: ItemVersion) -> bool:
    """Whether this version adds nothing to what is stored."""
    state = state_of(row)
    return merge_item(state, version) == state


def _apply(progress: Progress, version: ItemVersion) -> None:
    if not version.payer.id:
        raise ClerkError("an item without a payer")
    lock(version.payer.id)  # As with users: of two syncs at once, one counts the drift.
    row = SubscriptionItem.objects.filter(item_id=version.item_id).first()
    result = apply_item(version, checked_at=timezone.now())
    if result.note == Note.MALFORMED:
        raise ClerkError("an item without an id or an instance (CLERK_INSTANCE_ID)")
    progress.count("creditsGranted", result.granted)
    progress.count("drift", int(row is None or not _is_stored(row, version)))


def find_missing_items(progress: Progress, client: ClerkClient) -> None:
    """Items that are alive here and that Clerk did not list: their `ended` event was lost."""
    if progress.options.max_pages is not None:
        return  # The lists were not read to their end: an item may be in the rest.
    missing = _missing(progress)
    progress.enter("missing", len(missing))
    for row in missing.values():
        try:
            items = client.subscription_items(row.payer_id)
        except ClerkError as error:
            progress.fail(row.item_id, error)
        else:
            _apply_page(progress, items, payer=Payer.of_user(row.payer_id))
        progress.save(processed=1)
    missing = _missing(progress)
    for _, page in islice(client.item_pages("ended", free=True), ENDED_PAGES if missing else 0):
        _apply_page(progress, [data for data in page if as_id(data.get("id")) in missing])
        progress.save()
    for item_id in _missing(progress):
        progress.fail(item_id, ClerkError("Clerk does not list this item any more"))


def _missing(progress: Progress) -> dict[str, SubscriptionItem]:
    deleted = Identity.objects.filter(deleted_at__isnull=False).values("clerk_id")
    checked = Q(checked_at__gte=progress.job.started_at)
    rows = SubscriptionItem.objects.filter(status__in=ALIVE, payer_kind=PayerKind.USER)
    rows = rows.exclude(checked).exclude(payer_id__in=deleted)
    if not progress.options.include_free:
        rows = rows.filter(is_free=False)
    return {row.item_id: row for row in rows.order_by("item_id")}
