"""Every command of docs/api.md is run as it stands there, and answers what it says."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_chat.attachments.services import add_file
from credits.api.docs import openapi
from credits.events.endpoints import add_endpoint, send_test
from credits.models import SyncJob, User
from credits.packs.batches import make_batch
from tests.credits.packs.making import day, make_pack
from tests.factories import (
    PASSWORD,
    make_admin,
    make_grant,
    make_key,
    make_limit,
    make_secret,
    make_user,
)
from tests.fakes.clerk import INSTANCE, SECRET_KEY, SIGNING_SECRET, running_clerk, user_json
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.processes import ROOT
from tests.waiting import PATIENCE

PAGE = (ROOT / "docs" / "api.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
#: A command, and the comment below it: the status, and the body where it is told.
EXAMPLE = re.compile(r"^(curl .*(?:\n(?!# |curl ).*)*)\n# (\d{3})(?: (.*))?$", re.MULTILINE)
BODY_AND_STATUS = " -w '\\n%{http_code}'"


def script() -> tuple[str, list[tuple[str, str, str]]]:
    """All commands as one shell script, its answers divided by lines of ~, and the examples."""
    examples = [match for block in SHELL[1:] for match in EXAMPLE.findall(block)]
    answers = [f"{command}{BODY_AND_STATUS}\nprintf '\\n~\\n'" for command, *_ in examples]
    return "\n".join(["set -eu", SHELL[0], "printf '~\\n'", *answers]), examples


@pytest.fixture
def whole_site(start_site: Callable[..., Site], provider: FakeProvider) -> Iterator[Site]:
    """A site with a provider and with Clerk, both fakes."""
    with running_clerk() as clerk:
        clerk.users = [user_json("user_1", email="someone@example.com")]
        yield start_site(
            OPENAI_BASE_URL=provider.base_url, CLERK_API_URL=clerk.url,
            CLERK_SECRET_KEY=SECRET_KEY, CLERK_INSTANCE_ID=INSTANCE,
            CLERK_WEBHOOK_SIGNING_SECRET=SIGNING_SECRET, WEBHOOKS_TO_ANY_ADDRESS="1",
        )  # fmt: skip


def test_every_command_answers_as_the_page_says(
    whole_site: Site, admin: User, tmp_path: Path, settings: Any
) -> None:
    settings.WEBHOOKS_TO_ANY_ADDRESS = True
    make_grant(admin, 100)
    person = make_user(credits=100)
    job = SyncJob.objects.create(actor="somebody", state=SyncJob.State.DONE)
    pack = make_pack("Large")
    batch = make_batch(actor=make_admin(), count=2, worth=5, last_day=day(9), key="k")
    hook = add_endpoint(account_id=admin.pk, url="http://127.0.0.1:9/hook").endpoint
    send_test(endpoint=hook)
    file = add_file(user_id=admin.pk, name="note.md", content=b"Hello")
    admins_limit = make_limit(person, 5, "month", by_admin=True).pk
    text, examples = script()
    done = subprocess.run(
        ["sh", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=PATIENCE,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin", "no_proxy": "*", "TALLY": whole_site.base_url,
            "EMAIL": "admin@example.com", "PASSWORD": PASSWORD, "USER_ID": str(person.pk),
            "MODEL": "smollm2-135m", "FILE": str(file.pk), "JOB": str(job.pk), "PACK": str(pack.pk),
            "BATCH": str(batch.pk), "RECEIVER": "http://127.0.0.1:9/",
            "HOOK": str(hook.pk), "ATTEMPT": str(hook.attempts.get().pk),
            "SECRET": make_secret(make_key(make_user(credits=10))),
            "KEY": make_key(admin).public_id, "THEIR_KEY": make_key(person).public_id,
            # The next one is added by the page.
            "LIMIT": str(admins_limit + 1), "ADMINS_LIMIT": str(admins_limit),
        },
    )  # fmt: skip
    signed_in, *answers = done.stdout.split("\n~\n")
    assert signed_in == "302"
    for (command, status, body), answer in zip(examples, answers, strict=False):
        content, _, code = answer.rpartition("\n")
        assert code == status, f"{command}\n{answer}"
        assert not body or json.loads(content) == json.loads(body), f"{command}\n{answer}"


def test_every_call_has_its_command() -> None:
    things = (
        r"\$USER_ID|\$FILE|\$KEY|\$THEIR_KEY|\$JOB|\$PACK|\$BATCH|\$HOOK|\$ATTEMPT|\$LIMIT|\$ADMINS_LIMIT"
        r"|my-chat|cplan_\w+"
    )
    commands = re.sub(things, "{}", "\n".join(SHELL))
    paths = {re.sub(r"\{\w+\}", "{}", path) for path in openapi()["paths"]}
    own = {path for path in paths if "images/" not in path}
    missing = {path for path in own if f"$TALLY{path}" not in commands}
    assert not missing, f"Show these in docs/api.md: {sorted(missing)}"
