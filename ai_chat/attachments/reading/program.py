"""The program of the process that reads files (see `ai_chat.limited`): of a file's address, and
that for the picture that is made of it, a Reading or why there is none."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ai_chat.attachments.reading.kinds import BROKEN, module_of
from ai_chat.attachments.reading.result import Unreadable


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"reading": …}`, or `{"problem": sentence}`."""
    source, target = Path(request["source"]), Path(request["target"])
    content = source.read_bytes()
    try:
        # The libraries of one kind alone: to load all takes most of a second.
        module = import_module(f"ai_chat.attachments.reading.{module_of(content)}")
        return {"reading": module.read(content, target, request["limits"])}
    except Unreadable as error:
        return {"problem": str(error)}
    except MemoryError:
        return {"problem": "It takes too much memory to read."}
    except Exception:  # noqa: BLE001 -- each library has its own errors for broken files
        return {"problem": BROKEN}
