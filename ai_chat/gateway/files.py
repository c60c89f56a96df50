"""Files in the messages of a call. A model that reads none is sent their text instead, as in chats,
and what is reserved is for that; of one that reads them the text is counted. Nothing of them is
kept."""

import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db import connections

from ai_chat.attachments.content import whole_text
from ai_chat.attachments.errors import FileTooLarge, InvalidAttachment
from ai_chat.attachments.services import read_file
from ai_chat.gateway.errors import Unsupported
from ai_chat.gateway.sizes import data_in
from ai_chat.models import Attachment
from ai_chat.providers.bounds import Size, input_bound
from ai_chat.providers.pages import count_pages, is_pdf
from credits.models import AIModel

#: Files of a call that are read: each in a process of its own.
MOST = 20
#: How a ZIP archive begins, which office documents are.
ZIP = b"PK\x03\x04"


class _File(NamedTuple):
    """A file, and where it stands: the number of its message, and of its part there."""

    message: int
    part: int
    name: str
    content: bytes

    @property
    def where(self) -> str:
        return f"messages[{self.message}].content[{self.part}]"


def with_texts(body: Mapping[str, Any], model: AIModel, *, account_id: int) -> Mapping[str, Any]:
    """The body with a text in the place of each file that the model does not read. What is no file
    stays, for `sizes_of` to refuse. Raises Unsupported for a file that has no text, and what
    `read_file` raises."""
    messages = body.get("messages")
    if model.reads_files or not isinstance(messages, list):
        return body
    files = [*_files_in(messages)]
    if not files:
        return body
    if len(files) > MOST:
        raise Unsupported("messages", f"At most {MOST} files are read for a model without files.")
    changed = [
        {**each, "content": [*each["content"]]} if _parts(each) else each for each in messages
    ]
    for file in files:
        text = _text_of(file, account_id)
        changed[file.message]["content"][file.part] = {"type": "text", "text": text}
    return {**body, "messages": changed}


def files_read(body: Mapping[str, Any], model: AIModel) -> Iterator[bytes]:
    """The content of the files in a body that the model reads itself."""
    for file in _files_in(body["messages"]) if model.reads_files else ():
        yield file.content


def tokens_within(files: Iterable[bytes], model: AIModel, *, account_id: int) -> int:
    """The most tokens of files that the model reads itself, beyond those for their bytes and pages:
    documents are packed, and one page of a PDF may hold a book. Of a file whose text is not known
    it is all that the model can read. Raises Unsupported where that is not known either, or there
    are too many, and what `read_file` raises."""
    packed = [file for file in files if file.startswith(ZIP) or is_pdf(file)]
    if not (packed and model.token_price):
        return 0
    if len(packed) > MOST:
        raise Unsupported("messages", f"At most {MOST} PDFs and office documents are read.")
    return sum(_tokens_within(file, model, account_id) for file in packed)


def _tokens_within(content: bytes, model: AIModel, account_id: int) -> int:
    is_paper = is_pdf(content)
    counted = Size(0, 0, pages=count_pages(content)) if is_paper else Size(0, len(content))
    try:
        read = _read("file", content, account_id)
    except (InvalidAttachment, FileTooLarge):
        read = None
    # A file may be of two kinds at once: what the provider takes it for is what is to be known.
    kind = Attachment.Kind.PDF if is_paper else Attachment.Kind.OFFICE
    if read is None or read.kind != kind or read.is_cut:
        most = model.context_tokens
    else:
        most = input_bound(model, Size(0, read.octets))
    if most is None:
        raise Unsupported("messages", "How much text a file holds cannot be told: send the text.")
    return max(0, most - input_bound(model, counted))


def _text_of(file: _File, account_id: int) -> str:
    try:
        read = _read(file.name, file.content, account_id)
    except (InvalidAttachment, FileTooLarge) as error:
        raise Unsupported(file.where, str(error)) from None
    if read.is_picture:
        raise Unsupported(file.where, "Send a picture as image_url.")
    if not read.text.strip():
        raise Unsupported(
            file.where, "This model reads no files, and there is no text in this one."
        )
    return whole_text(read)


def _read(name: str, content: bytes, account_id: int) -> Attachment:
    try:
        return read_file(user_id=account_id, name=name, content=content)
    finally:
        connections.close_all()  # The next one may take a while.


def _files_in(messages: list[Any]) -> Iterator[_File]:
    for place, message in enumerate(messages):
        for number, part in enumerate(_parts(message)):
            if (data := _data_of(part)) is not None:
                name = str(part["file"].get("filename") or "file")
                yield _File(place, number, name, binascii.a2b_base64(data))


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
