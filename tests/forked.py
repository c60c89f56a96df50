"""Starting Python programs of the site quickly: each is forked from a process that has imported the
libraries, and nothing of the site. To import them takes longer than all else in a site's start."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from tests.processes import ROOT

#: Libraries that look neither at the environment nor at Django's settings when they are imported.
LIBRARIES = [
    "cryptography.hazmat.primitives.asymmetric.rsa", "cryptography.x509", "django.core.wsgi",
    "django.db.models", "django.forms", "django.template", "django.views.generic",
    "granian.cli", "granian.server.mp", "httpx", "httpx2", "jwt", "markdown_it", "openai",
    "openai.resources.chat", "PIL.Image", "procrastinate", "prometheus_client", "psycopg",
    "psycopg_pool", "pygments.lexers", "requests", "rich.console", "segno", "sqlparse", "yaml",
]  # fmt: skip

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LIBRARIES)


class Forked:
    """A running program that leads its own group, with what `subprocess.Popen` offers of use."""

    def __init__(
        self,
        program: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        imports: Sequence[str] = (),
    ) -> None:
        """`program` is a file or `-m` with a module, then the arguments; both streams are appended
        to the log. Modules in `imports` are there before it begins: once for all processes that it
        forks."""
        arguments = (list(program), dict(environment), str(log), list(imports))
        self._process = _context.Process(target=_run, args=arguments)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end up to `timeout` seconds. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _run(program: list[str], environment: dict[str, str], log: str, imports: list[str]) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    # What is started from here, the web server's workers, has the libraries as well.
    multiprocessing.set_start_method("fork", force=True)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for module in imports:
        import_module(module)
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        runpy.run_path(sys.argv[0], run_name="__main__")
