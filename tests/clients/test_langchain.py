"""LangChain's standard suites against a site, run by pytest in LangChain's environment."""

import json
import shutil
from pathlib import Path

import pytest

from tests.clients.conftest import PROGRAMS, Tally
from tests.clients.environments import FOLDER, is_installed, run

#: One loop for all tests, as the library keeps its connections.
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_test_loop_scope = session\n"
pytestmark = pytest.mark.slow


@pytest.mark.skipif(not is_installed("langchain"), reason="LangChain could not be installed")
def test_the_standard_suites_pass(tally: Tally, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "langchain_suites.py", tmp_path / "test_suites.py")
    (tmp_path / "task.json").write_text(json.dumps(tally.task))
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    # What is left out measures time, and needs recordings.
    command = ["-m", "pytest", "-q", "-k", "not test_stream_time"]
    python = str(FOLDER / "langchain" / "bin" / "python")
    done = run([python, *command], tmp_path, TASK=str(tmp_path / "task.json"))
    print(done.stdout[-1000:])
    tally.assert_settled()
