"""Exports of other programs, as small as they can be."""

import json
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile


def as_file(value: Any) -> BytesIO:
    return BytesIO(json.dumps(value).encode())


def zipped(files: dict[str, str | bytes]) -> BytesIO:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


def node(
    parent: str | None, role: str = "", text: str = "", *, at: float = 1_700_000_000, **more: Any
) -> dict[str, Any]:
    """A node of ChatGPT's tree; without a role one without a message."""
    content = more.pop("content", {"content_type": "text", "parts": [text]})
    message = {
        "author": {"role": role},
        "content": content,
        "create_time": at,
        "metadata": {"model_slug": "gpt-4o", **more.pop("metadata", {})},
        "recipient": "all",
        **more,
    }
    return {"parent": parent, "children": [], "message": message if role else None}


def chatgpt(**changes: Any) -> dict[str, Any]:
    """A question with two answers, of which the second was gone on from."""
    mapping = {
        "root": node(None),
        "sys": node("root", "system", ""),
        "q1": node("sys", "user", "Why is the sky blue?", at=1_700_000_000),
        "a1": node("q1", "assistant", "Because.", at=1_700_000_005),
        "a2": node("q1", "assistant", "It scatters blue light.", at=1_700_000_009.5),
        "q2": node("a2", "user", "And at night?", at=1_700_000_020),
        "a3": node("q2", "assistant", "Then it is dark.", at=1_700_000_025),
    }
    return {
        "title": "The sky",
        "conversation_id": "c-1",
        "create_time": 1_700_000_000.25,
        "update_time": 1_700_000_030,
        "mapping": mapping,
        "current_node": "a3",
        **changes,
    }


def claude(**changes: Any) -> dict[str, Any]:
    """A question with a file, what was thought, and the answer."""
    first = {
        "uuid": "m1",
        "sender": "human",
        "text": "Read this",
        "content": [{"type": "text", "text": "Read this"}],
        "created_at": "2025-03-01T10:00:00.000000Z",
        "files": [{"file_name": "notes.pdf"}],
    }
    second = {
        "uuid": "m2",
        "sender": "assistant",
        "text": "",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "text", "text": "It is about time."},
            {"type": "tool_use", "name": "x", "input": {}},
        ],
        "created_at": "2025-03-01T10:00:09.000000Z",
    }
    return {
        "uuid": "c0ffee00-0000-4000-8000-000000000001",
        "name": "Notes",
        "created_at": "2025-03-01T10:00:00.000000Z",
        "updated_at": "2025-03-01T10:01:00.000000Z",
        "chat_messages": [first, second],
        **changes,
    }
