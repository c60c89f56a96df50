"""The OpenAPI description of /v1, at /v1/openapi.json. schemathesis holds it against a running site
(`tests/test_schema.py`)."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from ai_chat.gateway import listing
from ai_chat.gateway.bodies import check_method
from ai_chat.gateway.shapes import SHAPES, Json, ref

#: The statuses of errors, and their meaning (design: gateway, A.7).
ERRORS = {
    400: "Not what this call takes; `param` names the field.",
    401: "No key, or one that is not valid.",
    402: "Not enough credits, or a limit is reached. Nothing was charged.",
    403: "The key may not do this, or not use this model.",
    404: "There is no such model, or nothing here for this key.",
    405: "Not by this method; `Allow` names the right one.",
    409: "A call with this `Idempotency-Key` is going on, or was another one.",
    412: "The price has changed (`X-Price-Version`, `X-Max-Credits`).",
    413: "The body is too large.",
    429: "Too much at once, or calls of yours hold the credits; `Retry-After` says for how long.",
    500: "A fault of this site.",
    502: "The provider failed. Nothing was charged.",
    503: "Busy; `Retry-After` says how many seconds to wait. Nothing was charged.",
    504: "The provider took too long. Nothing was charged.",
    529: "Anthropic's status for 503.",
}
OF_ALL = (401, 403, 405, 429, 500, 503)
OF_CALLS = (400, 402, 404, 409, 412, 413, 502, 504)
VERSION: Json = {"type": "string", "pattern": "^[0-9]{1,15}$"}
AGREED: list[Json] = [
    {"name": "X-Price-Version", "in": "header", "schema": VERSION},
    {"name": "X-Max-Credits", "in": "header", "schema": VERSION},
    {"name": "X-Tally-Clamp", "in": "header", "schema": {"enum": ["allow", "never"]}},
]
ONCE: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def _call(operation: str, summary: str, answer: str, *more: int, **further: Any) -> Json:
    """A call, with the shape of its answer and the statuses of its errors besides OF_ALL."""
    error = ref("ClaudeError" if operation == "createMessage" else "Error")
    statuses = sorted({*OF_ALL, *more})
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["Calls"],
        "security": [{"key": []}],
        "responses": {
            "200": {"description": "Done.", "content": _json(ref(answer))},
            **{str(s): {"description": ERRORS[s], "content": _json(error)} for s in statuses},
        },
        **further,
    }


def _paid(operation: str, summary: str, body: str, answer: str, *, streams: bool = False) -> Json:
    """A call that costs something."""
    of_claude = (529,) if operation == "createMessage" else ()
    call = _call(operation, summary, answer, *OF_CALLS, *of_claude)
    if streams:
        content = call["responses"]["200"]["content"]
        content["text/event-stream"] = {"schema": {}}
    request = {"required": True, "content": _json(ref(body))}
    return {"post": {**call, "parameters": [*AGREED, ONCE], "requestBody": request}}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


KEY_ID = _in_query("id", {"type": "string", "pattern": "^key_[0-9A-Za-z]{16}$"})
QUOTED = ("ChatRequest", "ResponseRequest", "EmbeddingsRequest", "ImagesRequest")
RESPONSE_ID, LIMIT = _in_path("response_id"), {"type": "integer", "minimum": 1}
PATHS: Json = {
    "/v1/key": {
        "get": _call("getThisKey", "What the key is, and what is left of it", "Key", 404,
                     parameters=[KEY_ID])
    },
    "/v1/quote": {
        "post": _call(
            "quoteCall", "What a call would cost: takes its body", "Quote", *OF_CALLS,
            parameters=AGREED,
            requestBody={
                "required": True, "content": _json({"anyOf": [ref(name) for name in QUOTED]})
            },
        )
    },
    "/v1/models": {
        "get": _call(
            "listModels", "The models that the key may call, with prices", "Models", 400,
            parameters=[
                _in_query("limit", {**LIMIT, "maximum": listing.MAX_LISTED}),
                _in_query("after_id", {"type": "string"}),
                _in_query("before_id", {"type": "string"}),
            ],
        )
    },
    "/v1/models/{name}": {
        "get": _call("getModel", "One of them", "Model", 404, parameters=[_in_path("name")])
    },
    "/v1/chat/completions": _paid(
        "createChatCompletion", "Answer a chat", "ChatRequest", "ChatCompletion", streams=True
    ),
    "/v1/responses": _paid(
        "createResponse", "Answer in the format of responses", "ResponseRequest", "Response",
        streams=True,
    ),
    "/v1/responses/{response_id}": {
        "get": _call("getResponse", "A kept response", "Response", 404, parameters=[RESPONSE_ID]),
        "delete": _call(
            "deleteResponse", "Delete a kept response", "DeletedResponse", 404,
            parameters=[RESPONSE_ID],
        ),
    },
    "/v1/responses/{response_id}/input_items": {
        "get": _call(
            "listInputItems", "What a kept response answered", "Items", 404,
            parameters=[RESPONSE_ID],
        )
    },
    "/v1/messages": _paid(
        "createMessage", "Answer in Anthropic's format", "MessagesRequest", "ClaudeAnswer",
        streams=True,
    ),
    "/v1/embeddings": _paid(
        "createEmbeddings", "Vectors of texts", "EmbeddingsRequest", "Embeddings"
    ),
    "/v1/images/generations": _paid(
        "createImagesByKey", "Make images", "ImagesRequest", "Images"
    ),
}  # fmt: skip
DESCRIPTION = (
    "The API that clients of OpenAI's speak, entered by an API key of yours. Each call reserves "
    "the most that it can cost, and what it does not use comes back."
)
DOCUMENT: Json = {
    "openapi": "3.1.0",
    "info": {"title": "Tally /v1", "version": "1.0.0", "description": DESCRIPTION},
    "tags": [{"name": "Calls", "description": "Each answer has its `x-request-id`."}],
    "paths": PATHS,
    "components": {
        "schemas": SHAPES,
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
    },
}


def document(http: HttpRequest) -> JsonResponse:
    """The description, for anyone."""
    check_method(http, "GET")
    return JsonResponse(DOCUMENT)
