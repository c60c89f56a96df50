"""/admin/users/{id}: what is told of a person, and the one line of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from adminpanel.users import timeline
from ai_chat.models import Conversation, Turn
from credits.ledger import refund_charge, release_charge
from credits.models import CreditGrant, Identity, Payment, SubscriptionItem, User, WebhookDelivery
from credits.models.catalogue import model_label
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user

SECRET = "what alice wrote to nobody else"


@pytest.fixture
def dana(db: None) -> User:
    return make_user("dana@example.com", name="Dana", clerk_id="user_dana", credits=50)


def look(desk: Client, user: User, **query: Any) -> Any:
    answer = desk.get(f"/admin/users/{user.pk}", query)
    assert answer.status_code == 200, answer.text
    return answer


def events(desk: Client, user: User, **query: Any) -> Any:
    return look(desk, user, **query).context["page"].rows


def tell(user: User, number: int | str, **fields: Any) -> WebhookDelivery:
    return WebhookDelivery.objects.create(
        svix_id=f"msg_{number}", type="subscriptionItem.active", payload={"secret": SECRET},
        payer_kind="user", payer_id=user.clerk_id or "", **fields,
    )  # fmt: skip


def pay(user: User, number: int | str, **fields: Any) -> Payment:
    return Payment.objects.create(
        payment_id=f"pay_{number}", payer_kind="user", payer_id=user.clerk_id or "", status="paid",
        amount=1999, currency="usd", **fields,
    )  # fmt: skip


def test_everything_stands_in_one_line_of_time(desk: Client, dana: User, clock: Clock) -> None:
    charge = make_charge(dana, 7)
    refund_charge(charge_id=charge.id, amount=2, reason="provider_error", idempotency_key="r")
    make_grant(dana, 5, expires_at=clock.now() + timedelta(days=1))
    delivery, payment = tell(dana, 1), pay(dana, 1)
    clock.move(days=2)
    desk.put(
        f"/api/admin/users/{dana.pk}/credits", {"adjustment": 3, "reason": "sorry"},
        content_type="application/json",
    )  # fmt: skip
    answer = look(desk, dana)
    told = answer.context["page"].rows
    assert {event.kind for event in told} == {
        "charge", "refund", "grant", "expiry", "adjustment", "webhook", "payment",
    }  # fmt: skip
    chain = [event.line.balance_after for event in told if event.line]
    assert chain == [48, 45, 50, 45, 43, 50]
    assert f'href="/admin/users/{dana.pk}?row={charge.id}#row-{charge.id}"' in answer.text
    assert f'href="/admin/users/charges/{charge.id}/refund"' in answer.text
    assert f'id="webhook-{delivery.pk}"' in answer.text
    assert f'id="payment-{payment.pk}"' in answer.text
    assert "19.99 USD" in answer.text


def test_what_people_wrote_is_counted_and_never_shown(desk: Client, dana: User) -> None:
    conversation = Conversation.objects.create(user=dana, title=SECRET)
    charge = make_charge(dana)
    Turn.objects.create(
        user=dana, conversation=conversation, charge_id=charge.id, model="m", prompt=SECRET,
        answer=SECRET, state=Turn.State.ANSWERED,
    )  # fmt: skip
    tell(dana, 1)
    text = look(desk, dana).text
    assert "1 conversation, 1 message, 0 images" in text
    assert SECRET not in text


def test_other_peoples_events_are_not_there(desk: Client, dana: User, alice: User) -> None:
    make_charge(alice)
    WebhookDelivery.objects.create(svix_id="x", type="user.created", payload={}, payer_id="other")
    assert [event.kind for event in events(desk, dana)] == ["grant"]
    # A local account has no payer, and takes nobody's.
    WebhookDelivery.objects.create(svix_id="y", type="sms.created", payload={}, payer_id="None")
    assert [event.kind for event in events(desk, alice)] == ["charge", "grant"]


@pytest.mark.parametrize("kind", ["charge", "refund", "grant", "webhook", "payment", "expiry"])
def test_the_line_is_filtered_by_kind(desk: Client, dana: User, kind: str) -> None:
    charge = make_charge(dana, hold=True)
    release_charge(charge_id=charge.id, reason="provider_error")
    tell(dana, 1)
    pay(dana, 1)
    kinds = [event.kind for event in events(desk, dana, kind=kind)]
    assert kinds == ([] if kind == "expiry" else [kind])


def test_pages_hold_every_event_once_forwards_and_backwards(
    desk: Client, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "PAGE", 4)
    for number in range(7):
        make_charge(dana)
        if number % 2:
            tell(dana, number)
        if number % 3 == 0:
            pay(dana, number)
    pages = []
    query: dict[str, str] | None = {}
    while query is not None:
        page = look(desk, dana, **query).context["page"]
        pages.append([(event.source, event.id) for event in page.rows])
        # What comes meanwhile stands above and shifts nothing.
        tell(dana, f"late-{len(pages)}")
        query = {"before": str(page.older)} if page.older else None
    flat = [event for page in pages for event in page]
    assert len(flat) == len(set(flat)) == 1 + 7 + 3 + 3
    newer = look(desk, dana, after=str(page.newer)).context["page"]
    assert [(event.source, event.id) for event in newer.rows] == pages[-2]
    assert str(newer.older) == str(page.newer)


def test_a_clock_that_went_back_breaks_no_chain(desk: Client, dana: User, clock: Clock) -> None:
    make_charge(dana)
    clock.move(seconds=-30)
    make_charge(dana)
    tell(dana, 1)
    told = [event.line.balance_after for event in events(desk, dana) if event.line]
    assert told == [48, 49, 50]


def test_a_link_to_a_row_begins_the_page_there(
    desk: Client, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "PAGE", 2)
    wanted = make_charge(dana).id
    tell(dana, 1)
    for _ in range(5):
        make_charge(dana)
    answer = look(desk, dana, row=wanted)
    assert answer.context["page"].rows[0].id == wanted
    assert answer.context["page"].newer is not None


@pytest.mark.parametrize(
    "query",
    [{"row": "x"}, {"row": "0"}, {"row": "9" * 40}, {"row": "1000000000"}, {"kind": "gift"},
     {"before": "1.2"}, {"after": "a.b.c"}, {"before": "1.2.3.4"}],
)  # fmt: skip
def test_a_place_that_is_none_is_said_and_nothing_breaks(
    desk: Client, dana: User, query: dict[str, str]
) -> None:
    answer = desk.get(f"/admin/users/{dana.pk}", query)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_another_persons_row_is_none_of_this_one(desk: Client, dana: User, alice: User) -> None:
    charge = make_charge(alice)
    assert desk.get(f"/admin/users/{dana.pk}", {"row": charge.id}).status_code == 400


@pytest.mark.parametrize("who", ["0", "999999999", "9" * 30])
def test_somebody_unknown_is_not_there(desk: Client, who: str) -> None:
    assert desk.get(f"/admin/users/{who}").status_code == 404
    assert desk.get(f"/admin/users/{who}/adjust").status_code == 404


def test_the_header_says_who_it_is(desk: Client, dana: User) -> None:
    Identity.objects.create(clerk_id="user_dana", user=dana, deleted_at=timezone.now())
    User.objects.filter(pk=dana.pk).update(is_active=False)
    text = look(desk, dana).text
    for part in (
        "dana@example.com",
        "Dana",
        "user_dana",
        "deactivated",
        "deleted at Clerk",
        "never",
    ):
        assert part in text


def test_grants_say_what_is_left_where_it_came_from_and_when_it_goes(
    desk: Client, dana: User, clock: Clock
) -> None:
    later = datetime(2031, 5, 17, 12, tzinfo=UTC)
    grant = make_grant(
        dana, 30, source=CreditGrant.Source.PLAN, key="plan:by-hand:1", expires_at=later
    )
    make_grant(dana, 5, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    answer = look(desk, dana)
    live = answer.context["live"]
    # In the order in which they are burnt: the plan's, then the pack.
    assert [(one.source, one.remaining) for one in live.shown] == [("plan", 30), ("pack", 50)]
    assert live.shown[0].row_id == grant.usage_id
    assert [one.expired for one in answer.context["over"].shown] == [True]
    for part in ("plan:by-hand:1", "17 May 2031", f"?row={grant.usage_id}#row-{grant.usage_id}"):
        assert part in answer.text


def test_the_balance_says_what_is_held_and_what_expires_next(
    desk: Client, dana: User, clock: Clock
) -> None:
    make_grant(dana, 30, expires_at=datetime(2031, 5, 17, tzinfo=UTC))
    make_charge(dana, 4, hold=True)
    balance = look(desk, dana).context["balance"]
    assert (balance.remaining, balance.held, balance.expiring) == (76, 4, 26)


def test_subscriptions_are_told(desk: Client, dana: User) -> None:
    SubscriptionItem.objects.create(
        item_id="subi_1", instance_id="ins", payer_kind="user", payer_id="user_dana",
        plan_id="cplan_pro", plan_name="Pro", status="past_due", annual=True,
        period_start=int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000),
    )  # fmt: skip
    text = look(desk, dana).text
    for part in ("cplan_pro", "past_due", "annual", "1 Mar 2026", "subi_1"):
        assert part in text


def test_names_from_elsewhere_are_shown_as_text(desk: Client, dana: User) -> None:
    User.objects.filter(pk=dana.pk).update(name="<img src=x onerror=alert(1)>")
    tell(dana, 1, error="<script>alert(1)</script>")
    text = look(desk, dana).text
    assert "<img src=x" not in text
    assert "<script>alert" not in text


def test_a_person_takes_no_more_queries_for_more_history(
    desk: Client, dana: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def count() -> None:
        for number in range(10):
            charge = make_charge(dana)
            refund_charge(charge_id=charge.id, reason="x", idempotency_key=f"{charge.id}")
            make_grant(dana, 1)
            tell(dana, f"{charge.id}")
            pay(dana, f"{charge.id}")
            SubscriptionItem.objects.create(
                item_id=f"i{charge.id}",
                instance_id="i",
                payer_kind="user",
                payer_id="user_dana",
                status="active",
            )
            assert number < 10

    count()
    model_label("")  # The labels are read once in LABEL_SECONDS.
    with django_assert_num_queries(24):
        look(desk, dana)
    count()
    with django_assert_num_queries(24):
        look(desk, dana)
