"""GET /api/credits/settings, and the effective values behind it."""

import pytest

from credits.features import FEATURE_CREDIT_COSTS, UnknownFeature
from credits.models import User
from credits.pricing import get_feature_cost, get_plan_credits
from tests.api import Api
from tests.factories import make_plan, set_price

SETTINGS = "/api/credits/settings"


def test_anyone_reads_prices_and_plans(db: None) -> None:
    make_plan("cplan_pro", credits=1000)
    assert Api().get(SETTINGS).json() == {
        "featureCosts": FEATURE_CREDIT_COSTS,
        "planCredits": {"cplan_pro": 1000},
    }


def test_an_admins_price_holds_at_once(db: None) -> None:
    api = Api()
    tag = api.get(SETTINGS)["ETag"]
    set_price("ai_text_chat", 7)
    response = api.get(SETTINGS, headers={"If-None-Match": tag})
    assert response.json()["featureCosts"]["ai_text_chat"] == 7
    assert get_feature_cost("ai_text_chat") == 7


def test_an_inactive_plan_is_not_offered_and_brings_nothing(db: None) -> None:
    make_plan("cplan_old", credits=1000, active=False)
    assert Api().get(SETTINGS).json()["planCredits"] == {}
    assert get_plan_credits("cplan_old") == 0
    assert get_plan_credits("cplan_unknown") == 0


def test_an_unknown_feature_has_no_cost(db: None) -> None:
    with pytest.raises(UnknownFeature):
        get_feature_cost("ai_video")


def test_unchanged_settings_are_304(alice: User) -> None:
    tag = Api(alice).get(SETTINGS)["ETag"]
    response = Api().get(SETTINGS, headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")


def test_a_price_of_nothing_is_shown_as_nothing(db: None) -> None:
    set_price("ai_text_chat", 0)
    assert Api().get(SETTINGS).json()["featureCosts"]["ai_text_chat"] == 0
