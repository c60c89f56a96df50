"""How many tokens a call can take at most, known before it is made: for a price by tokens, credits
are reserved for that many. Design: gateway, C.4."""

import binascii
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from ai_chat.providers.chat import Message, Part, tokens_of
from ai_chat.providers.pages import count_pages, is_pdf
from credits.models import AIModel
from credits.uses import Asked

#: Tokens that the template of a chat adds to a call: many bring a system message of their own where
#: there is none.
TEMPLATE_TOKENS = 128
#: Tokens that mark the beginning, the role and the end of a message.
FRAMING_TOKENS = 16
#: Tokens that mark the beginning and the end of an input of embeddings, or stand before it.
INPUT_FRAMING_TOKENS = 8
#: The tokens of an answer for which there must be room, unless the model says otherwise: with less
#: a model that reasons first would be paid for and say nothing.
LEAST_OUTPUT, LEAST_OUTPUT_REASONING = 256, 4_096


class Size(NamedTuple):
    """What messages hold: bytes of UTF-8, of files that are no PDF too; pictures; pages of PDFs."""

    messages: int
    text_bytes: int
    pictures: int = 0
    pages: int = 0


def size_of(messages: Iterable[Message]) -> Size:
    """What these messages hold together."""
    contents = [message["content"] for message in messages]
    sizes = [part_size(part) for content in contents for part in _parts(content)]
    text, pictures, pages = (sum(column) for column in zip((0, 0, 0), *sizes, strict=True))
    return Size(len(contents), text, pictures, pages)


def input_bound(model: AIModel, size: Size) -> int:
    """The most tokens that the model reads of messages of this size. A token of text stands for at
    least one byte of it, whatever the vocabulary, unless the model's `bytes_per_hundred_tokens`
    says otherwise; pictures and pages have as many as the model says."""
    text = -(-size.text_bytes * 100 // model.bytes_per_hundred_tokens)
    return text + file_tokens(model, size) + size.messages * FRAMING_TOKENS + TEMPLATE_TOKENS


def file_tokens(model: AIModel, size: Size) -> int:
    """The most tokens of the pictures and pages."""
    return size.pictures * model.image_tokens + size.pages * model.tokens_per_page


def output_asked(model: AIModel, most: int | None = None) -> int:
    """The most tokens of an answer, with its reasoning: the client's `most`, else the model's."""
    return tokens_of(model) if most is None else most


def output_least(model: AIModel, most: int) -> int:
    """With room for fewer tokens than this no answer of at most `most` tokens is begun."""
    usual = LEAST_OUTPUT_REASONING if model.reasons else LEAST_OUTPUT
    return min(model.output_least or usual, most)


def asked_of(model: AIModel, size: Size, *, most: int | None = None) -> Asked:
    """What credits are reserved for: a call of this size, whose answer has at most `most` tokens
    where the client says so."""
    output = output_asked(model, most)
    least = output_least(model, output)
    return Asked(input_bound(model, size), output, least, named=most is not None)


def asked_of_inputs(model: AIModel, *, text_bytes: int, tokens: int, inputs: int) -> Asked:
    """What credits are reserved for: embeddings of `inputs` that hold so much text, and so many
    tokens that are sent as such. There is no output."""
    text = -(-text_bytes * 100 // model.bytes_per_hundred_tokens)
    return Asked(text + tokens + inputs * INPUT_FRAMING_TOKENS, 0, 0, named=True)


def _parts(content: str | list[Part]) -> list[Part]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def part_size(part: Part) -> tuple[int, int, int]:
    """Bytes of text, pictures and pages of one part. All that stands beside the content of a file
    or a picture counts as text: a provider may show it to the model, as a file's name."""
    match part:
        case {"type": "image_url"}:
            return _beside(part, "image_url", {"url", "detail"}), 1, 0
        case {"type": "file", "file": {"file_data": str(address)}}:
            file = binascii.a2b_base64(address.partition(",")[2])
            beside = _beside(part, "file", {"file_data"})
            return (beside, 0, count_pages(file)) if is_pdf(file) else (len(file) + beside, 0, 0)
    text = str(part.get("text", "")).encode(errors="surrogatepass")
    return len(text) + _bytes_of(part, {"type", "text"}), 0, 0


def _beside(part: Part, name: str, known: set[str]) -> int:
    """Bytes of all members of a part but for those of `part[name]` that are known."""
    inner = part.get(name)
    within = _bytes_of(inner, known) if isinstance(inner, dict) else 0
    return within + _bytes_of(part, {"type", name})


def _bytes_of(members: dict[str, Any], known: set[str]) -> int:
    """Bytes of the members that are not known, as compact JSON."""
    others = [value for name, value in members.items() if name not in known]
    return sum(json_bytes(value) for value in others if value is not None)


def json_bytes(value: Any) -> int:
    """Bytes of a value as compact JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode(errors="replace"))
