"""The calls of an account's keys among all that one user has."""

import csv
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from ai_chat.data import jobs
from ai_chat.jobs.ending import Outcome, end_job
from ai_chat.models import ApiCall, DataJob
from credits.models import ApiKey, UsageHistory, User
from credits.users.closing import close
from tests.ai_chat.calls.making import State, make_call, start_call
from tests.ai_chat.tokens import price_by_tokens
from tests.factories import make_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(alice: User) -> ApiKey:
    price_by_tokens()
    return make_key(alice)


def run(job: DataJob) -> DataJob:
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def test_an_archive_has_them(
    alice: User, bob: User, key: ApiKey, settings: Any, tmp_path: Path
) -> None:
    settings.VAR_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    calls = [make_call(alice, key), make_call(alice, key)]
    make_call(bob, make_key(bob))
    jobs.start_archive(user_id=alice.pk)
    job = run(DataJob.objects.get(user=alice))
    with ZipFile(settings.MEDIA_ROOT / job.file).open("calls.csv") as file:
        rows = list(csv.DictReader(TextIOWrapper(file)))
    assert [row["Request"] for row in rows] == [call.request_id for call in calls[::-1]]
    assert {row["Cost"] for row in rows} == {"0.900000000000"}


def test_an_erasure_deletes_them_once_they_have_ended(
    alice: User, bob: User, key: ApiKey, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    make_call(alice, key)
    running, others = start_call(alice, key), make_call(bob, make_key(bob))
    charges = UsageHistory.objects.filter(account_id=alice.pk, unit_cost__isnull=False).count()
    close(user=alice)
    job = run(DataJob.objects.get(user=alice, kind=DataJob.Kind.ERASURE))
    assert job.state != DataJob.State.DONE
    [left] = ApiCall.objects.filter(user=alice)
    assert left.stop_requested
    end_job(running, Outcome(State.STOPPED, "stopped_before_first_token", delivered=0))
    assert run(job).state == DataJob.State.DONE
    assert [*ApiCall.objects.all()] == [others]
    kept = UsageHistory.objects.filter(account_id=alice.pk, unit_cost__isnull=False)
    assert kept.count() == charges
