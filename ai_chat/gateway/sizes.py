"""How large a call of /v1 is, as far as its tokens are bounded by it (design: gateway, C.4)."""

import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ai_chat.gateway.errors import ApiError, Unsupported, invalid
from ai_chat.providers.bounds import Size, json_bytes, part_size
from credits.models import AIModel

#: What a provider renders tools and schemas to has at most so many bytes for 100 of their JSON, and
#: so many tokens around each tool.
RENDERED_PERCENT = 150
TOOL_TOKENS = 64
#: What a provider may show to the model besides the messages.
SHOWN = ("response_format", "tool_choice", "function_call", "reasoning_effort", "verbosity")
ROLES = ("developer", "system", "user", "assistant", "tool", "function")
#: Parts that are a text, under their own name.
TEXTS = ("text", "refusal")
PARTS = ("text", "image_url", "file", "refusal", "thinking", "reasoning")
#: Tools whose calls the client itself answers. Others are run by the provider, for a price.
OF_CLIENTS = ("function", "custom")
#: How a data: URL in base64 begins.
DATA = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE)


def rendered_bytes(schema_bytes: int, *, tools: int) -> int:
    """The most bytes of text that a provider makes of so many tools with such schemas."""
    return -(-schema_bytes * RENDERED_PERCENT // 100) + tools * TOOL_TOKENS


class Sizes(NamedTuple):
    """What messages hold, and the bytes of tools and schemas."""

    messages: Size
    schema_bytes: int
    tools: int

    @property
    def text_bytes(self) -> int:
        return self.messages.text_bytes + self.schema_bytes

    @property
    def bounded(self) -> Size:
        """The size by which the tokens that are read are bounded."""
        rendered = rendered_bytes(self.schema_bytes, tools=self.tools)
        return self.messages._replace(text_bytes=self.messages.text_bytes + rendered)


def sizes_of(body: Mapping[str, Any], model: AIModel, *, remote_images: bool) -> Sizes:
    """The size of a body of chat completions. Raises InvalidInput for messages that are none, and
    ApiError for parts that the model does not read."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("Must be a list with a message in it.", "messages")
    text = pictures = pages = 0
    for place, message in enumerate(messages):
        for each in _sizes_of(message, place, model, remote_images=remote_images):
            text, pictures, pages = text + each[0], pictures + each[1], pages + each[2]
    tools = [*_list(body, "tools"), *_list(body, "functions")]
    for number, tool in enumerate(_list(body, "tools")):
        if tool.get("type") not in OF_CLIENTS:
            raise Unsupported(f"tools[{number}].type", "Tools are what the client itself answers.")
    schemas = [*tools, *(body.get(name) for name in SHOWN)]
    schema_bytes = sum(json_bytes(each) for each in schemas if each is not None)
    return Sizes(Size(len(messages), text, pictures, pages), schema_bytes, len(tools))


def _sizes_of(
    message: Any, place: int, model: AIModel, *, remote_images: bool
) -> Iterable[tuple[int, int, int]]:
    """Bytes of text, pictures and pages of one message, part by part."""
    if not isinstance(message, dict):
        raise invalid("Must be an object.", "messages", place)
    if message.get("role") not in ROLES:
        raise invalid(f"Must be one of {', '.join(ROLES)}.", "messages", place, "role")
    # Whatever they are called: some providers show members of their own to the model.
    beside = [value for name, value in message.items() if name not in {"role", "content"}]
    yield sum(json_bytes(value) for value in beside if value), 0, 0
    content = message.get("content")
    if content is None or isinstance(content, str):
        yield len((content or "").encode()), 0, 0
        return
    if not isinstance(content, list):
        raise invalid("Must be a text or a list of parts.", "messages", place, "content")
    for number, part in enumerate(content):
        path = ("messages", place, "content", number)
        yield part_size(_checked(part, path, model, remote_images=remote_images))


def _checked(
    part: Any, path: tuple[str | int, ...], model: AIModel, *, remote_images: bool
) -> dict[str, Any]:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise invalid("Must be an object with a type.", *path)
    kind = part["type"]
    where = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)[1:]
    if kind not in PARTS:
        raise Unsupported(where, f"The parts of a message are {', '.join(PARTS[:3])}.")
    if kind == "image_url":
        _check_picture(part, path, model, where, remote_images=remote_images)
    elif kind == "file":
        file = part.get("file")
        data = file.get("file_data") if isinstance(file, dict) else None
        if not isinstance(data, str) or data_in(data) is None:
            raise Unsupported(where, "Send a file's content as a data URL in base64, in file_data.")
        if not model.reads_files:
            raise Unsupported(where, "This model reads no files.")
    for name in TEXTS:
        if not isinstance(part.get(name, None if name == kind else ""), str):
            raise invalid("Must be a text.", *path, name)
    return part


def _check_picture(
    part: dict[str, Any],
    path: tuple[str | int, ...],
    model: AIModel,
    where: str,
    *,
    remote_images: bool,
) -> None:
    picture = part.get("image_url")
    address = picture.get("url") if isinstance(picture, dict) else None
    if not isinstance(address, str):
        raise invalid("Must be an object with a url.", *path, "image_url")
    if not model.reads_images:
        raise Unsupported(where, "This model reads no pictures.")
    # Addresses are written in either case.
    is_remote = address[:8].lower() == "https://"
    if not _is_picture(address) and not (is_remote and remote_images):
        too = " or by an address with https" if remote_images else ""
        raise Unsupported(where, f"Send the picture itself as a data URL{too}.")


def _is_picture(address: str) -> bool:
    """Whether it is a data: URL of a picture. Films and papers have more tokens than a picture."""
    begin = DATA.match(address)
    return begin is not None and begin["type"].lower().startswith("image/")


def data_in(address: str) -> str | None:
    """The base64 of a data: URL; None where it is not base64 throughout: what is left out when its
    bytes are counted may be read by a provider."""
    begin = DATA.match(address)
    if begin is None:
        return None
    data = address[begin.end() :]
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return None
    return data


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise invalid("Must be a list of objects.", name)
    return value


def too_long(model: AIModel) -> ApiError:
    room = f" It reads {model.context_tokens:,} tokens." if model.context_tokens else ""
    message = f"This is more than the model can read.{room}"
    return ApiError(400, "context_length_exceeded", message, param="messages")
