"""The API's description: OpenAPI for programs, and a page to read it."""

import json
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
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
    "account": "Your account",
    "keys": "API keys",
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
    return render(request, "credits/api_docs.html", _page())


@cache
def _page() -> Json:
    schema = reverse("api-schema")
    return page_of(openapi(), title="The JSON API", schema=schema, who="signed in")


def page_of(description: Json, *, title: str, schema: str, who: str) -> Json:
    """What the page of a description shows, which takes a while to make: `schema` is its address,
    `who` may make calls that are not for anyone."""
    # Backticks mark code for the readers of the JSON; the page shows none.
    description = json.loads(json.dumps(description).replace("`", ""))
    calls: dict[str, list[Json]] = {tag["name"]: [] for tag in description["tags"]}
    for path, methods in description["paths"].items():
        for method, call in methods.items():
            for tag in call["tags"]:
                calls[tag].append(_call(path, method, call))
    sections = [
        {**tag, "title": TITLES.get(tag["name"], tag["name"]), "calls": calls[tag["name"]]}
        for tag in description["tags"]
    ]
    shapes = [
        {**shape, "name": name, "fields": _fields(shape), "type": type_of(shape)}
        for name, shape in sorted(description["components"]["schemas"].items())
    ]
    page = {"info": description["info"], "sections": sections, "shapes": shapes}
    return {**page, "title": title, "schema": schema, "who": who}


def _call(path: str, method: str, call: Json) -> Json:
    security = call.get("security")
    return {
        **call,
        "path": path,
        "method": method.upper(),
        "public": not security or {} in security,
        "parameters": [
            {**parameter, "type": type_of(parameter["schema"])}
            for parameter in call.get("parameters", [])
        ],
        "body": _type_of_content(call.get("requestBody", {})),
        "answers": [
            {**answer, "status": status, "type": _type_of_content(answer)}
            for status, answer in call["responses"].items()
        ],
    }


def _type_of_content(part: Json) -> str:
    """The type of a body or an answer, whatever its media type; empty when it has none."""
    media: Json = next(iter(part.get("content", {}).values()), {})
    return type_of(media["schema"]) if media.get("schema") else ""


def _fields(shape: Json) -> list[Json]:
    required = shape.get("required", [])
    return [
        {**field, "name": name, "type": type_of(field), "required": name in required}
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
    kinds = schema.get("type")
    if isinstance(kinds, list):  # As OpenAPI 3.1 says what 3.0 calls nullable.
        kind = next(kind for kind in kinds if kind != "null")
        return type_of({**schema, "type": kind, "nullable": "null" in kinds})
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
    kind: str = schema.get("type", "anything")
    words = WORDS.get(schema.get("format", ""), WORDS.get(kind, kind))
    low, high = schema.get("minimum"), schema.get("maximum", 2**62)
    bounded = kind == "integer" and low is not None and high < 2**62
    return f"{words} from {low:,} to {high:,}" if bounded else words
