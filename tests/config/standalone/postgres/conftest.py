"""A cluster for the tests of the embedded PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.standalone.postgres.clients import data_of, has_stopped

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def shared_directory() -> Iterator[Path]:
    """One cluster for many tests: making one takes a second. Others may pass through its parent."""
    parent = Path(tempfile.mkdtemp(prefix="tally-test-"))
    parent.chmod(0o711)
    yield parent / "postgres"
    remove(parent / "postgres")
    shutil.rmtree(parent)


@pytest.fixture
def directory(shared_directory: Path) -> Iterator[Path]:
    """A server that does not run, and must not run after the test."""
    yield shared_directory
    assert has_stopped(shared_directory), "The server or its supervisor is still there."


def remove(directory: Path) -> None:
    """With the cluster, where that had to move elsewhere."""
    place = data_of(directory).parent
    shutil.rmtree(directory, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
