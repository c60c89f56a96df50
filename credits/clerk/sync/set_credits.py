"""The sync's `setCredits` and `overrideCredits`: adjustments with actor and reason."""

from collections.abc import Iterable
from itertools import batched

from django.db.models import QuerySet

from credits.clerk.billing.subscriptions import apply_item
from credits.clerk.client import ClerkClient
from credits.clerk.sync.progress import Progress
from credits.ledger import adjust_credits
from credits.models import Identity, PayerKind, SubscriptionItem
from credits.models.subscriptions import EARNING
from credits.pricing import get_plans_credits


def set_credits(progress: Progress, client: ClerkClient) -> None:
    """Sets balances to the plan's credits, or to the override. Packs are never taken."""
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
    credits = get_plans_credits()
    for user_id in user_ids:
        with progress.row(user_id):
            # What a real run would have stored of this user; its grants were counted before.
            for version in progress.preview.versions.get(user_id, []) if progress.preview else []:
                apply_item(version)
            plans = _active().filter(payer_id=user_id).values_list("plan_id", flat=True)
            _set_balance(progress, user_id, [credits.get(plan, 0) for plan in plans])


def _set_balance(progress: Progress, user_id: str, plans_credits: list[int]) -> None:
    if not plans_credits:
        return  # In a dry run: the subscription would have ended by now.
    options = progress.options
    target = options.override_credits
    if target is None and not (target := max(plans_credits)):
        return  # The plan is not mapped: its credits are unknown.
    identity = Identity.objects.filter(clerk_id=user_id, deleted_at=None).first()
    if not identity or not identity.user_id:
        return
    done = adjust_credits(
        user_id=identity.user_id,
        target=target,
        keep_packs=True,
        reason=options.reason or "Credits set by a sync with Clerk",
        actor=progress.job.actor,
        idempotency_key=f"sync:{progress.job.pk}:{identity.user_id}",
    )
    if done.usage_id is not None and not done.replayed:
        progress.count("creditsRefreshed")
        progress.count("creditsAdded" if done.change > 0 else "creditsTaken", abs(done.change))
