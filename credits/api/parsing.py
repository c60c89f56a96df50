"""Reading what a client sent: JSON as the standard has it, nothing that could mean two things."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from typing import IO, Any

from django.conf import settings
from rest_framework import negotiation, parsers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from config.errors import MAX_ISSUES, HttpError, InvalidInput, Path, issue

#: Levels of lists and objects in one body; no call here needs ten.
MAX_DEPTH = 32
#: Digits of a whole number; no call here needs twenty.
MAX_DIGITS = 400
#: A JSON string that is a data: URL; some encoders write a slash as \/.
DATA_URL = re.compile(rb'"data:[^"\\]*+(?:\\/[^"\\]*+)*+"')
TOO_LARGE = (
    "The body has more than {:,} bytes. Send the newest message alone: in a chat with an `id`, "
    "what was sent before is stored here."
)
TOO_MUCH_TEXT = "Without its files the body has more than {:,} bytes. Send fewer earlier messages."


class JSONParser(parsers.JSONParser):
    """UTF-8 JSON. Refuses what Python would let pass: NaN, Infinity and numbers beyond all bounds
    (naming their field), a key given twice (which of two prices is meant?), half a surrogate pair,
    and nesting that would exhaust the stack."""

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        return read_json(stream.read())


def read_json(body: bytes, *, depth: int = MAX_DEPTH) -> Any:
    """What JSONParser takes, nested at most so deep. Raises ParseError, InvalidInput."""
    try:
        data = json.loads(
            body.decode("utf-8-sig"),
            parse_constant=float,
            parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else math.inf,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ParseError("The body is nested too deeply.") from None
    except ValueError as error:
        raise ParseError(f"The body is not valid JSON: {error}") from None
    _check(data, depth)
    if unbounded := [*islice(_unbounded(data, ()), MAX_ISSUES)]:
        raise InvalidInput.of([issue(path, "Must be a finite number.") for path in unbounded])
    return data


class LargeJSONParser(parsers.BaseParser):
    """The same for a call whose bodies hold files as data: URLs: these strings may be large, within
    what LARGE_BODIES has for the address, all else together is bounded as everywhere. So is what
    it becomes in memory: a list of many small objects takes far more than its text. Raises
    HttpError (413) that says which is too large."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        request = (parser_context or {})["request"]
        room: int = settings.LARGE_BODIES[request.path_info]
        if int(request.META.get("CONTENT_LENGTH") or 0) > room:
            raise HttpError(413, message=TOO_LARGE.format(room), limit=room)
        body = stream.read()
        rest = len(body) - sum(match.end() - match.start() for match in DATA_URL.finditer(body))
        if rest > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            raise HttpError(413, message=TOO_MUCH_TEXT.format(room), limit=room)
        return JSONParser().parse(BytesIO(body))


def _unbounded(value: Any, path: Path) -> Iterator[Path]:
    """Where the numbers are that are none. For what is not too deep."""
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path
    elif isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(child, float | dict | list):
                yield from _unbounded(child, (*path, key))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object.")
    return result


def _check(data: Any, most: int) -> None:
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > most:
            raise ParseError("The body is nested too deeply.")
        for value in level:
            if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
                raise ParseError("The body has half of a surrogate pair: no text.")
        level = [child for value in level for child in _children(value)]


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else ()


class AnyAccept(negotiation.DefaultContentNegotiation):
    """Each call has one kind of answer, whatever `Accept` says: an error is always readable."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type
