"""Every path that a page for developers names exists."""

import re
from pathlib import Path

import pytest

from tests.processes import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
APPS = "config|credits|ai_chat|adminpanel|tests|templates|static|docs|requirements"
#: `credits/models/`, `config/env.py`; a placeholder as in `templates/<app>/` is no path.
PATH = re.compile(rf"`((?:{APPS})/[\w./-]*)`")
MODULE = re.compile(r"`(?:python -m )?((?:config|credits|ai_chat|adminpanel|tests)(?:\.\w+)+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_and_modules_exist(page: Path) -> None:
    text = page.read_text()
    missing = [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    missing += [name for name in MODULE.findall(text) if not is_module_or_member(name)]
    assert not missing, f"{page.name} names what is not there: {missing}"


def is_module_or_member(name: str) -> bool:
    """Whether the dotted name is a module, or a member of one (whose name stands in its text)."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        module = (
            place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
        )
        if place.is_dir() or module.exists():
            text = module.read_text() if module.exists() else ""
            return all(part in text for part in parts[length:])
    return False
