"""From the client's messages to those for the model."""

import binascii
import re
from collections.abc import Container, Iterable
from contextlib import suppress
from typing import Any

from ai_chat.providers.chat import Message, Part
from config.errors import HttpError, InvalidInput, Issue, Path, issue
from credits.models import AIModel

ADDRESS_CHARACTERS = 2000
#: Of one picture or file, decoded; more is refused by providers as well.
FILE_MAX_BYTES = 5_000_000
#: Up to the comma, which is not far: nothing here looks at a place twice.
DATA = re.compile(r"data:(?P<type>[\w.+-]{1,100}+/[\w.+-]{1,100}+)(?:;[^;,]{1,200}+){0,20};base64,")
PICTURES = {"image/png", "image/jpeg", "image/webp", "image/gif"}


class NotReadable(ValueError):
    """Why a model cannot be given a file; a sentence for people."""


class FileTooLarge(NotReadable):
    """The file has more than FILE_MAX_BYTES."""


def text_of(
    message: dict[str, Any],
    attachments: Iterable[dict[str, Any]] = (),
    *,
    sent: Container[str] = (),
) -> str:
    """A message's text; its files and attachments are listed by name, and by address unless that is
    one whose content is `sent` besides."""
    parts = message["parts"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    files = [*_files_of(message), *attachments]
    if files:
        texts.append("Attached:\n" + "\n".join(_line(file, sent) for file in files))
    return "\n\n".join(text for text in texts if text.strip())


def past_messages(messages: list[dict[str, Any]]) -> list[Message]:
    """The client's messages before the newest, as text: what their files hold is not sent again."""
    return [{"role": each["role"], "content": text_of(each)} for each in messages[:-1]]


def readable_files(
    messages: list[dict[str, Any]], attachments: Iterable[dict[str, Any]], model: AIModel
) -> dict[str, Part]:
    """The pictures and files of the newest message as the model takes them, by their addresses, and
    what it can read of the attachments. Raises InvalidInput that names the parts which it cannot be
    given, and HttpError (413) that names those which are too large."""
    read: dict[str, Part] = {}
    problems: list[tuple[NotReadable, Path]] = []
    for place, part in enumerate(messages[-1]["parts"]):
        if part["type"] == "file":
            try:
                read[part["url"]] = _content_of(part, model)
            except NotReadable as problem:
                problems.append((problem, ("messages", len(messages) - 1, "parts", place)))
    if problems:
        raise _refusal(problems)
    for file in attachments:
        with suppress(NotReadable):  # These are listed by name.
            read[file["url"]] = _content_of(file, model)
    return read


def _refusal(problems: list[tuple[NotReadable, Path]]) -> InvalidInput | HttpError:
    issues: list[Issue] = [issue(path, str(problem)) for problem, path in problems]
    if all(isinstance(problem, FileTooLarge) for problem, _ in problems):
        return HttpError(413, message=issues[0]["message"], issues=issues)
    return InvalidInput.of(issues)


def _files_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in message["parts"] if part["type"] == "file"]


def _content_of(file: dict[str, Any], model: AIModel) -> Part:
    """The file in OpenAI's format. Raises NotReadable."""
    match = DATA.match(file["url"])
    content = file["url"][match.end() :] if match else ""
    media_type = (match["type"] if match else _media_type(file)).lower()
    is_picture = media_type.startswith("image/")
    if not (model.reads_images if is_picture else model.reads_files):
        what = "pictures" if is_picture else "files"
        raise NotReadable(f"{model.label} does not read {what}. Choose a model that does.")
    if match is None:
        raise NotReadable("Send its content as a data: URL in base64; addresses are not fetched.")
    if is_picture and media_type not in PICTURES:
        raise NotReadable("A picture is PNG, JPEG, WebP or GIF.")
    if len(content) * 3 // 4 > FILE_MAX_BYTES:
        raise FileTooLarge(f"A picture or file has at most {FILE_MAX_BYTES:,} bytes.")
    try:
        binascii.a2b_base64(content, strict_mode=True)
    except ValueError:
        raise NotReadable("Its data: URL is not valid base64.") from None
    url = f"data:{media_type};base64,{content}"
    if is_picture:
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": _name(file), "file_data": url}}


def _line(file: dict[str, Any], sent: Container[str]) -> str:
    name, media_type, address = _name(file), _media_type(file), file["url"]
    about = f"- {name} ({media_type})" if media_type else f"- {name}"
    if address in sent:
        return about
    if address.startswith("data:"):
        address = "(its content was not sent on)"
    return f"{about}: {address[:ADDRESS_CHARACTERS]}"


def _name(file: dict[str, Any]) -> str:
    return file.get("name") or file.get("filename") or "file"


def _media_type(file: dict[str, Any]) -> str:
    return file.get("contentType") or file.get("mediaType") or ""
