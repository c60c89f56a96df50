"""A provider that answers by script: the real local server, wire format and faults, no model.

Markers in the prompt say how to answer: `[[tokens:40]]` so many words, `[[delay:0.05]]` so many
seconds before each, `[[echo]]` the prompt's own words (␤ ends a line), `[[gate]]` no end before
`open_gate()`, `[[tag:name]]` a name for the log, `[[unstorable]]` text that no database takes,
and every `[[fail:…]]` of the local provider.
Without them: "word1 word2 … word8".

    python -m tests.fakes.provider --port 8009 --log calls.jsonl

runs it as a process of its own; the log gets one line per call as it starts, so that counts
outlive a kill.
"""

import argparse
import hashlib
import io
import json
import math
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from PIL import Image

from ai_chat.local_provider.api import serve
from ai_chat.local_provider.engine import (
    ChatRequest,
    Done,
    EmbeddingsRequest,
    Events,
    ImageRequest,
    Reason,
    Request,
    Vector,
)
from ai_chat.local_provider.faults import pauses
from ai_chat.local_provider.server import Call, run_until_signalled

type Script = Callable[[ChatRequest], Iterable[str]]

DEFAULT_TOKENS = 8
#: A NUL, a character in two halves, and halves alone: all legal in JSON.
UNSTORABLE = ["a\0b ", "\ud83d", "\ude00 ", "\ud800c ", "d\udc00 ", "e\ud800"]
FIGURES = ("chats", "pictures", "vectors", "open", "most_open", "closed")
_REMEMBERED_CALLS = 10_000
_MARKER = re.compile(r"\[\[(tokens|delay|echo|gate|tag|unstorable)(?::([\w.-]+))?\]\]")


class FakeProvider:
    """Serves in threads of this process, on a free port unless `port` says which.

    `script` replaces the words that no marker asked for. All figures may be read at any time.
    """

    def __init__(
        self, *, port: int = 0, log: Path | None = None, script: Script | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=_REMEMBERED_CALLS)
        self._figures = dict.fromkeys(FIGURES, 0)
        self._script = script
        self._gate = threading.Event()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self.server = serve(self, port, on_call=self._note)
        self.base_url = self.server.base_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def reset(self) -> None:
        """Begin the figures at nought again; texts that are open stay counted as open."""
        with self._lock:
            self._calls.clear()
            self._figures.update(chats=0, pictures=0, vectors=0, most_open=0, closed=0)
        self._gate.clear()

    def open_gate(self) -> None:
        """Let the texts end that wait at their `[[gate]]`."""
        self._gate.set()

    @property
    def calls(self) -> list[Call]:
        """The valid calls so far, the latest 10 000, also those that were to fail."""
        with self._lock:
            return list(self._calls)

    @property
    def completions_started(self) -> int:
        """Valid calls for a text, also those that were to fail."""
        return self._figures["chats"]

    @property
    def images_requested(self) -> int:
        """Pictures asked for, also by calls that were to fail."""
        return self._figures["pictures"]

    @property
    def vectors_requested(self) -> int:
        """Inputs whose vectors were asked for, also by calls that were to fail."""
        return self._figures["vectors"]

    @property
    def completions_closed(self) -> int:
        """Texts broken off before their end: by a client that left, or by a fault."""
        return self._figures["closed"]

    @property
    def open_completions(self) -> int:
        """Texts being answered at this moment."""
        return self._figures["open"]

    @property
    def most_open(self) -> int:
        """The most texts that were being answered at the same time."""
        return self._figures["most_open"]

    def chat(self, request: ChatRequest) -> Events:
        """Answer as the markers say."""
        markers = _markers(request.prompt)
        words, delay = self._words(request), markers.get("delay", "0")
        self._count("open", 1)
        spoken = 0
        try:
            for word in words:
                if spoken >= request.max_tokens:
                    break
                yield from pauses(float(delay))
                spoken += 1
                yield word
            while "gate" in markers and not self._gate.is_set():
                yield from pauses(0.05)
            reason: Reason = "length" if spoken >= request.max_tokens else "stop"
            asked = sum(len(message.text.split()) for message in request.messages)
            yield Done(reason, prompt_tokens=asked, completion_tokens=spoken)
        except GeneratorExit:
            self._count("closed", 1)
            raise
        finally:
            self._count("open", -1)

    def paint(self, request: ImageRequest) -> Events:
        """Yield plain pictures whose colour depends on the prompt."""
        delay = float(_markers(request.prompt).get("delay", "0"))
        for index in range(request.count):
            yield from pauses(delay)
            colour = hashlib.sha256(f"{request.prompt}{index}".encode()).hexdigest()[:6]
            out = io.BytesIO()
            Image.new("RGB", (request.width, request.height), f"#{colour}").save(out, "PNG")
            yield out.getvalue()

    def embed(self, request: EmbeddingsRequest) -> Events:
        """Yield vectors that depend on the input; a word is a token."""
        tokens = 0
        for value in request.inputs:
            yield from pauses(float(_markers(request.prompt).get("delay", "0")))
            tokens += len(value.split() if isinstance(value, str) else value)
            yield vector_of(value)
        yield Done(prompt_tokens=tokens)

    def _words(self, request: ChatRequest) -> Iterable[str]:
        markers = _markers(request.prompt)
        if "echo" in markers:
            words = _MARKER.sub("", request.prompt).split()
            return [f"{word} ".replace("␤ ", "\n") for word in words]
        if "unstorable" in markers:
            return UNSTORABLE
        if self._script and "tokens" not in markers:
            return self._script(request)
        tokens = int(markers.get("tokens", DEFAULT_TOKENS))
        return (f"word{n} " for n in range(1, tokens + 1))

    def _count(self, figure: str, change: int) -> None:
        with self._lock:
            self._figures[figure] += change
            self._figures["most_open"] = max(self._figures["most_open"], self._figures["open"])

    def _note(self, call: Call) -> None:
        kind, units = _kind(call.request)
        with self._lock:
            self._calls.append(call)
            self._figures[f"{kind}s"] += units
            if self._log is not None:
                os.write(self._log, _log_line(call, kind, units))


def _kind(request: Request) -> tuple[str, int]:
    """What a call is for, and how many."""
    match request:
        case ChatRequest():
            return "chat", 1
        case ImageRequest():
            return "picture", request.count
        case EmbeddingsRequest():
            return "vector", len(request.inputs)


def vector_of(value: str | tuple[int, ...]) -> Vector:
    """What the fake answers for an input; of length 1."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(repr(value).encode()).digest()[:8]]
    return Vector(tuple(number / math.hypot(*numbers) for number in numbers))


def _markers(prompt: str) -> dict[str, str]:
    return dict(_MARKER.findall(prompt))


def _log_line(call: Call, kind: str, units: int) -> bytes:
    tag = _markers(call.request.prompt).get("tag", "")
    entry = {"kind": kind, "units": units, "faults": call.faults, "tag": tag}
    return json.dumps(entry).encode() + b"\n"


def main() -> None:
    """Run as a process of its own until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.provider")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    provider = FakeProvider(port=options.port, log=options.log)
    print(f"The fake provider answers at {provider.base_url}", flush=True)
    run_until_signalled(provider.server)


if __name__ == "__main__":
    main()
