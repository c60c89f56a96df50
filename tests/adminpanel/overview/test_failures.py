"""Models whose provider fails: the top line of the desk, the list on the health page, metrics."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from adminpanel.metrics import CODES
from adminpanel.overview.failures import ADVICE
from adminpanel.overview.health import get_brief, get_health
from ai_chat.jobs.failures import NOT_THE_PROVIDER
from ai_chat.models import ProviderFailure
from credits.catalogue.models import fill_catalogue
from credits.models import AIModel, Provider
from credits.reasons import CHARGED, Reason
from tests.api import Api

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small(db: None) -> AIModel:
    fill_catalogue()
    model = AIModel.objects.filter(feature="ai_text_chat").earliest("position")
    AIModel.objects.filter(pk=model.pk).update(label="Small")
    return model


def fail(model: AIModel, reason: Reason = Reason.ACCESS, **columns: Any) -> ProviderFailure:
    since = timezone.now() - timedelta(hours=3, minutes=1)
    values = {"status": 401, "code": "invalid_api_key", "since": since, "latest_at": since}
    return ProviderFailure.objects.create(
        model=model.name, provider=model.provider.name, reason=reason, **{**values, **columns}
    )


def red() -> list[str]:
    return [sign.text for sign in get_brief() if sign.label == "Models"]


def test_the_top_line_names_model_status_code_and_how_long(
    small: AIModel, desk: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert red() == []
    failure = fail(small)
    with django_assert_num_queries(1):
        assert red() == ["Small has failed for 3 h: 401 invalid_api_key"]
    page = desk.get("/admin/audit").text
    link = re.search(r'<a class="tag bad" href="([^"]*)">Small has failed for 3 h', page)
    assert link
    health = unescape(desk.get(link[1]).text)
    assert "invalid_api_key" in health
    assert ADVICE[Reason.ACCESS] in health
    assert '<span class="tag bad">fails</span>' in health
    failure.recovered_at = timezone.now()
    failure.save()
    assert red() == []
    assert "answers since" in desk.get(link[1]).text
    assert next(sign for sign in get_health().signs if sign.label == "Models").state == "ok"


def test_what_passes_by_itself_is_red_only_when_it_is_repeated(small: AIModel) -> None:
    failure = fail(small, Reason.TIMEOUT, status=None, code="")
    assert red() == []
    failure.latest_at = timezone.now()
    failure.save()
    assert red() == ["Small has failed for 3 h: the provider took too long"]


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.CONTEXT_TOO_LONG])
def test_what_people_ask_for_is_no_failure_of_a_model(small: AIModel, reason: Reason) -> None:
    fail(small, reason, latest_at=timezone.now())
    assert red() == []


def test_a_retired_model_does_not_matter(small: AIModel) -> None:
    fail(small)
    AIModel.objects.filter(pk=small.pk).update(active=False)
    assert red() == []


def test_a_provider_that_the_model_has_left_does_not_matter(small: AIModel, desk: Client) -> None:
    fail(small)
    other = Provider.objects.create(name="other", dialect=Provider.Dialect.COMPATIBLE)
    AIModel.objects.filter(pk=small.pk).update(provider=other)
    assert red() == []
    assert next(sign for sign in get_health().signs if sign.label == "Models").state == "ok"


def test_every_failure_of_a_provider_has_its_advice() -> None:
    ours = {*NOT_THE_PROVIDER, *CHARGED, Reason.UNUSED}
    assert set(ADVICE) == set(Reason) - ours


def test_the_metrics_count_failures_with_bounded_labels(small: AIModel) -> None:
    fail(small, count=3)
    for number in range(CODES + 5):
        fail(small, Reason.PROVIDER_ERROR, status=500, code=f"code-{number}", count=2)
    fail(small, Reason.UNREACHABLE, status=None, code="")
    text = Api(headers={"Host": "localhost"}).get("/metrics").content.decode()
    lines = [line for line in text.splitlines() if line.startswith("tally_provider")]
    labels = f'model="{small.name}",provider="{small.provider.name}"'
    counter = "tally_provider_failures_total"
    shown = {frozenset(re.findall(r'(\w+="[^"]*")', line)): line.split()[-1] for line in lines}
    expected = {*labels.split(","), 'reason="provider_access"', 'code="invalid_api_key"'}
    assert shown[frozenset(expected)] == "3.0"
    expected = {*labels.split(","), 'reason="provider_error"', 'code="other"'}
    assert shown[frozenset(expected)] == "10.0"
    assert len([line for line in lines if line.startswith(counter)]) == 1 + CODES + 1 + 1
    assert f'tally_provider_failing{{model="{small.name}"}} 1.0' in lines
