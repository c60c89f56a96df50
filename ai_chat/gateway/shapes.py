"""The shapes of bodies and answers of /v1, for its OpenAPI description. Written by hand, close to
the code that reads the bodies: what this site itself reads and checks has a type, what a provider
alone reads is named without one."""

from typing import Any

from django.conf import settings

from ai_chat.gateway import chat, embeddings, images
from ai_chat.gateway.bodies import MAX_COUNT
from ai_chat.gateway.responses import incoming
from ai_chat.gateway.sizes import ROLES
from ai_chat.images.requests import MAX_IMAGES

type Json = dict[str, Any]

#: What JSON schemas call the types of a table that reads a body.
JSON_TYPES: dict[type, str] = {str: "string", float: "number", bool: "boolean"}
ANYTHING: Json = {"description": "Goes to the provider as it is."}
OBJECTS: Json = {"type": ["array", "null"], "items": {"type": "object"}}


def ref(name: str) -> Json:
    """A shape by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **further: Any) -> Json:
    """A text that is not empty."""
    return {"type": "string", "minLength": 1, **_said(description), **further}


def number(low: int, high: int = MAX_COUNT, description: str = "") -> Json:
    """A whole number, or null."""
    bounds = {"minimum": low, "maximum": high}
    return {"type": ["integer", "null"], **bounds, **_said(description)}


def flag(description: str = "") -> Json:
    """True, false or null."""
    return {"type": ["boolean", "null"], **_said(description)}


def shape(fields: Json, *required: str, description: str = "") -> Json:
    """An object; further members are left out, and named in `X-Tally-Ignored`."""
    more = {"required": [*required]} if required else {}
    return {"type": "object", "properties": fields, **more, **_said(description)}


def only(values: tuple[Any, ...]) -> Json:
    """A parameter that has no other values here: others are 400 `unsupported_parameter`."""
    return {"enum": [*values, None], "description": "No other value has a price."}


def _said(description: str) -> Json:
    return {"description": description} if description else {}


def _refused(table: dict[str, tuple[Any, ...]]) -> Json:
    return {name: only(values) for name, values in table.items()}


MODEL = text("One that `GET /v1/models` lists.", maxLength=200)
CHAT = shape(
    {
        "model": MODEL,
        "messages": {"type": "array", "minItems": 1, "items": ref("Message")},
        "stream": flag("Server-sent events, chunk by chunk, with `[DONE]` at the end."),
        "stream_options": {
            **shape({"include_usage": flag("The last chunk says tokens and cost.")}),
            "type": ["object", "null"],
        },
        "n": number(1, chat.MAX_CHOICES, "Answers that are made at once."),
        "max_tokens": number(1),
        "max_completion_tokens": number(1, description="The smaller of the two counts."),
        "tools": OBJECTS,
        "functions": OBJECTS,
        **_refused(chat.REFUSED),
        **{
            name: ANYTHING
            for name in (*chat.PASSED, *chat.USERS)
            if name not in {"messages", "tools", "functions"}
        },
    },
    "model",
    "messages",
    description="A chat completion. `user`, `safety_identifier` and `metadata` stay here.",
)
MESSAGE = shape(
    {
        "role": {"type": "string", "enum": [*ROLES]},
        "content": {
            "oneOf": [
                {"type": ["string", "null"]},
                {"type": "array", "items": ref("Part")},
            ],
        },
    },
    "role",
    description="Tool calls, names and the like go to the provider as they are.",
)
PART = {
    "oneOf": [
        shape({"type": {"enum": ["text"]}, "text": {"type": "string"}}, "type", "text"),
        shape(
            {
                "type": {"enum": ["image_url"]},
                "image_url": shape(
                    {"url": {"type": "string", "pattern": "^data:"}, "detail": ANYTHING}, "url"
                ),
            },
            "type",
            "image_url",
            description="For models that read pictures.",
        ),
        shape(
            {
                "type": {"enum": ["file"]},
                "file": shape(
                    {"file_data": {"type": "string", "pattern": "^data:"}, "filename": ANYTHING},
                    "file_data",
                ),
            },
            "type",
            "file",
            description="For models that read files.",
        ),
    ]
}
RESPONSE = shape(
    {
        "input": {
            "oneOf": [
                {"type": "string"},
                {"type": "array", "minItems": 1, "items": {"type": "object"}},
            ],
            "description": "A text, or OpenAI's items: messages, function calls and their outputs, "
            "reasoning, item references.",
        },
        "instructions": {"type": ["string", "null"]},
        "stream": flag(),
        "store": flag("Kept for 30 days unless false, or the account does not want it."),
        "previous_response_id": {"type": ["string", "null"]},
        "max_output_tokens": number(1),
        "tools": {**OBJECTS, "description": "`function` and `custom`."},
        "metadata": {"type": ["object", "null"]},
        **{name: {"type": [JSON_TYPES[kind], "null"]} for name, kind in incoming.PASSED.items()},
        "model": MODEL,
        **_refused(incoming.USUAL),
        **{name: {**only(()), "description": why} for name, why in incoming.UNSUPPORTED.items()},
    },
    "model",
    "input",
    description="A response in OpenAI's newer format.",
)
MESSAGES = shape(
    {
        "model": MODEL,
        "max_tokens": {**number(1), "type": "integer"},
        "messages": {"type": "array", "minItems": 1, "items": ref("ClaudeMessage")},
        "stream": flag(),
        "tools": {**OBJECTS, "description": "Those whose calls the client answers."},
    },
    "model",
    "max_tokens",
    "messages",
    description="Anthropic's format, for models whose provider speaks it. All else goes to the "
    "provider as it is.",
)
CLAUDE_MESSAGE = shape(
    {"role": {"type": "string", "enum": ["user", "assistant"]}, "content": ANYTHING},
    "role",
    "content",
)
TOKENS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
}
EMBEDDING = shape(
    {
        "model": MODEL,
        "input": {
            "oneOf": [
                text(),
                TOKENS,
                {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": embeddings.MAX_INPUTS,
                    "items": {"oneOf": [text(), TOKENS]},
                },
            ]
        },
        "encoding_format": only(embeddings.FORMS),
        "dimensions": number(1, embeddings.MAX_DIMENSIONS),
        "user": ANYTHING,
    },
    "model",
    "input",
)
IMAGES = shape(
    {
        "model": MODEL,
        "prompt": text(maxLength=settings.IMAGE_PROMPT_MAX_CHARACTERS),
        "n": number(1, MAX_IMAGES),
        "size": {"type": ["string", "null"], "description": "`auto`, or as 1024x1024."},
        "response_format": only(images.FORMS),
        "user": ANYTHING,
        **_refused(images.REFUSED),
    },
    "model",
    "prompt",
)
USAGE = shape(
    {
        "prompt_tokens": {"type": "integer"},
        "completion_tokens": {"type": "integer"},
        "total_tokens": {"type": "integer"},
        "cost": {"type": "string", "description": "Credits, exactly."},
    },
    "prompt_tokens",
    "total_tokens",
    "cost",
    description="Tokens as they were paid for.",
)
ERROR = shape(
    {
        "error": shape(
            {
                "message": {"type": "string", "description": "For people."},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The field."},
                "code": {"type": "string", "description": "For programs."},
                "metadata": {"type": "object", "description": "As the limit that is reached."},
            },
            "message",
            "type",
            "param",
            "code",
        )
    },
    "error",
    description="Every error of /v1 but those of messages has OpenAI's shape.",
)
CLAUDE_ERROR = shape(
    {
        "type": {"enum": ["error"]},
        "error": shape({"type": {"type": "string"}, "message": {"type": "string"}}, "type"),
        "request_id": {"type": "string"},
    },
    "type",
    "error",
    "request_id",
    description="Anthropic's shape of an error.",
)


def _listed(kind: str, items: Json) -> Json:
    fields = {"object": {"enum": [kind]}, "data": {"type": "array", "items": items}}
    return shape(fields, "object", "data")


SHAPES: Json = {
    "ChatRequest": CHAT,
    "Message": MESSAGE,
    "Part": PART,
    "ResponseRequest": RESPONSE,
    "MessagesRequest": MESSAGES,
    "ClaudeMessage": CLAUDE_MESSAGE,
    "EmbeddingsRequest": EMBEDDING,
    "ImagesRequest": IMAGES,
    "Usage": USAGE,
    "ChatCompletion": shape(
        {
            "id": {"type": "string"},
            "object": {"enum": ["chat.completion"]},
            "created": {"type": "integer"},
            "model": {"type": "string"},
            "choices": {"type": "array", "items": {"type": "object"}},
            "usage": ref("Usage"),
        },
        *("id", "object", "created", "model", "choices", "usage"),
    ),
    "Response": shape(
        {
            "id": {"type": "string"},
            "object": {"enum": ["response"]},
            "status": {"type": "string"},
            "model": {"type": "string"},
            "output": {"type": "array", "items": {"type": "object"}},
            "usage": {"type": ["object", "null"]},
        },
        *("id", "object", "status", "model", "output"),
    ),
    "DeletedResponse": shape({"id": {"type": "string"}, "deleted": {"enum": [True]}}, "id"),
    "Items": _listed("list", {"type": "object"}),
    "ClaudeAnswer": shape({"type": {"enum": ["message"]}}, "type"),
    "Embeddings": {
        **_listed("list", {"type": "object"}),
        "description": "A vector for each input, as numbers or in base64.",
    },
    "Images": shape({"created": {"type": "integer"}, "data": {"type": "array", "items": {}}}),
    "Model": shape(
        {
            "id": {"type": "string"},
            "object": {"enum": ["model"]},
            "context_length": {"type": ["integer", "null"]},
            "max_output_tokens": {"type": ["integer", "null"]},
            "supported_parameters": {"type": "array", "items": {"type": "string"}},
            "endpoints": {"type": "array", "items": {"type": "string"}},
            "pricing": {"type": "object", "description": "Credits, as decimal texts."},
        },
        *("id", "object", "context_length", "pricing", "endpoints"),
    ),
    "Models": _listed("list", ref("Model")),
    "Quote": shape(
        {
            "object": {"enum": ["quote"]},
            "model": {"type": "string"},
            "price_version": {"type": "integer", "description": "For `X-Price-Version`."},
            "price": {"type": "object", "description": "As the model's `pricing`."},
            "input_bound": {"type": ["integer", "null"]},
            "output_granted": {"type": ["integer", "null"]},
            "at_most": {"type": "string", "description": "Credits that it costs at most."},
            "reserved": {"type": "integer", "description": "Whole credits, taken at first."},
            "available": {"type": "integer", "description": "Whole credits of the account."},
            "likely": {"type": "string", "description": "Credits that such calls cost usually."},
            "limited_by": {"type": "string", "description": "As `X-Tally-Limited-By`."},
            "limit": ref("Limit"),
            "ignored": {"type": "array", "items": {"type": "string"}},
        },
        *("object", "model", "price_version", "price", "at_most", "reserved", "available"),
    ),
    "Limit": shape(
        {
            "id": {"type": "integer"},
            "scope": {"enum": ["account", "key", "member"]},
            "period": {"type": "string"},
            "credits": {"type": "integer"},
            "hard": {"type": "boolean"},
            "spent": {"type": "string"},
            "held": {"type": "string"},
            "remaining": {"type": "integer"},
            "resets_at": {"type": ["string", "null"], "format": "date-time"},
        },
        *("id", "scope", "period", "credits", "spent", "held", "remaining", "resets_at"),
    ),
    "Key": shape(
        {
            "object": {"enum": ["key"]},
            "id": {"type": "string"},
            "name": {"type": "string"},
            "scopes": {"type": "array", "items": {"type": "string"}},
            "account": {"type": "object", "description": "Credits left, held and paid ahead."},
            "limits": {"type": "array", "items": ref("Limit")},
            "models": {"type": ["array", "null"], "items": {"type": "string"}},
            "rate": {"type": "object"},
            "created_at": {"type": "string", "format": "date-time"},
            "expires_at": {"type": ["string", "null"], "format": "date-time"},
            "revoked_at": {"type": ["string", "null"], "format": "date-time"},
        },
        *("object", "id", "name", "scopes", "account", "limits", "models", "expires_at"),
    ),
    "Error": ERROR,
    "ClaudeError": CLAUDE_ERROR,
}
