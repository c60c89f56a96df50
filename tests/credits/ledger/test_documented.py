"""docs/ledger.md names every guard there is, and no test that is not there."""

import re
from pathlib import Path

from credits.integrity.guards import CONSTRAINTS, INDEXES, TRIGGERS
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "ledger.md").read_text()
FOLDER = ROOT / "credits" / "sql"
SUBJECTS = (
    "accounts", "codes", "ends", "kernel", "keys", "limits", "plans", "prices", "reads", "records",
    "rollup", "rules", "tokens",
)  # fmt: skip
SQL = "".join((FOLDER / f"{subject}.sql").read_text() for subject in SUBJECTS)


def test_every_guard_is_documented() -> None:
    guards = {
        name for kind in (TRIGGERS, CONSTRAINTS, INDEXES) for t in kind.values() for name in t
    }
    raised = set(re.findall(r"CONSTRAINT = '(\w+)'", SQL))
    assert {name for name in guards | raised if f"`{name}`" not in PAGE} == set()


def test_every_function_is_documented() -> None:
    functions = set(re.findall(r"CREATE FUNCTION (\w+)", SQL))
    assert {name for name in functions if f"`{name}`" not in PAGE} == set()


def test_every_trigger_is_among_the_guards_that_check_ledger_asks_for() -> None:
    made = set(re.findall(r"CREATE (?:CONSTRAINT )?TRIGGER (\w+)", SQL))
    assert made == {name for names in TRIGGERS.values() for name in names}


def test_the_tests_that_are_named_exist() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    assert named
    assert {name for name in named if not Path(__file__).with_name(name).exists()} == set()
