"""From the client's messages to those for the model, and the files in them."""

import binascii
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from ai_chat.attachments.errors import InvalidAttachment
from ai_chat.attachments.sending import CannotAttach, present_files, refusal_of
from ai_chat.attachments.services import add_file, delete_files
from ai_chat.models import Attachment
from ai_chat.providers.chat import Message
from config.errors import HttpError, InvalidInput, Issue, Path, issue
from config.text import as_uuid
from credits.models import AIModel

ADDRESS_CHARACTERS = 2000
#: Of one picture or file, decoded; more is refused by providers as well.
FILE_MAX_BYTES = 5_000_000
#: Up to the comma, which is not far: nothing here looks at a place twice.
DATA = re.compile(r"data:(?P<type>[\w.+-]{1,100}+/[\w.+-]{1,100}+)(?:;[^;,]{1,200}+){0,20};base64,")
PICTURES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
#: The address of a file that was uploaded here, as the API gives it.
OURS = re.compile(r"(?:https?://[^/]{1,300})?/api/files/(?P<id>[0-9a-f-]{36})(?:/content)?")


class NotReadable(ValueError):
    """Why a model cannot be given a file; a sentence for people."""


class TooLarge(NotReadable):
    """The file has more than FILE_MAX_BYTES."""


@dataclass
class KeptFiles:
    """The files of a message. Those that are `new` were kept for it, and go again unless it is
    sent."""

    all: list[Attachment] = field(default_factory=list)
    new: list[Attachment] = field(default_factory=list)
    #: What the client calls them: addresses, or ids.
    names: set[str] = field(default_factory=set)
    are_sent: bool = False


def text_of(
    message: dict[str, Any],
    attachments: Iterable[dict[str, Any]] = (),
    *,
    kept: Container[str] = (),
) -> str:
    """A message's text; of its files and attachments those are listed, by name and address, that
    are not `kept`. Where there is no text all are listed, by name."""
    texts = [part["text"] for part in message["parts"] if part["type"] == "text"]
    texts = [text for text in texts if text.strip()]
    files = [*_files_of(message), *attachments]
    listed = [file for file in files if not texts or _address(file) not in kept]
    if listed:
        texts.append("Attached:\n" + "\n".join(_line(file, kept) for file in listed))
    return "\n\n".join(texts)


def past_messages(messages: list[dict[str, Any]]) -> list[Message]:
    """The client's messages before the newest, as text: what their files hold is not sent again."""
    return [{"role": each["role"], "content": text_of(each)} for each in messages[:-1]]


@contextmanager
def kept_files(
    messages: Sequence[dict[str, Any]],
    attachments: Sequence[dict[str, Any]],
    model: AIModel,
    *,
    user_id: int,
) -> Iterator[KeptFiles]:
    """The files of the newest message, and of the attachments those that the model can be given;
    what comes as a data: URL is kept, until the end of the block where the message is not sent.
    Raises InvalidInput that names the parts which the model cannot be given, and HttpError (413)
    that names those which are too large; and what else `add_file` raises."""
    most, kept = settings.ATTACHMENTS_PER_MESSAGE, KeptFiles()
    named = [each for each in attachments if "id" in each or DATA.match(each["url"])]
    if len(_files_of(messages[-1])) + len(named) > most:
        raise CannotAttach(f"A message takes at most {most} files.")
    try:
        _keep_parts(kept, messages, model, user_id)
        _keep_attachments(kept, attachments, model, user_id)
        yield kept
    finally:
        if kept.new and not kept.are_sent:
            ids = [file.pk for file in kept.new]
            delete_files(Attachment.objects.filter(pk__in=ids, conversation=None))


def _keep_parts(
    kept: KeptFiles, messages: Sequence[dict[str, Any]], model: AIModel, user_id: int
) -> None:
    problems: list[tuple[NotReadable, Path]] = []
    for place, part in enumerate(messages[-1]["parts"]):
        if part["type"] == "file":
            try:
                _keep(kept, part, model, user_id)
            except NotReadable as problem:
                problems.append((problem, ("messages", len(messages) - 1, "parts", place)))
    if problems:
        raise _refusal(problems)


def _keep_attachments(
    kept: KeptFiles, attachments: Sequence[dict[str, Any]], model: AIModel, user_id: int
) -> None:
    """Those with an address that cannot be given to the model are listed by name."""
    for place, file in enumerate(attachments):
        try:
            _keep(kept, file, model, user_id)
        except NotReadable as problem:
            if "id" in file:
                raise _refusal([(problem, ("attachments", place))]) from None


def _refusal(problems: list[tuple[NotReadable, Path]]) -> InvalidInput | HttpError:
    issues: list[Issue] = [issue(path, str(problem)) for problem, path in problems]
    if all(isinstance(problem, TooLarge) for problem, _ in problems):
        return HttpError(413, message=issues[0]["message"], issues=issues)
    return InvalidInput.of(issues)


def _files_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in message["parts"] if part["type"] == "file"]


def _keep(kept: KeptFiles, part: dict[str, Any], model: AIModel, user_id: int) -> None:
    """Adds a file. Raises NotReadable."""
    if key := _id_of(part):
        files = present_files([str(key)], user_id=user_id)
        if not files:
            raise NotReadable("There is no such file.")
        file = files[0]
    else:
        name, content = _content_of(part, model)
        try:
            file = add_file(user_id=user_id, name=name, content=content)
        except InvalidAttachment as error:
            raise NotReadable(str(error)) from None
        kept.new.append(file)
    kept.all.append(file)
    kept.names.add(_address(part))
    if refusal := refusal_of([file], model):
        raise NotReadable(refusal)


def _id_of(file: dict[str, Any]) -> UUID | None:
    """The id of a file that was uploaded here, if it is one."""
    if key := file.get("id"):
        return UUID(str(key))
    match = OURS.fullmatch(_address(file))
    return as_uuid(match["id"]) if match else None


def _content_of(file: dict[str, Any], model: AIModel) -> tuple[str, bytes]:
    """The name and the bytes of a file in a data: URL. Raises NotReadable."""
    match = DATA.match(file["url"])
    content = file["url"][match.end() :] if match else ""
    media_type = (match["type"] if match else _media_type(file)).lower()
    is_picture = media_type.startswith("image/")
    if is_picture and not model.reads_images:
        raise NotReadable(f"{model.label} does not read pictures. Choose a model that does.")
    if match is None:
        raise NotReadable("Send its content as a data: URL in base64; addresses are not fetched.")
    if is_picture and media_type not in PICTURES:
        raise NotReadable("A picture is PNG, JPEG, WebP or GIF.")
    if len(content) * 3 // 4 > FILE_MAX_BYTES:
        raise TooLarge(f"A picture or file has at most {FILE_MAX_BYTES:,} bytes.")
    try:
        return _name(file), binascii.a2b_base64(content, strict_mode=True)
    except ValueError:
        raise NotReadable("Its data: URL is not valid base64.") from None


def _line(file: dict[str, Any], kept: Container[str]) -> str:
    name, media_type, address = _name(file), _media_type(file), _address(file)
    about = f"- {name} ({media_type})" if media_type else f"- {name}"
    if address in kept:
        return about
    if address.startswith("data:"):
        address = "(its content was not sent on)"
    return f"{about}: {address[:ADDRESS_CHARACTERS]}"


def _address(file: dict[str, Any]) -> str:
    return str(file.get("url") or file.get("id") or "")


def _name(file: dict[str, Any]) -> str:
    return file.get("name") or file.get("filename") or "file"


def _media_type(file: dict[str, Any]) -> str:
    return file.get("contentType") or file.get("mediaType") or ""
