"""Somebody with content of every kind at a running site, and a worker that is started by hand."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ai_chat.conversations.presets import save_account_instructions
from ai_chat.models import DataJob, Folder, Preset
from credits.events.announcing import announce
from credits.models import User, WebhookEndpoint
from tests.ai_chat.api.client import Program
from tests.ai_chat.gateway.responses.kept import keep_response
from tests.factories import make_key, make_secret, make_user
from tests.forked import Forked
from tests.live import Site, running_worker
from tests.waiting import wait_for

#: In everything that the user says: it must be nowhere afterwards.
MARKER = "Xyzzyplugh"

type Worker = Callable[[], AbstractContextManager[Forked]]


@pytest.fixture
def worker(place: Site, var: Path, tmp_path: Path) -> Worker:
    """Starts a worker of that site; what it does to jobs is waited for with `ended`."""

    @contextmanager
    def start() -> Iterator[Forked]:
        with running_worker({"VAR_DIR": str(var)}, log=tmp_path / "worker.log") as process:
            yield process

    return start


@pytest.fixture
def mary(transactional_db: None) -> User:
    """Has the marker for a name and in her address."""
    return make_user(f"{MARKER}@example.com", name=MARKER, credits=1000)


def fill(place: Site, user: User, *, chats: int = 1) -> Program:
    """Chats and pictures that the user asks for as a program, with the marker in all that can be
    said."""
    program = Program(place, user)
    program.client.headers["User-Agent"] = f"{MARKER}/1.0"
    for number in range(chats):
        answer = program.ask(
            f"{MARKER} says [[echo]]", id=f"{MARKER}-{number}", key=f"{MARKER}{number}"
        )
        assert MARKER in answer.text, answer.text
    keep_response(user, MARKER)
    WebhookEndpoint.objects.create(
        account_id=user.pk, url=f"https://{MARKER}.example/", description=MARKER, secret=MARKER
    )
    make_secret(make_key(user, name=MARKER))
    save_account_instructions(user_id=user.pk, text=MARKER)
    Preset.objects.create(user=user, name=MARKER, instructions=MARKER)
    Folder.objects.create(user=user, name=MARKER)
    announce(account_id=user.pk, kind=MARKER, key=MARKER, payload={"text": MARKER})
    picture = program.paint(f"A portrait of {MARKER}", key=MARKER)
    assert picture.status_code == 200, picture.text
    return program


def ended(job: DataJob, *states: str) -> Callable[[], bool]:
    wanted = states or (DataJob.State.DONE,)
    return lambda: DataJob.objects.filter(pk=job.pk, state__in=wanted).exists()


def wait_until_done(kind: str) -> DataJob:
    """The job of this kind once it has ended well."""
    job = DataJob.objects.filter(kind=kind).latest("created_at")
    wait_for(ended(job), lambda: f"the {kind}: {DataJob.objects.get(pk=job.pk)}")
    job.refresh_from_db()
    return job
