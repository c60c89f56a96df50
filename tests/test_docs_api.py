"""Every command of docs/api.md is run as it stands there, and answers what it says."""

import json
import re
import subprocess
from pathlib import Path

from credits.api.docs import openapi
from credits.models import User
from tests.factories import PASSWORD, make_grant
from tests.live import ROOT, Site

PAGE = (ROOT / "docs" / "api.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
#: A command, and the comment below it: the status, and the body where it is told.
EXAMPLE = re.compile(r"^(curl (?:.*\\\n)*.*)\n# (\d{3})(?: (.*))?$", re.MULTILINE)
BODY_AND_STATUS = " -w '\\n%{http_code}'"


def script() -> tuple[str, list[tuple[str, str, str]]]:
    """All commands as one shell script, its answers divided by lines of ~, and the examples."""
    examples = [match for block in SHELL[1:] for match in EXAMPLE.findall(block)]
    answers = [f"{command}{BODY_AND_STATUS}\nprintf '\\n~\\n'" for command, *_ in examples]
    return "\n".join(["set -eu", SHELL[0], "printf '~\\n'", *answers]), examples


def test_every_command_answers_as_the_page_says(
    chat_site: Site, admin: User, tmp_path: Path
) -> None:
    make_grant(admin, 100)
    text, examples = script()
    done = subprocess.run(
        ["sh", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin", "no_proxy": "*", "TALLY": chat_site.base_url,
            "EMAIL": "admin@example.com", "PASSWORD": PASSWORD, "USER_ID": str(admin.pk),
            "MODEL": "smollm2-135m",
        },
    )  # fmt: skip
    signed_in, *answers = done.stdout.split("\n~\n")
    assert signed_in == "302"
    for (command, status, body), answer in zip(examples, answers, strict=False):
        content, _, code = answer.rpartition("\n")
        assert code == status, f"{command}\n{answer}"
        assert not body or json.loads(content) == json.loads(body), f"{command}\n{answer}"


def is_clerks(path: str) -> bool:
    """Calls that need Clerk's keys; docs/clerk.md tells of them."""
    return "/clerk/" in path or "/sync" in path


def test_every_call_has_its_command() -> None:
    told = re.sub(r"\$USER_ID|cplan_\w+", "{}", "\n".join(SHELL))
    paths = {re.sub(r"\{\w+\}", "{}", path) for path in openapi()["paths"]}
    own = {path for path in paths if "images/" not in path and not is_clerks(path)}
    missing = {path for path in own if f"$TALLY{path}" not in told}
    assert not missing, f"Show these in docs/api.md: {sorted(missing)}"
