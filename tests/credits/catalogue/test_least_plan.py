"""From which plan on a model may be used."""

import time
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from credits.catalogue.models import all_offered, get_model
from credits.exceptions import ModelNotOffered, PlanRequired
from credits.models import AIModel, SubscriptionItem, User
from tests.factories import make_model, make_plan, make_user

pytestmark = pytest.mark.django_db
TEXT = "ai_text_chat"
HOUR = 3_600_000  # milliseconds


def subscribe(user: User, plan: str, status: str = "active", **fields: Any) -> None:
    SubscriptionItem.objects.create(
        item_id=f"item_{plan}_{status}", instance_id="i", plan_id=plan, status=status,
        **{"payer_kind": "user", "payer_id": user.clerk_id, **fields},
    )  # fmt: skip


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def dana(db: None) -> User:
    make_plan("cplan_small", credits=100)
    pro = make_plan("cplan_pro", credits=500)
    make_plan("cplan_max", credits=1000)
    make_plan("cplan_gone", credits=1000, active=False)
    make_model("small")
    make_model("large", least_plan=pro)
    return make_user(clerk_id="user_dana")


def may_use_large(user: User) -> bool:
    [large] = [model for model in all_offered(user_id=user.pk) if model.name == "large"]
    if large.usable:
        assert get_model("large", feature=TEXT, user_id=user.pk) == large
        return True
    with pytest.raises(PlanRequired) as refusal:
        get_model("large", feature=TEXT, user_id=user.pk)
    assert (refusal.value.status, refusal.value.code) == (403, "plan_required")
    assert refusal.value.members == {"plan": "Pro"}
    return False


@pytest.mark.parametrize("plan", ["cplan_pro", "cplan_max"])
def test_a_subscriber_of_the_plan_or_a_larger_one_may(dana: User, plan: str) -> None:
    assert not may_use_large(dana)
    subscribe(dana, plan)
    assert may_use_large(dana)


@pytest.mark.parametrize(
    ("plan", "fields"),
    [
        ("cplan_small", {}),
        ("cplan_gone", {}),
        ("cplan_unknown", {}),
        ("cplan_pro", {"status": "ended"}),
        ("cplan_pro", {"status": "past_due"}),
        ("cplan_pro", {"status": "canceled", "period_end": 1000}),
        ("cplan_pro", {"payer_id": "user_other"}),
        ("cplan_pro", {"payer_kind": "org"}),
    ],
)
def test_others_may_not(dana: User, plan: str, fields: dict[str, Any]) -> None:
    subscribe(dana, plan, **fields)
    assert not may_use_large(dana)


def test_a_canceled_plan_holds_to_its_end(dana: User) -> None:
    subscribe(dana, "cplan_pro", "canceled", period_end=now() + HOUR)
    assert may_use_large(dana)


def test_a_user_without_an_account_at_clerk_has_no_plan(dana: User) -> None:
    local = make_user()
    subscribe(dana, "cplan_pro", payer_id="")
    assert not may_use_large(local)


def test_who_names_no_model_gets_the_first_that_may_be_used(dana: User) -> None:
    pro = make_plan("cplan_other", credits=700)
    make_model("first", least_plan=pro)
    AIModel.objects.exclude(name="first").update(position=9)
    assert get_model("", feature=TEXT, user_id=dana.pk).name == "small"
    subscribe(dana, "cplan_max")
    assert get_model("", feature=TEXT, user_id=dana.pk).name == "first"


def test_where_every_model_needs_a_plan_none_is_chosen(dana: User) -> None:
    painter = make_model("painter", feature="ai_image_generation", least_plan=make_plan())
    with pytest.raises(PlanRequired):
        get_model("", feature=painter.feature, user_id=dana.pk)


def test_a_feature_without_a_model(dana: User) -> None:
    with pytest.raises(ModelNotOffered, match="No model is offered at present"):
        get_model("", feature="ai_image_generation", user_id=dana.pk)
    with pytest.raises(ModelNotOffered, match="Choose one of the models"):
        get_model("painter", feature=TEXT, user_id=dana.pk)


def test_models_prices_and_plans_are_one_query(
    dana: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        make_model(fallback=make_model(), least_plan=make_plan())
    with django_assert_num_queries(1):
        for model in all_offered(user_id=dana.pk):
            assert model.provider.name == "default"
            assert model.cost == 1
            assert model.least_plan is None or model.least_plan.name == "Pro"
            assert model.fallback is None or model.fallback.provider.name == "default"
