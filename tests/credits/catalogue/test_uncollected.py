"""A model whose calls use more than is reserved for them, at the operator's loss."""

import pytest
from pytest_django import Settings

from credits.catalogue.model_changes import change_model
from credits.catalogue.uncollected import retire_uncollected
from credits.models import AIModel, AuditEntry, SettingsChange, Use, User
from credits.tasks import retire
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.factories import make_grant, make_model, make_reserve, make_token_price

pytestmark = pytest.mark.django_db


@pytest.fixture
def model(alice: User) -> AIModel:
    make_grant(alice, 1000)
    model = make_model("mini")
    make_token_price(model, output=10**9)
    return model


def overrun(user: User, model: AIModel, times: int = 1, output: int = 3000) -> None:
    for _ in range(times):
        reserve = make_reserve(user, model)
        settle_use(charge_id=reserve.id, tokens=Tokens(9, 0, 0, output, 0, Use.Source.PROVIDER))


def test_the_third_in_a_day_retires_the_model(alice: User, model: AIModel) -> None:
    overrun(alice, model, 2)
    overrun(alice, model, 5, output=10)
    assert retire_uncollected() == []
    overrun(alice, model)
    assert retire_uncollected() == ["mini"]
    model.refresh_from_db()
    assert not model.active
    change = SettingsChange.objects.get()
    assert (change.actor, change.after["active"]) == (None, False)
    assert "cost more than was reserved" in AuditEntry.objects.get().reason
    assert retire_uncollected() == []


def test_what_is_a_day_old_does_not_count(alice: User, model: AIModel, clock: Clock) -> None:
    overrun(alice, model, 2)
    clock.move(days=1, seconds=1)
    overrun(alice, model, 2)
    assert retire_uncollected() == []


def test_an_admin_offers_it_again(alice: User, model: AIModel) -> None:
    overrun(alice, model, 3)
    retire_uncollected()
    change_model(actor=None, name="mini", changes={"active": True})
    assert retire_uncollected() == []


def test_one_that_takes_over_for_another_stays(alice: User, model: AIModel) -> None:
    make_model("large", fallback=model)
    overrun(alice, model, 3)
    assert retire_uncollected() == []
    assert AIModel.objects.get(name="mini").active


@pytest.mark.parametrize("on", [True, False])
def test_the_setting_decides(alice: User, model: AIModel, settings: Settings, *, on: bool) -> None:
    settings.UNCOLLECTED_RETIRES = on
    overrun(alice, model, 3)
    retire(0)
    assert AIModel.objects.get(name="mini").active is not on
