"""What a strict provider is told, and answers."""

import json

from tests.ai_chat.images.fake import FakePainter

END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def answer(text: str) -> bytes:
    chunks = [{"choices": [{"delta": {"content": text}}]}, END]
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks)


def told(provider: FakePainter) -> list[tuple[str, str]]:
    messages = provider.calls[-1]["messages"]
    return [(message["role"], message["content"]) for message in messages]
