"""`manage.py local_provider`: an OpenAI-compatible server of our own, for use without a key."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ai_chat.local_provider import instead, weights_path, why_unavailable


def half_the_cores() -> int:
    """The threads that a shared machine can spare, at least one.

    The threads of one answer wait for each other in loops. Measured on two cores: two threads
    give 45 tokens/s alone but 2 beside other work, where one gives 30.
    """
    return max(1, (os.cpu_count() or 2) // 2)


class Command(BaseCommand):
    help = "Serves a small model and a painter through OpenAI's API, on this machine only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.LOCAL_PROVIDER_PORT)
        parser.add_argument("--host", default="127.0.0.1", help="loopback unless told otherwise")
        parser.add_argument("--threads", type=int, default=half_the_cores(), help="for the model")
        parser.add_argument("--check", action="store_true", help="only say whether it can run")

    def handle(self, *args: Any, **options: Any) -> None:
        problem, weights = why_unavailable(), weights_path()
        if problem or weights is None:
            self._give_up(problem)
        if not options["check"]:
            self._serve(weights, options["host"], options["port"], options["threads"])

    def _serve(self, weights: Path, host: str, port: int, threads: int) -> None:
        # Pillow and httpx are not needed to say that nothing can run.
        from ai_chat.local_provider.api import serve
        from ai_chat.local_provider.llama import LlamaEngine
        from ai_chat.local_provider.server import run_until_signalled

        try:
            server = serve(LlamaEngine(weights, threads=max(1, threads)), port, host)
        except OSError as error:
            self._give_up(f"The local provider cannot listen on {host}:{port}: {error.strerror}.")
        except (ImportError, RuntimeError):
            self._give_up(instead("llama.cpp does not run on this machine"))
        self.stdout.write(f"The local provider answers at {server.base_url}")
        self.stdout.flush()
        run_until_signalled(server)

    def _give_up(self, sentence: str) -> NoReturn:
        self.stderr.write(sentence)
        sys.exit(1)
