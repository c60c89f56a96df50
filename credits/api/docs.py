"""The API's description: OpenAPI for programs, and a page to read it."""

import json
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from credits.api.answers import conditional
from credits.api.base import ApiView

type Json = dict[str, Any]

TITLES = {
    "credits": "Credits",
    "ai": "Chat and images",
    "admin": "For admins",
    "clerk": "For Clerk",
}


@cache
def openapi() -> Json:
    """The OpenAPI 3 description. It is made of code alone, so once per process."""
    description: Json = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return description


class SchemaView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return conditional(request, openapi())


@login_not_required
@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The description as a page: each call with what it takes and answers."""
    # Backticks mark code for the readers of the JSON; here they would only be in the way.
    description = json.loads(json.dumps(openapi()).replace("`", ""))
    context = {
        "info": description["info"],
        "sections": _sections(description),
        "shapes": _shapes(description),
        "server": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "credits/api_docs.html", context)


def _sections(description: Json) -> list[Json]:
    """The calls by tag, in the order of the description's tags."""
    calls = [
        _call(path, method, call)
        for path, methods in description["paths"].items()
        for method, call in methods.items()
    ]
    return [
        {
            **tag,
            "title": TITLES[tag["name"]],
            "calls": [call for call in calls if call["tag"] == tag["name"]],
        }
        for tag in description["tags"]
    ]


def _call(path: str, method: str, call: Json) -> Json:
    body = _json(call.get("requestBody", {}))
    security = call.get("security", [])
    return {
        "id": call["operationId"],
        "tag": call["tags"][0],
        "method": method.upper(),
        "path": path,
        "summary": call.get("summary", ""),
        "description": call.get("description", ""),
        "public": not security or {} in security,
        "parameters": [_parameter(parameter) for parameter in call.get("parameters", [])],
        "body": type_of(body) if body else "",
        "answers": [_answer(status, answer) for status, answer in call["responses"].items()],
    }


def _parameter(parameter: Json) -> Json:
    return {**parameter, "type": type_of(parameter["schema"])}


def _answer(status: str, answer: Json) -> Json:
    schema = _json(answer)
    meaning = answer.get("description", "")
    return {"status": status, "meaning": meaning, "type": type_of(schema) if schema else ""}


def _json(part: Json) -> Json:
    """The schema of a body or an answer, whatever its media type."""
    media: Json = next(iter(part.get("content", {}).values()), {})
    schema: Json = media.get("schema", {})
    return schema


def _shapes(description: Json) -> list[Json]:
    return [
        {"name": name, "fields": _fields(shape), "type": type_of(shape), **shape}
        for name, shape in sorted(description["components"]["schemas"].items())
    ]


def _fields(shape: Json) -> list[Json]:
    required = shape.get("required", [])
    return [
        {
            "name": name,
            "type": type_of(field),
            "meaning": field.get("description", ""),
            "required": name in required,
        }
        for name, field in shape.get("properties", {}).items()
    ]


#: JSON Schema's types and formats, for people.
WORDS = {
    "integer": "whole number",
    "string": "text",
    "boolean": "true or false",
    "date": "day",
    "date-time": "time",
}


def type_of(schema: Json) -> str:
    """A schema in a few words: `list of UsageRow`, `whole number from 0 to 200, or null`."""
    words = _words(schema)
    return f"{words}, or null" if schema.get("nullable") else words


def _words(schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    parts = schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf")
    if parts:
        return " or ".join(type_of(part) for part in parts)
    if "enum" in schema:
        return ", ".join(f"“{value}”" for value in schema["enum"] if value is not None)
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {type_of(schema['additionalProperties'])}"
    return WORDS.get(schema.get("format", ""), _plain(schema))


def _plain(schema: Json) -> str:
    kind = schema.get("type", "")
    return WORDS.get(kind, kind or "anything") + (_bounds(schema) if kind == "integer" else "")


def _bounds(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None or high >= 2**62:
        return ""
    return f" from {low:,} to {high:,}"
