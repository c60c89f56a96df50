"""What the OpenAPI description says beyond what drf-spectacular reads from the views: the shape of
errors, and the answers that every call shares."""

from collections.abc import Collection
from copy import deepcopy
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction

type Json = dict[str, Any]


def _object(fields: Json, *, optional: Collection[str] = (), **further: str) -> Json:
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, **further}


def _of(kind: str, description: str, **further: Any) -> Json:
    return {"type": kind, "description": description, **further}


BASE = {
    "error": _of("string", "A code for programs."),
    "message": _of("string", "A sentence for people."),
}
KEY = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
PATH = _of("array", "The field: keys and indexes from the outside in.", items=KEY)
ISSUES = {"type": "array", "items": {"$ref": "#/components/schemas/Issue"}}
SPEND = {
    "required": _of("integer", "Credits that the call takes."),
    "available": _of("integer", "Credits that can be spent."),
}
NEXT = {
    "type": "object",
    "nullable": True,
    "description": "Paid calls: what your plan brings next.",
    "properties": {
        "credits": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
    },
    "required": ["credits", "at"],
}
PACK = _object(
    {
        "name": {"type": "string"},
        "credits": {"type": "integer"},
        "price": _of("string", "In words; empty where it is not said."),
    }
)
PACKS = _of("array", "Paid calls: the packs on sale.", items=PACK)
SHOP = _of("string", "Paid calls: how to get a pack; empty: ask your administrator.")
LIMIT = _of(
    "object",
    "Of `limit_reached`: the limit that would be passed.",
    properties={
        "id": {"type": "integer"},
        "scope": _of("string", "Whose spending it bounds.", enum=["account", "key", "member"]),
        "period": {"type": "string"},
        "credits": {"type": "integer"},
        "hard": {"type": "boolean"},
        "byAdmin": _of("boolean", "Set by an admin."),
        "spent": _of("string", "Credits, exactly."),
        "held": _of("string", "Credits held by what is going on, exactly."),
        "remaining": _of("integer", "Whole credits."),
        "resetsAt": {"type": "string", "format": "date-time", "nullable": True},
    },
)
MORE = {"next": NEXT, "packs": PACKS, "shop": SHOP, "limit": LIMIT}
VERSION = _of("string", "What it is at now.")
#: The shapes of errors, by the name of their component.
SHAPES: dict[str, Json] = {
    "Error": _object(BASE, description="Every error has this shape; some have further members."),
    "Issue": _object({"path": PATH, "message": _of("string", "What is wrong with it.")}),
    "InvalidError": _object({**BASE, "issues": ISSUES}, optional=["issues"]),
    "InsufficientCreditsError": _object({**BASE, **SPEND, **MORE}, optional=MORE),
    "ChangedError": _object({**BASE, "version": VERSION}, optional=["version"]),
}

MEANINGS: dict[int, tuple[str, str]] = {
    400: ("InvalidError", "Not what this call takes; `issues` names the fields."),
    401: ("Error", "Nobody is signed in."),
    402: (
        "InsufficientCreditsError",
        "Not enough credits, or a limit is reached. Nothing was charged.",
    ),
    403: ("Error", "Not allowed, the session's CSRF token is missing, or an admin has to confirm."),
    404: ("Error", "There is nothing here for you."),
    409: ("ChangedError", "It is not in the state that this call needs; the message says why."),
    412: ("Error", "`If-Match` or `If-Unmodified-Since` does not hold."),
    413: ("Error", "The body is too large."),
    415: ("Error", "The body is not of the type that this call takes."),
    422: ("Error", "The idempotency key was used for another request."),
    429: ("Error", "Too much at once; `Retry-After` says how many seconds to wait."),
    500: ("Error", "Stored, but not processed."),
    502: ("Error", "The provider failed. What was charged is refunded."),
    503: ("Error", "Busy; `Retry-After` says how many seconds to wait."),
}


def errors(*statuses: int) -> dict[int, None]:
    """The answers with these statuses, for `extend_schema(responses={200: …, **errors(404)})`.
    `document_errors` describes them, and adds those that every call has."""
    return dict.fromkeys(statuses)


def document_errors(result: Json, **_: Any) -> Json:
    """drf-spectacular's postprocessing hook: adds what no view needs to repeat."""
    for path, calls in result["paths"].items():
        for method, call in calls.items():
            answers = call["responses"]
            bare = {int(status) for status, answer in answers.items() if "content" not in answer}
            for status in bare & MEANINGS.keys() | {*_common(path, method, call)}:
                answers[str(status)] = _described(status)
            call["responses"] = dict(sorted(answers.items()))
    result["components"]["schemas"] |= SHAPES
    return result


def _common(path: str, method: str, call: Json) -> list[int]:
    public = not call.get("security") or {} in call["security"]
    statuses = [503] if public else [401, 503]
    statuses += [412] if "304" in call["responses"] else []
    statuses += [400, 413, 415] if "requestBody" in call else []
    statuses += [429] if "requestBody" in call and not public else []
    statuses += [403] if not public and method != "get" else []
    # An admin who signed in long ago; somebody who is no admin.
    statuses += [403, 404] if path.startswith("/api/admin/") else []
    return statuses


def _described(status: int) -> Json:
    shape, meaning = MEANINGS[status]
    schema = {"$ref": f"#/components/schemas/{shape}"}
    return {"content": {"application/json": {"schema": schema}}, "description": meaning}


class StrictBody(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A strict serializer's schema allows no further members, and says what `schema_extra` says."""

    target_class = "credits.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Json:
        # drf-spectacular's documented way to augment what it makes itself.
        mapper: Any = auto_schema._map_serializer  # noqa: SLF001
        mapped = mapper(self.target, direction, bypass_extensions=True)
        # What comes later changes the schema in place.
        further = deepcopy(getattr(self.target, "schema_extra", {}))
        return {**mapped, "additionalProperties": False, **further}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "credits.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> Json:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The browser's session. Other methods than GET carry the session's CSRF "
            "token in `X-CSRFToken`.",
        }


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "credits.clerk.auth.requests.ClerkTokenAuthentication"
    name = "clerk"

    def get_security_definition(self, auto_schema: AutoSchema) -> Json:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A Clerk session token. No CSRF token is needed.",
        }
