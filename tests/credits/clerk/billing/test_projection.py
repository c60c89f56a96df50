"""What subscription items earn: rule by rule, by the events that Clerk sends."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from credits.clerk.billing.releases import release_due
from credits.models import CreditGrant, Payment, Plan, SubscriptionItem, User, WebhookDelivery
from tests.clock import Clock
from tests.credits.clerk.billing.items import NOW, START, balance, grants, key
from tests.credits.clerk.conftest import Send
from tests.factories import make_charge, make_grant, make_plan
from tests.fakes.clerk_events import DAY, MONTH, item_json, payer_json, payment_json, plan_json

pytestmark = pytest.mark.django_db


def test_a_paid_period_grants_the_plans_credits_until_its_end(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    assert send("subscriptionItem.active", item) is None
    grant = CreditGrant.objects.get()
    assert (grant.key, grant.amount, grant.source) == (key(), 100, "plan")
    assert grant.expires_at == datetime.fromtimestamp((START + MONTH) / 1000, UTC)
    assert balance() == 100


def test_the_same_period_grants_once_however_it_is_told(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    bare = {k: v for k, v in item.items() if k != "payer"}
    subscription = {"id": "csub", "payer": payer_json("user_1"), "items": [bare]}
    send("subscriptionItem.active", item)
    send("subscriptionItem.updated", {**item, "updated_at": NOW})
    send("subscription.active", subscription)
    assert grants() == [(key(), 100)]


def test_a_renewal_moves_the_period_and_grants_again(send: Send, pro: Plan) -> None:
    first = item_json("user_1", period_start=START - MONTH)
    send("subscriptionItem.active", first)
    renewed = {"period_start": START, "period_end": START + MONTH, "updated_at": START}
    send("subscriptionItem.updated", {**first, **renewed})
    assert grants() == [(key(start=START - MONTH), 100), (key(), 100)]
    assert balance() == 100


def test_a_stale_event_grants_what_was_paid_and_moves_no_state_back(send: Send, pro: Plan) -> None:
    first = item_json("user_1", period_start=START - MONTH)
    renewed = {"period_start": START, "period_end": START + MONTH, "updated_at": START}
    send("subscriptionItem.updated", {**first, **renewed})
    send("subscriptionItem.active", first)
    assert {k for k, _ in grants()} == {key(start=START - MONTH), key()}
    assert SubscriptionItem.objects.get().period_start == START
    assert balance() == 100


@pytest.mark.parametrize(
    "status", ["incomplete", "upcoming", "past_due", "abandoned", "ended", "expired", "brand_new"]
)
def test_other_states_grant_nothing(send: Send, pro: Plan, status: str) -> None:
    send("subscriptionItem.updated", item_json("user_1", period_start=START, status=status))
    assert grants() == []
    assert SubscriptionItem.objects.get().status == status


@pytest.mark.parametrize("length", [32, 33, 64, 65, 5000])
def test_a_status_of_any_length_is_kept_as_far_as_it_fits(
    send: Send, pro: Plan, length: int
) -> None:
    send("subscriptionItem.updated", item_json("user_1", period_start=START, status="é" * length))
    assert SubscriptionItem.objects.get().status == "é" * 32
    assert grants() == []


def test_a_period_ahead_of_our_clock_is_granted_when_it_begins(
    send: Send, pro: Plan, clock: Clock
) -> None:
    send("subscriptionItem.active", item_json("user_1", period_start=NOW + DAY))
    assert grants() == []
    clock.move(days=1)
    release_due()
    assert grants() == [(key(start=NOW + DAY), 100)]


def test_a_clock_slightly_ahead_is_forgiven(send: Send, pro: Plan) -> None:
    send("subscriptionItem.active", item_json("user_1", period_start=NOW + 60_000))
    assert len(grants()) == 1


def test_an_end_before_the_period_s_end_takes_what_is_left(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    make_charge(User.objects.get(), 30)
    ended = {"status": "ended", "period_end": None, "updated_at": NOW - 60_000}
    send("subscriptionItem.ended", {**item, **ended})
    assert balance() == 0
    # What was spent after the end, before we heard of it, stays spent from this grant.
    assert CreditGrant.objects.get().expires_at > datetime.fromtimestamp(NOW / 1000, UTC)


def test_an_end_heard_of_first_leaves_the_late_grant_nothing(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    ended = {"status": "ended", "period_end": None, "updated_at": NOW - 60_000}
    send("subscriptionItem.ended", {**item, **ended})
    send("subscriptionItem.active", item)
    assert len(grants()) == 1
    assert balance() == 0
    assert SubscriptionItem.objects.get().status == "ended"


def test_an_unknown_end_never_erases_a_known_one(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    ended = {"status": "ended", "period_end": None, "updated_at": NOW}
    send("subscriptionItem.active", item)
    send("subscriptionItem.ended", {**item, **ended})
    assert SubscriptionItem.objects.get().period_end == START + MONTH


def test_a_cancel_keeps_what_is_paid_for_until_the_end(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    send("subscriptionItem.canceled", {**item, "status": "canceled", "updated_at": NOW})
    assert balance() == 100


def test_an_upgrade_leaves_only_the_new_plan_s_credits(send: Send, pro: Plan) -> None:
    make_plan("cplan_max", credits=500)
    old = item_json("user_1", period_start=START)
    new = item_json("user_1", "cplan_max", period_start=NOW - 60_000)
    send("subscriptionItem.active", old)
    send("subscriptionItem.active", new)
    assert balance() == 600
    send("subscriptionItem.ended", {**old, "status": "ended", "updated_at": NOW - 60_000})
    assert balance() == 500


def test_a_trial_and_the_purchase_after_it_are_two_grants(send: Send, pro: Plan) -> None:
    trial = item_json("user_1", period_start=START - 7 * DAY, period_end=START, is_free_trial=True)
    send("subscriptionItem.active", trial)
    bought = {"is_free_trial": False, "period_start": START, "period_end": START + MONTH}
    send("subscriptionItem.updated", {**trial, **bought, "updated_at": START})
    assert grants() == [(key(start=START - 7 * DAY, kind="trial"), 100), (key(), 100)]
    assert balance() == 100


def test_a_trial_that_is_extended_keeps_its_credits_longer(send: Send, pro: Plan) -> None:
    trial = item_json("user_1", period_start=START, period_end=NOW + DAY, is_free_trial=True)
    send("subscriptionItem.active", trial)
    longer = {"period_end": NOW + 9 * DAY, "updated_at": NOW}
    send("subscriptionItem.updated", {**trial, **longer})
    (expires,) = CreditGrant.objects.values_list("expires_at", flat=True)
    assert expires == datetime.fromtimestamp((NOW + 9 * DAY) / 1000, UTC)


def test_a_failed_renewal_grants_when_it_recovers(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START - MONTH)
    send("subscriptionItem.active", item)
    late = {"period_start": START, "period_end": START + MONTH, "status": "past_due"}
    send("subscriptionItem.pastDue", {**item, **late, "updated_at": START})
    assert balance() == 0
    send("subscriptionItem.active", {**item, **late, "status": "active", "updated_at": NOW})
    assert balance() == 100


def test_a_new_subscription_to_the_same_plan_grants_again(send: Send, pro: Plan) -> None:
    old = item_json("user_1", period_start=START - MONTH)
    send("subscriptionItem.active", old)
    send("subscriptionItem.ended", {**old, "status": "ended", "updated_at": START})
    send("subscriptionItem.active", item_json("user_1", period_start=START))
    assert len(grants()) == 2
    assert balance() == 100


def test_the_end_shown_is_that_of_the_present_plan(send: Send, pro: Plan) -> None:
    make_plan("cplan_max", credits=500)
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    changed = {"plan_id": "cplan_max", "plan": plan_json("cplan_max"), "updated_at": NOW}
    send("subscriptionItem.updated", {**item, **changed, "period_end": START + 2 * MONTH})
    assert SubscriptionItem.objects.get().period_end == START + 2 * MONTH


def test_a_flag_on_a_whole_subscription_goes_when_its_plan_is_mapped(
    send: Send,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    item = item_json("user_1", period_start=START)
    subscription = {"id": "csub", "payer": payer_json("user_1"), "items": [item]}
    assert send("subscription.active", subscription) == "unmapped_plan"
    with django_capture_on_commit_callbacks(execute=True):
        make_plan("cplan_pro", credits=100)
    assert grants() == [(key(), 100)]
    assert not WebhookDelivery.objects.get().unmapped


def test_a_plan_mapped_later_grants_what_was_earned(
    send: Send,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    client: Client,
) -> None:
    item = item_json("user_1", period_start=START)
    assert send("subscriptionItem.active", item) == "unmapped_plan"
    assert WebhookDelivery.objects.get().unmapped
    assert grants() == []
    with django_capture_on_commit_callbacks(execute=True):
        make_plan("cplan_pro", credits=100)
    assert grants() == [(key(), 100)]
    assert not WebhookDelivery.objects.get().unmapped


def test_a_plan_that_is_switched_off_grants_when_it_is_on_again(send: Send, pro: Plan) -> None:
    Plan.objects.update(active=False)
    send("subscriptionItem.active", item_json("user_1", period_start=START))
    assert grants() == []
    Plan.objects.update(active=True)
    release_due()
    assert len(grants()) == 1


def test_a_plan_s_new_amount_holds_for_the_next_period(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    Plan.objects.update(credits=999)
    send("subscriptionItem.updated", {**item, "updated_at": NOW})
    assert grants() == [(key(), 100)]


def test_an_item_without_a_plan_is_parked(send: Send) -> None:
    item = item_json("user_1", "", period_start=START)
    assert send("subscriptionItem.active", item) == "unmapped_plan"
    assert grants() == []


def test_an_organisation_is_kept_as_unsupported(send: Send, pro: Plan) -> None:
    item = item_json("", period_start=START, payer=payer_json("", "org_1"))
    assert send("subscriptionItem.active", item) == "unsupported_payer"
    stored = SubscriptionItem.objects.get()
    assert (stored.payer_kind, stored.payer_id) == ("org", "org_1")
    assert not User.objects.exists()


@pytest.mark.parametrize("organization", ["", None])
def test_an_empty_organisation_is_none(send: Send, pro: Plan, organization: str | None) -> None:
    payer = {**payer_json("user_1"), "organization_id": organization}
    send("subscriptionItem.active", item_json("user_1", period_start=START, payer=payer))
    assert len(grants()) == 1


def test_a_payment_is_kept_once_and_paid_is_final(send: Send) -> None:
    send("paymentAttempt.created", payment_json("user_1", "cpa_1", at=START, status="pending"))
    send("paymentAttempt.updated", payment_json("user_1", "cpa_1", at=START + 2))
    send("paymentAttempt.updated", payment_json("user_1", "cpa_1", at=START + 3, status="failed"))
    payment = Payment.objects.get()
    assert (payment.status, payment.amount) == ("paid", 2000)
    assert (payment.payer_kind, payment.payer_id) == ("user", "user_1")
    assert not CreditGrant.objects.exists()


def test_a_pack_survives_all_of_it(send: Send, pro: Plan) -> None:
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    make_grant(User.objects.get(), 40)
    send("subscriptionItem.ended", {**item, "status": "ended", "updated_at": NOW})
    send("subscriptionItem.active", item_json("user_1", period_start=NOW))
    assert balance() == 140


def test_malformed_data_is_kept_and_noted(send: Send) -> None:
    assert send("subscriptionItem.active", {"id": 7, "payer": "x", "plan": []}) == "malformed"
    assert send("subscription.active", {"items": [1, {"id": None}], "payer": None}) == "malformed"
    assert send("user.created", {"id": "x" * 65}) == "malformed"
    assert send("paymentAttempt.updated", {"totals": 3}) == "malformed"
