"""Files in the messages of a call, where the model reads none: it is sent their text instead, as in
chats, and what is reserved is for that. Nothing of them is kept."""

import binascii
from collections.abc import Mapping
from typing import Any

from django.db import connections

from ai_chat.attachments.content import whole_text
from ai_chat.attachments.errors import FileTooLarge, InvalidAttachment
from ai_chat.attachments.services import read_file
from ai_chat.gateway.errors import Unsupported
from ai_chat.gateway.sizes import data_in
from credits.models import AIModel

#: Files of a call: each is read in a process of its own.
MOST = 20


def with_texts(body: Mapping[str, Any], model: AIModel, *, account_id: int) -> Mapping[str, Any]:
    """The body with a text in the place of each file that the model does not read. What is no file
    stays, for `sizes_of` to refuse. Raises Unsupported for a file that has no text, and what
    `read_file` raises."""
    messages = body.get("messages")
    if model.reads_files or not isinstance(messages, list):
        return body
    places = [
        (place, number, data)
        for place, message in enumerate(messages)
        for number, part in enumerate(_parts(message))
        if (data := _data_of(part)) is not None
    ]
    if not places:
        return body
    if len(places) > MOST:
        raise Unsupported("messages", f"At most {MOST} files are read for a model without files.")
    changed = [
        {**each, "content": [*each["content"]]} if _parts(each) else each for each in messages
    ]
    for place, number, data in places:
        part = changed[place]["content"][number]
        name = str(part["file"].get("filename") or "file")
        where = f"messages[{place}].content[{number}]"
        text = _text_of(data, name, where, account_id)
        changed[place]["content"][number] = {"type": "text", "text": text}
    return {**body, "messages": changed}


def _text_of(data: str, name: str, where: str, account_id: int) -> str:
    content = binascii.a2b_base64(data)
    try:
        file = read_file(user_id=account_id, name=name, content=content)
    except (InvalidAttachment, FileTooLarge) as error:
        raise Unsupported(where, str(error)) from None
    finally:
        connections.close_all()  # The next one may take a while.
    if file.is_picture:
        raise Unsupported(where, "Send a picture as image_url.")
    if not file.text.strip():
        raise Unsupported(where, "This model reads no files, and there is no text in this one.")
    return whole_text(file)


def _parts(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, list) else []


def _data_of(part: Any) -> str | None:
    """What a part holds that is a file, in base64."""
    if not isinstance(part, dict) or part.get("type") != "file":
        return None
    file = part.get("file")
    address = file.get("file_data") if isinstance(file, dict) else None
    return data_in(address) if isinstance(address, str) else None
