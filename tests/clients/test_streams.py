"""Every stream of `streams/`, read by the SDKs for JavaScript through a site."""

import json
from pathlib import Path
from typing import Any

import pytest

from credits.reasons import Reason
from tests.ai_chat.providers.streams import Stream
from tests.clients.conftest import Tally
from tests.clients.environments import is_installed
from tests.clients.test_sdk import TAGGED
from tests.fakes.replaying import STREAMS

pytestmark = pytest.mark.slow


def is_right(stream: Stream, seen: dict[str, Any]) -> bool:
    """Whether this is what the stream amounts to. A refusal is a text to the AI SDK."""
    expected = stream.expected
    is_refused = expected.ending is Reason.REFUSED
    if isinstance(expected.ending, Reason) and not is_refused:
        return "error" in seen
    if "error" in seen:
        return False
    has_text: bool = seen["text"].endswith(expected.text)
    if stream.name not in TAGGED and not is_refused:
        has_text = seen["text"] == expected.text
    calls = [[call.name, json.loads(call.arguments)] for call in expected.tool_calls]
    return has_text and bool(seen["calls"] == calls)


@pytest.mark.skipif(not is_installed("sdks"), reason="The SDKs could not be installed")
def test_every_stream_is_read_as_what_it_amounts_to(tally: Tally, tmp_path: Path) -> None:
    streams = [
        {"model": name, "tools": [call.name for call in stream.expected.tool_calls]}
        for name, stream in STREAMS.items()
    ]
    read = tally.run("sdks", "streams_node.mjs", tmp_path, streams=streams)
    assert set(read) == {"official", "chat", "responses"}
    wrong = {
        f"{by}: {name}": (seen[name], stream.expected)
        for by, seen in read.items()
        for name, stream in STREAMS.items()
        if not is_right(stream, seen[name])
    }
    assert not wrong, wrong
    tally.assert_settled()
