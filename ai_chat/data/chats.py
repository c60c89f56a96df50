"""A chat as a file: Markdown of the path that is shown, to be read; JSON of all versions, for
programs. The archive holds the same. Times are UTC."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.text import slugify

from ai_chat.attachments.sending import load_files
from ai_chat.conversations.entries import whole_path
from ai_chat.conversations.path import Entry
from ai_chat.models import Conversation, Image, ImageRequest, Turn
from config.pagination import LATEST_FIRST, in_batches

#: What the JSON of a chat says of itself; the version counts changes that readers must know of.
FORMAT, FORMAT_VERSION = "tally-chat", 1
#: Rows that are read at once.
BATCH = 100


def file_name(conversation: Conversation) -> str:
    """What a chat's file is called, without its ending: letters, digits, `-` and `_` of its title
    after the day on which it was begun."""
    words = slugify(conversation.title, allow_unicode=True)[:40]
    return "-".join(filter(None, [f"{conversation.created_at:%Y-%m-%d}", words]))


def chat_as_markdown(conversation: Conversation) -> Iterator[str]:
    """The path that is shown, in a piece for each batch of entries."""
    title = " ".join(conversation.title.split())
    yield f"# {title}\n\nBegun {time_text(conversation.created_at)}\n"
    for entries in whole_path(conversation):
        yield "".join(map(_as_markdown, entries))


def chat_as_json(
    conversation: Conversation, *, passed: Callable[[int], None] = lambda _: None
) -> Iterator[str]:
    """All versions, oldest first, in pieces. `passed` is told how many turns were read, after each
    batch."""
    folder, preset = conversation.folder, conversation.preset
    head = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "id": str(conversation.pk),
        "externalId": conversation.external_id,
        "title": conversation.title,
        "createdAt": time_text(conversation.created_at),
        "activeAt": time_text(conversation.active_at),
        "current": _id(conversation.current),
        "folder": folder.name if folder else None,
        "pinnedAt": time_text(conversation.pinned_at),
        "archivedAt": time_text(conversation.archived_at),
        "instructions": conversation.instructions,
        "preset": preset.name if preset else None,
        "temperature": conversation.temperature,
        "importedFrom": conversation.imported_from or None,
    }
    requests = _oldest_first(ImageRequest.with_receipt().filter(conversation=conversation))
    return json_pieces(
        head,
        turns=_turns_as_json(conversation, passed),
        images=map(request_as_json, chain.from_iterable(requests)),
    )


def json_pieces(head: dict[str, Any], **lists: Iterable[Any]) -> Iterator[str]:
    """A JSON object of these members and then these lists, written item by item."""
    members = [f"  {json.dumps(key)}: {json.dumps(head[key], ensure_ascii=False)}" for key in head]
    yield "{\n" + ",\n".join(members)
    for place, (name, items) in enumerate(lists.items()):
        yield f'{",\n" if place or members else ""}  "{name}": ['
        for number, item in enumerate(items):
            yield (",\n    " if number else "\n    ") + json.dumps(item, ensure_ascii=False)
        yield "\n  ]"
    yield "\n}\n"


def _turns_as_json(conversation: Conversation, passed: Callable[[int], None]) -> Iterator[Any]:
    for batch in _oldest_first(Turn.with_receipt().filter(conversation=conversation)):
        load_files(batch)
        yield from map(_as_json, batch)
        passed(len(batch))


def _oldest_first[Row: (Turn, ImageRequest)](rows: QuerySet[Row]) -> Iterator[list[Row]]:
    return in_batches(rows, order=LATEST_FIRST, backwards=True, size=BATCH)


def _names(turn: Turn) -> dict[UUID, str]:
    """What the files of a turn are called, by their ids; without those that are deleted."""
    return {file.pk: file.name for file in turn.files}


def time_text(moment: datetime | None) -> str | None:
    """A time as files have it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _id(entry: UUID | None) -> str | None:
    return str(entry) if entry else None


def _as_markdown(entry: Entry) -> str:
    words = entry.get_failure_display() or entry.get_state_display()
    if isinstance(entry, Turn):
        names = _names(entry)
        files = [names.get(each, "a deleted file") for each in entry.attachments]
        question = "\n\n".join([entry.prompt, *(f"(File: {name})" for name in files)])
        answer = entry.answer or f"({words})"
    else:
        question = entry.prompt
        made = [f"(Picture: {image_name(each)})" for each in entry.images.all()]
        answer = "\n\n".join(made) or f"({words})"
    return (
        f"\n## You, {time_text(entry.created_at)}\n\n{question}\n"
        f"\n## {entry.model_label}, {time_text(entry.ended_at) or 'not ended'}\n\n{answer}\n"
    )


def _as_json(turn: Turn) -> dict[str, Any]:
    names = _names(turn)
    return {
        "id": str(turn.pk),
        "createdAt": time_text(turn.created_at),
        "endedAt": time_text(turn.ended_at),
        "model": turn.answered_by or turn.model,
        "prompt": turn.prompt,
        "reasoning": turn.reasoning,
        "reasoningSeconds": turn.reasoning_seconds,
        "answer": turn.answer,
        "attachments": [{"id": str(each), "name": names.get(each)} for each in turn.attachments],
        "state": turn.state,
        "failure": turn.failure,
        "cut": turn.cut,
        "parent": _id(turn.parent),
        "credits": turn.charged if turn.is_charged else None,
    }


def request_as_json(request: ImageRequest) -> dict[str, Any]:
    """A request for images, with the names of its files in an archive."""
    return {
        "id": str(request.pk),
        "conversation": _id(request.conversation_id),
        "parent": _id(request.parent),
        "createdAt": time_text(request.created_at),
        "model": request.answered_by or request.model,
        "prompt": request.prompt,
        "size": request.size,
        "state": request.state,
        "failure": request.failure,
        "credits": request.charged,
        "files": [image_name(image) for image in request.images.all()],
    }


def image_name(image: Image) -> str:
    """The name of an image's file in an archive."""
    return f"images/{image.pk}.{image.file.rpartition('.')[2]}"
