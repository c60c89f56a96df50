"""The rules of a response's events, and what its deltas add up to."""

import json
from typing import Any

ENDS = {"response.completed", "response.incomplete", "response.failed"}
#: Names of events with pieces of a text, and of the member that has the whole of it at its end.
TEXTS = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_summary_text": "text",
    "function_call_arguments": "arguments",
    "custom_tool_call_input": "input",
}

type Event = dict[str, Any]


def events_in(body: bytes) -> list[Event]:
    """The events of a stream. Fails where one has no name, or another than its data says."""
    events = []
    *blocks, rest = body.decode().split("\n\n")
    assert rest == ""
    for block in blocks:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def assert_legal(events: list[Event]) -> None:
    """Fails unless these are the events of one whole response, in an order that clients accept."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ENDS
    assert not ENDS & set(kinds[:-1])
    responses = [event["response"] for event in (*events[:2], events[-1])]
    assert len({response["id"] for response in responses}) == 1
    assert responses[0]["output"] == []
    final = responses[-1]
    assert f"response.{final['status']}" == kinds[-1]
    assert (final["error"] is not None) == (kinds[-1] == "response.failed")
    assert (final["incomplete_details"] is not None) == (kinds[-1] == "response.incomplete")
    items = _Items()
    for event in events[2:-1]:
        items.take(event)
    items.compare(final["output"], is_failed=kinds[-1] == "response.failed")


class _Items:
    def __init__(self) -> None:
        self.added: list[Any] = []
        self.done: dict[int, Any] = {}
        self.texts: dict[tuple[Any, ...], str] = {}
        self.open_texts: set[tuple[Any, ...]] = set()
        self.parts: list[tuple[Any, ...]] = []

    def take(self, event: Event) -> None:
        kind = event["type"].removeprefix("response.")
        position = event["output_index"]
        if kind == "output_item.added":
            assert position == len(self.added)
            assert event["item"]["id"] not in {item["id"] for item in self.added}
            self.added.append(event["item"])
            return
        assert position not in self.done, "An event of an item that is done."
        if kind == "output_item.done":
            assert _identity(event["item"]) == _identity(self.added[position])
            assert not any(key[1] == position for key in self.open_texts)
            self.done[position] = event["item"]
            return
        assert event["item_id"] == self.added[position]["id"]
        self._take_text(kind, event)

    def _take_text(self, kind: str, event: Event) -> None:
        name, _, what = kind.rpartition(".")
        index = event.get("content_index", event.get("summary_index"))
        if name in {"content_part", "reasoning_summary_part"}:
            part = (event["output_index"], index)
            assert (part in self.parts) == (what == "done")
            self.parts.append(part)
            return
        key = (name, event["output_index"], index)
        if what == "delta":
            assert event["delta"]
            self.texts[key] = self.texts.get(key, "") + event["delta"]
            self.open_texts.add(key)
        else:
            assert what == "done"
            assert event[TEXTS[name]] == self.texts.get(key, "")
            self.open_texts.discard(key)

    def compare(self, output: list[Any], *, is_failed: bool) -> None:
        """That the last event has what was told before."""
        assert [_identity(item) for item in output] == [_identity(item) for item in self.added]
        for position, item in enumerate(output):
            if position in self.done:
                assert item == self.done[position]
            else:
                cut_custom = item["type"] == "custom_tool_call" and item["status"] == "incomplete"
                assert is_failed or cut_custom
            for key, text in self.texts.items():
                if key[1] == position:
                    assert _text_in(item, key[2]) == text


def _identity(item: Any) -> tuple[Any, ...]:
    return item["type"], item["id"], item.get("call_id"), item.get("name"), item.get("namespace")


def _text_in(item: Any, index: int | None) -> str:
    if item["type"] == "message":
        part = item["content"][index]
        return str(part["text"] if part["type"] == "output_text" else part["refusal"])
    if item["type"] == "reasoning":
        return str(item["summary"][index]["text"])
    return str(item["arguments"] if item["type"] == "function_call" else item["input"])
