"""Which files may go with a message, and those that went with messages."""

from collections.abc import Iterable, Sequence

from django.conf import settings

from ai_chat.models import Attachment, Conversation, Turn
from config.errors import InvalidInput
from config.text import as_uuid
from credits.models import AIModel


class CannotAttach(InvalidInput):
    """The files cannot go with the message; the text says why, for people."""

    path = ("attachments",)


def files_for_message(ids: Iterable[str], *, user_id: int) -> list[Attachment]:
    """The user's files with these ids, in their order, without their text. A message that is sent
    again may name files which belong to its conversation by now. Raises CannotAttach where one is
    not there, or they are too many."""
    names = list(dict.fromkeys(ids))
    most = settings.ATTACHMENTS_PER_MESSAGE
    if len(names) > most:
        raise CannotAttach(f"A message takes at most {most} files; these are {len(names)}.")
    files = present_files(names, user_id=user_id)
    if len(files) < len(names):
        raise CannotAttach(
            "A file of this message is no longer here. Remove it, or attach it again."
        )
    return files


def present_files(ids: Iterable[str], *, user_id: int) -> list[Attachment]:
    """The same, of those that are there and not too many; the ids may be anything."""
    names = list(dict.fromkeys(ids))[: settings.ATTACHMENTS_PER_MESSAGE]
    wanted = list(dict.fromkeys(filter(None, map(as_uuid, names))))
    if not wanted:
        return []
    rows = Attachment.objects.filter(user_id=user_id, pk__in=wanted).defer("text").in_bulk()
    return [rows[each] for each in wanted if each in rows]


def refusal_of(files: Sequence[Attachment], model: AIModel) -> str:
    """Why a message with these files is not sent to the model; empty where it is."""
    pictures = [file.name for file in files if file.kind == Attachment.Kind.PICTURE]
    if model.reads_images or not pictures:
        return ""
    names = pictures[0] if len(pictures) == 1 else "the pictures"
    return f"{model.label} does not read pictures. Choose a model that does, or remove {names}."


def has_pictures(conversation: Conversation | None) -> bool:
    """Whether pictures were sent in it."""
    return (
        bool(conversation)
        and Attachment.objects.filter(
            conversation=conversation, kind=Attachment.Kind.PICTURE
        ).exists()
    )


def load_files(turns: Iterable[Turn]) -> None:
    """Gives turns the files that they were sent with, in one query: `files`, and as `files_gone`
    the number of those that are deleted."""
    with_files = [turn for turn in turns if turn.attachments]
    ids = {each for turn in with_files for each in turn.attachments}
    rows = Attachment.objects.filter(pk__in=ids).defer("text") if ids else []
    known = {(row.user_id, row.pk): row for row in rows}
    for turn in with_files:
        keys = [(turn.user_id, each) for each in turn.attachments]
        turn.files = [known[key] for key in keys if key in known]
        turn.files_gone = len(keys) - len(turn.files)
