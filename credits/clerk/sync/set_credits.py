"""The sync's `setCredits` and `overrideCredits`: what is left of people's plan credits becomes
their plan's amount, with actor and reason. Credits from elsewhere are not touched."""

from collections.abc import Iterable
from datetime import datetime
from itertools import batched

from django.db.models import Q, QuerySet

from credits.adjustments import set_plan_credits
from credits.clerk.billing.projection import holds_free_plan
from credits.clerk.billing.subscriptions import (
    Earning,
    ItemWithPeriods,
    apply_item,
    release,
    state_of,
)
from credits.clerk.client import ClerkClient, ClerkError
from credits.clerk.identity import lock
from credits.clerk.sync.items import ALIVE
from credits.clerk.sync.progress import Progress
from credits.exceptions import SecondAdminNeeded
from credits.models import Identity, PayerKind, SubscriptionItem
from credits.models.subscriptions import EARNING
from credits.pricing import get_plans_credits


def set_credits(progress: Progress, client: ClerkClient) -> None:
    """Sets the plan credits of everybody whose subscription this sync has found at Clerk."""
    users = _active().order_by("payer_id").values_list("payer_id", flat=True).distinct()
    changed = set(progress.preview.versions) if progress.preview else set()
    new = sorted(changed - set(users.filter(payer_id__in=changed)))
    progress.enter("credits", users.count() + len(new))
    after = str(progress.job.cursor.get("after", ""))
    size = progress.options.page_size
    while batch := list(users.filter(payer_id__gt=after)[:size]):
        _set_batch(progress, batch)
        after = batch[-1]
        progress.save(processed=len(batch), cursor={"after": after})
    for ids in batched(new, size):
        _set_batch(progress, ids)
        progress.save(processed=len(ids))


def _active() -> QuerySet[SubscriptionItem]:
    return SubscriptionItem.objects.filter(status__in=EARNING, payer_kind=PayerKind.USER)


def _set_batch(progress: Progress, user_ids: Iterable[str]) -> None:
    for user_id in user_ids:
        with progress.row(user_id):
            now = lock(user_id)
            # What a real run would have stored of this user; its grants were counted before.
            for version in progress.preview.versions.get(user_id, []) if progress.preview else []:
                apply_item(version, checked_at=progress.job.started_at)
            if identity := _confirmed(progress, user_id):
                _set_plan(progress, identity, now)


def _confirmed(progress: Progress, user_id: str) -> Identity | None:
    """The user, if this sync has found them and each item of theirs that is alive here at Clerk.
    Whatever kept it from that was reported where it happened."""
    started = progress.job.started_at
    items = SubscriptionItem.objects.filter(
        status__in=ALIVE, payer_kind=PayerKind.USER, payer_id=user_id
    )
    if items.exclude(checked_at__gte=started).exists():
        return None
    known = Identity.objects.filter(clerk_id=user_id, deleted_at=None, user__isnull=False)
    if progress.options.sync_users:
        # Who came since the sync began need not be in the list that it read.
        known = known.filter(Q(checked_at__gte=started) | Q(created_at__gte=started))
    return known.first()


def _set_plan(progress: Progress, identity: Identity, now: datetime) -> None:
    """Sets the credits of the largest of this user's plans."""
    credits, options = get_plans_credits(), progress.options
    rows = list(_active().filter(payer_id=identity.clerk_id).order_by("pk"))
    row = max(rows, key=lambda row: credits.get(row.plan_id, 0), default=None)
    if row is None:
        return  # In a dry run: the subscription would have ended by now.
    target = options.override_credits
    if target is None and not (target := credits.get(row.plan_id)):
        return  # The plan is not mapped: its credits are unknown.
    item, free = ItemWithPeriods(row), holds_free_plan(state_of(row), now=now)
    # A month that has begun, and was not granted yet, is no part of the reset.
    progress.count("creditsGranted", release(item, identity, now, free=free).granted)
    current = _current(item, now=now, free=free)
    assert identity.user_id
    done = set_plan_credits(
        user_id=identity.user_id,
        target=target,
        expires_at=current.grant.expires_at,
        item_id=row.pk,
        period_id=current.period.pk if current.period else None,
        reason=options.reason or "Plan credits set by a sync with Clerk",
        actor=progress.job.started_by or progress.job.actor,
        idempotency_key=f"sync:{progress.job.pk}:{identity.user_id}",
        part_of=f"sync {progress.job.pk}",
    )
    if done.before is not None and done.change:
        progress.count("creditsRefreshed")
        progress.count("creditsAdded" if done.change > 0 else "creditsTaken", abs(done.change))
        progress.name_change(identity.clerk_id, before=done.before, after=target)
        _check_allowance(progress)


def _check_allowance(progress: Progress) -> None:
    """Raises SecondAdminNeeded, which takes the row back, when the job would move more than it may.
    A dry run counts all of it."""
    counts, allowance = progress.job.counts, progress.job.allowance
    if not progress.options.dry_run and counts["creditsAdded"] + counts["creditsTaken"] > allowance:
        raise SecondAdminNeeded(
            f"With this one it would move more than the {allowance:,} credits that it may. "
            "Start it again: a second admin is asked."
        )


def _current(item: ItemWithPeriods, *, now: datetime, free: bool) -> Earning:
    """The item's grant of the present time. Raises ClerkError when its period is over."""
    earnings = item.earnings(now=now, free=free)
    live = [e for e in earnings if e.grant.due <= now < e.grant.expires_at]
    if not live:
        raise ClerkError("the period of this subscription is over, and no later one is known")
    return max(live, key=lambda earning: earning.grant.expires_at)
