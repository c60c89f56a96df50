"""Setting the balance of everybody with an active subscription, as an adjustment with actor and
reason: the sync's `setCredits` and `overrideCredits`."""

from django.db.models import QuerySet

from credits.clerk.billing.projection import EARNING
from credits.clerk.models import Identity, SubscriptionItem
from credits.clerk.sync.jobs import Progress
from credits.clerk.sync.missing_users import One
from credits.ledger import adjust_credits
from credits.pricing import get_plans_credits


def set_credits(progress: Progress, one: One) -> None:
    """Sets the balance of everybody with an active item to the plan's credits, or to the override.
    Packs are never taken."""
    payers = _active().order_by("payer").values_list("payer", flat=True).distinct()
    changed = progress.preview.payers() if progress.preview else set()
    new = sorted(changed - set(payers.filter(payer__in=changed)))
    progress.enter("credits", payers.count() + len(new))
    after = str(progress.job.cursor.get("after", ""))
    size = progress.options.page_size
    while batch := list(payers.filter(payer__gt=after)[:size]):
        _set_batch(progress, batch, one)
        after = batch[-1]
        progress.save(processed=len(batch), cursor={"after": after})
    for begin in range(0, len(new), size):
        _set_batch(progress, new[begin : begin + size], one)
        progress.save(processed=len(new[begin : begin + size]))


def _active() -> QuerySet[SubscriptionItem]:
    return SubscriptionItem.objects.filter(status__in=EARNING, payer__startswith="user:")


def _set_batch(progress: Progress, payers: list[str], one: One) -> None:
    credits = get_plans_credits()
    for payer in payers:
        with one(progress, payer):
            if progress.preview:
                progress.preview.apply(payer)
            plans = _active().filter(payer=payer).values_list("plan_id", flat=True)
            _set_one(progress, payer, [credits.get(plan, 0) for plan in plans])


def _set_one(progress: Progress, payer: str, plans_credits: list[int]) -> None:
    if not plans_credits:
        return  # In a dry run: the subscription would have ended by now.
    options = progress.options
    target = options.override_credits
    if target is None:
        target = max(plans_credits)
    identity = Identity.objects.filter(clerk_id=payer.removeprefix("user:")).first()
    if not identity or not identity.user_id or identity.deleted_at:
        return
    if target == 0 and options.override_credits is None:
        return  # The plan is not mapped: nothing says what its credits are.
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
