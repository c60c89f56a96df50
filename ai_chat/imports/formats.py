"""The exports that are understood. Whatever is missing in one, or is of another kind than it should
be, is passed over."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from ai_chat.imports.chats import (
    ImportedChat,
    ImportedTurn,
    Message,
    NotImported,
    clean,
    turns_of,
)

CHATGPT, CLAUDE, TALLY = "ChatGPT", "Claude", "Tally"
PICTURE = "(Picture, not imported)"
#: To whom ChatGPT says what people see: to them, and programs that it wrote and ran.
SHOWN_TO = {"all", "python"}
#: Where a message of Claude's is the first.
NOBODY = "00000000-0000-4000-8000-000000000000"
#: The first and the last year of a time that is believed.
YEARS = range(2000, 2100)

type Record = dict[str, Any]


def chat_of(value: Record | None) -> ImportedChat:
    """The chat that a value of an export is; None stands for one that is too large. Raises
    NotImported."""
    if value is None:
        raise NotImported("they are too long")
    for is_it, read in READERS:
        if is_it(value):
            return read(value).checked()
    raise NotImported("they are no chats of a program that is known here")


# --- ChatGPT -------------------------------------------------------------------------------------


def _is_chatgpt(value: Record) -> bool:
    return isinstance(value.get("mapping"), dict)


def _chatgpt(value: Record) -> ImportedChat:
    nodes = {key: node for key, node in value["mapping"].items() if isinstance(node, dict)}
    messages = list(_chatgpt_messages(nodes))
    turns = turns_of(messages)
    return ImportedChat(
        id=_text(value.get("conversation_id") or value.get("id")) or _first_id(turns),
        source=CHATGPT,
        title=_text(value.get("title")),
        turns=turns,
        at=_time(value.get("create_time")),
        active_at=_time(value.get("update_time")),
        current=_turn_at(_text(value.get("current_node")), nodes, turns),
        instructions=_joined(_chatgpt_instructions(nodes)),
        is_archived=value.get("is_archived") is True,
    )


def _chatgpt_messages(nodes: dict[str, Record]) -> Iterator[Message]:
    """Each node; those of the system, and what tools were sent and sent back, say nothing."""
    for key, node in nodes.items():
        message = _record(node.get("message"))
        role = _record(message.get("author")).get("role")
        text, reasoning = _chatgpt_content(message)
        if role == "tool":
            text, reasoning = (text if PICTURE in text else ""), ""
        elif role not in {"user", "assistant"} or message.get("recipient", "all") not in SHOWN_TO:
            text, reasoning = "", ""
        is_asked = role == "user" and bool(text)
        yield Message(
            id=key,
            parent=_text(node.get("parent")) or None,
            role="user" if is_asked else "assistant",
            text=text,
            reasoning=reasoning,
            model=_text(_record(message.get("metadata")).get("model_slug")),
            at=_time(message.get("create_time")),
        )


def _chatgpt_content(message: Record) -> tuple[str, str]:
    """What a message says, and what was thought before."""
    content, metadata = _record(message.get("content")), _record(message.get("metadata"))
    if metadata.get("is_visually_hidden_from_conversation") is True:
        return "", ""
    match content.get("content_type"):
        case "text" | "multimodal_text":
            return _joined(map(_chatgpt_part, _list(content.get("parts")))), ""
        case "code":
            return _code(_text(content.get("text")), _text(content.get("language"))), ""
        case "thoughts":
            thoughts = map(_record, _list(content.get("thoughts")))
            return "", _joined(_text(each.get("content")) for each in thoughts)
    return "", ""


def _chatgpt_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    record = _record(part)
    kind = _text(record.get("content_type"))
    if kind == "audio_transcription":
        return _text(record.get("text"))
    if kind == "image_asset_pointer":
        return PICTURE
    return "(File, not imported)" if kind.endswith("asset_pointer") else ""


def _chatgpt_instructions(nodes: dict[str, Record]) -> Iterator[str]:
    for node in nodes.values():
        message = _record(node.get("message"))
        content = _record(message.get("content"))
        if content.get("content_type") == "user_editable_context":
            yield _text(content.get("user_profile"))
            yield _text(content.get("user_instructions"))
        elif _record(message.get("author")).get("role") == "system":
            yield _chatgpt_content(message)[0]


# --- Claude --------------------------------------------------------------------------------------


def _is_claude(value: Record) -> bool:
    return isinstance(value.get("chat_messages"), list)


def _claude(value: Record) -> ImportedChat:
    messages = list(_claude_messages(map(_record, value["chat_messages"])))
    turns = turns_of(messages)
    last = _text(value.get("current_leaf_message_uuid")) or (messages[-1].id if messages else "")
    nodes = {each.id: {"parent": each.parent} for each in messages}
    return ImportedChat(
        id=_text(value.get("uuid")) or _first_id(turns),
        source=CLAUDE,
        title=_text(value.get("name")),
        turns=turns,
        at=_time(value.get("created_at")),
        active_at=_time(value.get("updated_at")),
        current=_turn_at(last, nodes, turns),
        is_pinned=value.get("is_starred") is True,
    )


def _claude_messages(records: Iterator[Record]) -> Iterator[Message]:
    """Older exports say nothing of parents: each message follows the one before."""
    before: str | None = None
    for number, record in enumerate(records):
        name = _text(record.get("uuid")) or str(number)
        named = _text(record.get("parent_message_uuid"))
        parent = (None if named == NOBODY else named) if named else before
        parts = [each for each in map(_record, _list(record.get("content"))) if each]
        text = _joined(_claude_part(each) for each in parts) or _text(record.get("text"))
        yield Message(
            id=name,
            parent=parent,
            role="user" if record.get("sender") == "human" else "assistant",
            text=_joined([text, *_claude_files(record)]),
            reasoning=_joined(
                _text(each.get("thinking")) for each in parts if each.get("type") == "thinking"
            ),
            model=_text(record.get("model")),
            at=_time(record.get("created_at")),
        )
        before = name


def _claude_part(part: Record) -> str:
    if part.get("type") == "text":
        return _text(part.get("text"))
    return PICTURE if part.get("type") == "image" else ""


def _claude_files(record: Record) -> Iterator[str]:
    for each in map(_record, [*_list(record.get("attachments")), *_list(record.get("files"))]):
        if name := _text(each.get("file_name")):
            yield f"(File, not imported: {name})"


# --- Tally ---------------------------------------------------------------------------------------


def _is_tally(value: Record) -> bool:
    return value.get("format") == "tally-chat" and isinstance(value.get("turns"), list)


def _tally(value: Record) -> ImportedChat:
    entries = [*map(_record, value["turns"]), *map(_record, _list(value.get("images")))]
    turns = _parents_first([_tally_turn(each) for each in entries if _text(each.get("id"))])
    temperature: Any = value.get("temperature")
    return ImportedChat(
        id=_text(value.get("id")) or _first_id(turns),
        source=TALLY,
        title=_text(value.get("title")),
        turns=turns,
        at=_time(value.get("createdAt")),
        active_at=_time(value.get("activeAt")),
        current=_text(value.get("current")) or None,
        instructions=_text(value.get("instructions")),
        folder=_text(value.get("folder")),
        is_archived=bool(_time(value.get("archivedAt"))),
        is_pinned=bool(_time(value.get("pinnedAt"))),
        temperature=float(temperature) if _is_number(temperature, low=0, high=2) else None,
    )


def _tally_turn(entry: Record) -> ImportedTurn:
    names = [_text(each.get("name")) for each in map(_record, _list(entry.get("attachments")))]
    sent = [f"(File, not imported: {name})" for name in names if name]
    made = [PICTURE for _ in _list(entry.get("files"))]
    is_length = entry.get("cut") in {"length", "time"}
    return ImportedTurn(
        id=_text(entry["id"]),
        parent=_text(entry.get("parent")) or None,
        prompt=clean(_joined([_text(entry.get("prompt")), *sent])),
        answer=clean(_joined([_text(entry.get("answer")), *made])),
        reasoning=clean(_text(entry.get("reasoning"))),
        model=_text(entry.get("model")),
        at=_time(entry.get("createdAt")),
        ended_at=_time(entry.get("endedAt")),
        cut=_text(entry.get("cut")) if is_length else "",
    )


def _parents_first(turns: list[ImportedTurn]) -> list[ImportedTurn]:
    """Turns in an order in which each stands after its parent; those in a circle are left out."""
    known = {each.id: each for each in turns}
    children: dict[str | None, list[ImportedTurn]] = {}
    for each in known.values():
        children.setdefault(each.parent if each.parent in known else None, []).append(each)
    ordered = children.get(None, [])[:]
    for each in ordered:  # It grows meanwhile.
        ordered += children.get(each.id, [])
    return ordered


READERS: list[tuple[Callable[[Record], bool], Callable[[Record], ImportedChat]]] = [
    (_is_tally, _tally),
    (_is_chatgpt, _chatgpt),
    (_is_claude, _claude),
]

# --- What all have in common ---------------------------------------------------------------------


def _turn_at(name: str, nodes: dict[str, Record], turns: list[ImportedTurn]) -> str | None:
    """The turn that ends with a message, or with the nearest one before it."""
    ends = {each.id for each in turns}
    seen = 0
    while name in nodes and seen <= len(nodes):
        if name in ends:
            return name
        name, seen = _text(nodes[name].get("parent")), seen + 1
    return None


def _first_id(turns: list[ImportedTurn]) -> str:
    """For a chat without an id of its own."""
    return turns[0].id if turns else ""


def _record(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _joined(texts: Any) -> str:
    return "\n\n".join(text for text in texts if text)


def _code(text: str, language: str) -> str:
    """A block of code that nothing in it can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    known = language if language.isalnum() and language != "unknown" else ""
    return f"{fence}{known}\n{text}\n{fence}" if text else ""


def _is_number(value: Any, *, low: float, high: float) -> bool:
    return type(value) in {int, float} and isfinite(value) and low <= value <= high


def _time(value: Any) -> datetime | None:
    """Seconds since 1970, or ISO 8601; None for what is neither, or of no believable year."""
    try:
        if _is_number(value, low=0, high=10**11):
            moment = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str) and len(value) < 40:
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year in YEARS else None
