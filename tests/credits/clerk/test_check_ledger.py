"""Clerk's part of `check_ledger` finds what it is for."""

import time
from datetime import timedelta

import pytest

from credits.check import run_checks
from credits.clerk.checks import CLERK_CHECKS
from credits.clerk.models import Period
from credits.models import CreditGrant
from tests.factories import make_plan, make_user
from tests.fakes.clerk_story import event, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
NAMES = {check.name for check in CLERK_CHECKS}


@pytest.fixture
def grant(deliver):
    make_plan("cplan_pro", credits=100)
    deliver(event("subscriptionItem.active", item_json("user_1", period_start=NOW), at=NOW))
    return CreditGrant.objects.get()


def found():
    results = run_checks(grace=timedelta(days=999))
    return {r.check.name for r in results if not r.ok and r.check.name in NAMES}


def test_the_checks_run_with_the_ledger_s(grant):
    assert {r.check.name for r in run_checks()} >= NAMES
    assert found() == set()


def test_a_grant_without_its_period_is_found(grant):
    Period.objects.update(earned=False, settled=False)
    assert found() == {"plan_grant_has_its_period"}
    Period.objects.update(earned=True)


def test_a_settled_period_without_its_grant_is_found(grant):
    Period.objects.update(start=NOW - 1)
    assert found() == {"plan_grant_has_its_period", "settled_period_has_its_grant"}
    Period.objects.update(start=NOW)


def test_a_grant_that_outlasts_its_period_is_found(grant):
    before = grant.expires_at
    CreditGrant.objects.update(expires_at=before + timedelta(days=1))
    assert found() == {"plan_grant_ends_with_its_item"}
    CreditGrant.objects.update(expires_at=before)


def test_a_grant_of_the_wrong_user_is_found(grant):
    identity = grant.user.clerk_identity
    other = make_user()
    type(identity).objects.update(user=other)
    assert found() == {"plan_grant_has_its_period"}
    type(identity).objects.update(user=grant.user)
