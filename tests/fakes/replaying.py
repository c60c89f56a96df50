"""The provider behind the site when real clients are tried: the scripted one, which answers by the
name of the model."""

import base64
import struct
from typing import Any, override

from tests.ai_chat.images.fake import entry, picture
from tests.ai_chat.providers.streams import load_streams
from tests.fakes.obedient import failure_of, obey
from tests.fakes.obedient_messages import obey_message
from tests.fakes.scripted import ScriptedProvider

STREAMS = {stream.name: stream for stream in load_streams()}
VECTOR = (0.25, -0.5, 1.0)


class ReplayingProvider(ScriptedProvider):
    """A model that is called as a file of `streams/` ("openai/tools") sends that file; any other
    does as it is told (`obedient.py`), in Anthropic's format where its name begins with `claude`;
    or it draws, or embeds."""

    @override
    def reply(self, asked: dict[str, Any]) -> tuple[int, Any]:
        self.calls.append(asked)
        if "prompt" in asked:
            return 200, {"created": 1, "data": [entry(picture())] * (asked.get("n") or 1)}
        if "input" in asked:
            return 200, embeddings(asked)
        if asked["model"] in STREAMS:
            return 200, STREAMS[asked["model"]].body
        times = sum(call.get("messages") == asked["messages"] for call in self.calls)
        if asked["model"].startswith("claude"):
            return 200, obey_message(asked)
        if status := failure_of(asked, times):
            return status, {"error": {"message": "As you wished.", "type": "test", "code": None}}
        return 200, obey(asked)


def embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    """VECTOR for each text, in the encoding that was asked for."""
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    packed = base64.b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    vector = packed if asked.get("encoding_format") == "base64" else VECTOR
    data = [
        {"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))
    ]
    usage = {"prompt_tokens": 2 * len(texts), "total_tokens": 2 * len(texts)}
    return {"object": "list", "model": asked["model"], "data": data, "usage": usage}
