"""The archive of everything that one user has: asked for on the page, made by a worker, fetched by
its owner alone, gone after a week."""

import csv
import json
import os
import signal
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from stat import S_IMODE
from typing import Any
from zipfile import ZipFile

import pytest
from django.core import mail
from django.utils import timezone
from PIL import Image as Pillow
from procrastinate.contrib.django.models import ProcrastinateJob

from ai_chat import files
from ai_chat.data import archive, chats, jobs
from ai_chat.models import Conversation, DataJob, ResponseItem, Turn
from credits.models import ApiKeySecret, UsageHistory, User
from credits.models.background import SILENCE
from credits.users.tasks import send_letter
from tests.ai_chat.data.conftest import MARKER, Worker, ended, fill, wait_until_done
from tests.ai_chat.gateway.responses.kept import keep_response
from tests.ai_chat.turns import make_turn
from tests.credits.packs.making import make_codes, take
from tests.factories import make_admin
from tests.live import Site
from tests.waiting import wait_for

State = DataJob.State


def ask(place: Site, user: User) -> Any:
    return place.client(user).post("/account/data/archive")


def make_here(user: User) -> DataJob:
    """An archive that this process makes, without a worker."""
    jobs.start_archive(user_id=user.pk)
    job = DataJob.objects.get(user=user, kind="archive", state=State.QUEUED)
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


@pytest.fixture
def here(settings: Any, tmp_path: Path) -> Path:
    """Where this process keeps files."""
    settings.VAR_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    return tmp_path


def opened(job: DataJob, media: Path) -> ZipFile:
    return ZipFile(media / job.file)


def test_everything_is_in_it_and_its_owner_fetches_it(
    place: Site, mary: User, worker: Worker, alice: User
) -> None:
    program = fill(place, mary, chats=2)
    _, [code] = make_codes(make_admin())
    at = take(mary, code).at
    assert ask(place, mary).status_code == 302
    with worker():
        job = wait_until_done("archive")
    path = f"/account/data/archives/{job.pk}"
    assert path in program.client.get("/account/data").text
    answer = program.client.get(path)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "no-store" in answer.headers["Cache-Control"]
    assert place.client(alice).get(path).status_code == 404
    assert place.client().get(path).status_code == 302

    with ZipFile(BytesIO(answer.content)) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert len(names) == len(set(names))
        chats = [name for name in names if name.startswith("chats/")]
        assert sorted(name.rpartition(".")[2] for name in chats) == ["json", "json", "md", "md"]
        chat = json.loads(file.read(next(name for name in chats if name.endswith(".json"))))
        assert MARKER in chat["turns"][0]["prompt"]
        assert MARKER in chat["turns"][0]["answer"]
        assert chat["turns"][0]["credits"] == 1
        text = file.read(next(name for name in chats if name.endswith(".md"))).decode()
        assert f"{MARKER} says" in text
        profile = json.loads(file.read("profile.json"))
        assert (profile["email"], profile["name"]) == (mary.email, MARKER)
        assert profile["sessions"]
        assert [row["description"] for row in profile["webhooks"]] == [MARKER]
        assert [row["name"] for row in profile["apiKeys"]] == [MARKER]
        secret = ApiKeySecret.objects.get()
        assert secret.hint not in str(profile["apiKeys"])
        assert bytes(secret.digest).hex() not in str(profile)
        assert [row["data"] for row in profile["announced"]] == [{"text": MARKER}]
        assert profile["redeemedCodes"] == [{"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "credits": 20}]
        rows = list(csv.DictReader(StringIO(file.read("statement.csv").decode())))
        own = UsageHistory.objects.filter(account_id=mary.pk)
        assert {int(row["Row"]) for row in rows} == set(own.values_list("pk", flat=True))
        [response] = json.loads(file.read("responses.json"))["responses"]
        assert MARKER in response["input"][0]["content"]
        [made] = json.loads(file.read("images/images.json"))["requests"]
        assert MARKER in made["prompt"]
        assert Pillow.open(BytesIO(file.read(made["files"][0]))).size == (64, 64)


def test_a_killed_worker_is_no_end_of_it(
    place: Site, mary: User, worker: Worker, alice: User, var: Path
) -> None:
    conversation = Conversation.objects.create(user=mary, title="Long")
    make_turn(conversation, "first", "x")
    for number in range(400):
        Conversation.objects.create(user=mary, title=f"Chat {number}")
    ask(place, mary)
    job = DataJob.objects.get(user=mary)
    with worker() as process:
        wait_for(lambda: DataJob.objects.get().state == State.RUNNING, "the start", pause=0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    job.refresh_from_db()
    assert (job.state, job.file) == (State.RUNNING, "")
    assert list(var.glob("tmp*")) == [], "Nothing is left of what was written."
    DataJob.objects.update(heartbeat_at=timezone.now() - 2 * SILENCE)
    jobs.resume()
    with worker():
        wait_for(ended(job), "the archive to be made from the beginning")
    answer = place.client(mary).get(f"/account/data/archives/{job.pk}")
    names = ZipFile(BytesIO(answer.content)).namelist()
    assert sum(name.startswith("chats/") for name in names) == 2 * 401
    assert len(names) == len({*names})


@pytest.mark.django_db
def test_a_long_chat_is_read_in_batches(alice: User, here: Path, settings: Any) -> None:
    conversation = Conversation.objects.create(user=alice, title="Long")
    for number in range(5):
        make_turn(conversation, f"Question {number}", f"Answer {number}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chats, "BATCH", 2)
        job = make_here(alice)
    assert (job.state, job.processed, job.total) == (State.DONE, 5, 5)
    with opened(job, here / "media") as file:
        [name] = [name for name in file.namelist() if name.endswith(".json") and "chats" in name]
        turns = json.loads(file.read(name))["turns"]
    assert [turn["prompt"] for turn in turns] == [f"Question {number}" for number in range(5)]


@pytest.mark.parametrize(
    "title", ["../../etc/passwd", "a/b\\c", "CON", "\u202egnp.exe", "", "=cmd|' /C'!A0", "x" * 120]
)
@pytest.mark.django_db
def test_names_of_files_are_safe_whatever_a_chat_is_called(
    alice: User, here: Path, title: str
) -> None:
    for _ in range(2):
        Conversation.objects.create(user=alice, title=title)
    job = make_here(alice)
    with opened(job, here / "media") as file:
        names = [name for name in file.namelist() if name.startswith("chats/")]
    assert len(set(names)) == 4
    for name in names:
        folder, _, rest = name.partition("/")
        assert (folder, len(name) < 120) == ("chats", True)
        assert rest.replace("-", "").replace("_", "").replace(".", "").isalnum()


@pytest.mark.django_db
def test_files_are_for_nobody_else_on_the_machine(alice: User, here: Path) -> None:
    path = here / "media" / make_here(alice).file
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert {S_IMODE(above.stat().st_mode) for above in path.parents[:3]} == {0o700}


def test_what_is_too_large_says_so(alice: User, here: Path, settings: Any) -> None:
    settings.ARCHIVE_MAX_BYTES = 1000
    conversation = Conversation.objects.create(user=alice, title="Large")
    make_turn(conversation, "x", os.urandom(5000).hex())
    job = make_here(alice)
    assert (job.state, job.file) == (State.FAILED, "")
    assert "larger than" in job.error
    assert not list(here.rglob("*.zip"))


@pytest.mark.django_db(transaction=True)
def test_one_at_a_time_and_three_a_day(alice: User, here: Path, place: Site) -> None:
    client = place.client(alice)
    for _ in range(2):
        assert client.post("/account/data/archive").status_code == 302
    assert DataJob.objects.count() == 1
    DataJob.objects.update(state=State.DONE)
    for _ in range(2):
        client.post("/account/data/archive")
        DataJob.objects.update(state=State.DONE)
    answer = client.post("/account/data/archive")
    assert (answer.status_code, DataJob.objects.count()) == (429, 3)
    assert "3 archives a day" in answer.text
    assert int(answer.headers["Retry-After"]) > 80_000
    DataJob.objects.filter(pk=DataJob.objects.all()[0].pk).update(state=State.FAILED)
    assert client.post("/account/data/archive").status_code == 302, "What failed does not count."


@pytest.mark.django_db
def test_after_a_week_it_is_gone_and_so_is_what_nobody_knows(alice: User, here: Path) -> None:
    job, media = make_here(alice), here / "media"
    stray = media / job.folder / "018f0000-0000-7000-8000-000000000000.zip"
    stray.write_bytes(b"x")
    jobs.forget()
    assert not stray.exists()
    assert (media / job.file).exists()
    DataJob.objects.update(created_at=timezone.now() - timedelta(days=7, minutes=1))
    jobs.forget()
    assert not (media / job.file).exists()
    assert not DataJob.objects.exists()


@pytest.mark.django_db
def test_one_that_fails_can_be_asked_for_anew(
    alice: User, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(archive, "profile_of", lambda _: 1 / 0)
        job = make_here(alice)
    assert (job.state, job.error) == (
        State.FAILED,
        "Something went wrong on our side. Ask for it again.",
    )
    assert make_here(alice).state == State.DONE


@pytest.mark.django_db
def test_one_whose_account_closes_meanwhile_keeps_nothing(
    alice: User, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.start_archive(user_id=alice.pk)
    job = DataJob.objects.get()
    save = files.save

    def save_and_close(name: str, content: Any) -> str:
        DataJob.objects.all().delete()  # As closing does.
        return save(name, content)

    monkeypatch.setattr(files, "save", save_and_close)
    jobs.run(job.pk)
    assert not list(here.rglob("*.zip"))


@pytest.mark.django_db
def test_an_archive_that_ends_every_worker_is_given_up(alice: User) -> None:
    jobs.start_archive(user_id=alice.pk)
    long_ago = timezone.now() - timedelta(hours=7)
    DataJob.objects.update(state=State.RUNNING, created_at=long_ago, heartbeat_at=long_ago)
    jobs.resume()
    job = DataJob.objects.get()
    assert (job.state, job.error) == (State.FAILED, "It took too long. Ask for it again.")


@pytest.mark.django_db(transaction=True)
def test_a_letter_says_that_it_is_ready(alice: User, here: Path, settings: Any) -> None:
    settings.MAIL_CONFIGURED = True
    make_here(alice)
    letter = ProcrastinateJob.objects.get(task_name="users.send_letter")
    send_letter(**letter.args)
    [sent] = mail.outbox
    assert sent.to == [alice.email]
    assert f"{settings.SITE_URL}/account/data" in sent.body


@pytest.mark.parametrize("kind", ["chats", "images"])
def test_all_chats_or_all_images_go_and_the_rest_stays(
    place: Site, mary: User, worker: Worker, kind: str, var: Path
) -> None:
    program = fill(place, mary, chats=2)
    page = program.client.get(f"/account/data/delete/{kind}").text
    assert f"Delete all {kind}?" in page
    assert program.client.post(f"/account/data/delete/{kind}").status_code == 302
    with worker():
        wait_until_done(kind)
    media = list((var / "media" / "images" / str(mary.pk)).rglob("*.png"))
    left = (Turn.objects.count(), Conversation.objects.count(), len(media))
    assert left == ((0, 0, 1) if kind == "chats" else (2, 2, 0))
    assert program.client.get("/account/data/delete/money").status_code == 404


@pytest.mark.django_db
def test_what_begins_after_a_deletion_was_asked_for_stays(alice: User) -> None:
    Conversation.objects.create(user=alice, title="Old")
    Conversation.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    jobs.start(user_id=alice.pk, kind="chats")
    DataJob.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    new = Conversation.objects.create(user=alice, title="New")
    jobs.run(DataJob.objects.get().pk)
    assert [each.pk for each in Conversation.objects.all()] == [new.pk]


def test_what_is_kept_of_the_api_is_deleted_when_it_is_turned_off(place: Site, mary: User) -> None:
    keep_response(mary, MARKER)
    client = place.client(mary)
    assert "and keep none from now on" in client.get("/account/data").text
    asks = client.get("/account/data/responses").text
    assert 'name="keeps" value="0"' in asks
    answer = client.post("/account/data/responses", data={"keeps": "0"})
    assert answer.status_code == 302
    assert "Nothing is kept" in client.get("/account/data").text
    assert not ResponseItem.objects.exists()
    client.post("/account/data/responses", data={"keeps": "1"})
    mary.refresh_from_db()
    assert mary.keeps_answers
