"""Static files as a deployment collects them."""

import re
import runpy
from pathlib import Path
from typing import Any, cast

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, staticfiles_storage
from django.core.management import call_command

IMPORT = re.compile(r'^import [^"]*"(.+)";$', re.MULTILINE)


@pytest.fixture
def collected(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of all static files, collected as the settings say without DEBUG."""
    monkeypatch.setenv("DEBUG", "0")
    own = runpy.run_path(f"{settings.BASE_DIR}/config/settings.py")
    settings.STORAGES = {**settings.STORAGES, "staticfiles": own["STORAGES"]["staticfiles"]}
    settings.STATIC_ROOT = str(tmp_path)
    call_command("collectstatic", verbosity=0, interactive=False)
    return tmp_path


def test_modules_import_each_other_by_their_hashed_names(collected: Path) -> None:
    storage = cast(ManifestStaticFilesStorage, staticfiles_storage)
    hashed = {collected / name for name in storage.hashed_files.values()}
    sources = Path(settings.BASE_DIR, "static")
    names = [str(path.relative_to(sources)) for path in sources.rglob("*.js")]
    scripts = [collected / storage.stored_name(name) for name in names]
    imports = {
        (script.parent / name).resolve()
        for script in scripts
        for name in IMPORT.findall(script.read_text())
    }
    assert imports
    assert imports <= hashed
    assert all(path.is_file() for path in imports)
