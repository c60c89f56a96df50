"""POST /v1/messages: Anthropic's Messages API, passed through to providers that speak it."""

import binascii
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from ai_chat.gateway.answers import answer_call
from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import count_in, flag_in, read_body, refuse, text_in
from ai_chat.gateway.calls import Call, CallStream, CallWork, never_clamped
from ai_chat.gateway.catalogue import model_named
from ai_chat.gateway.errors import ApiError, Unsupported, invalid
from ai_chat.gateway.files import tokens_within
from ai_chat.gateway.message_answers import StreamedMessage, WholeMessage
from ai_chat.gateway.message_reading import MessageReader
from ai_chat.gateway.sizes import rendered_bytes
from ai_chat.providers.bounds import Size, asked_of, file_tokens, json_bytes
from ai_chat.providers.errors import known_keys
from ai_chat.providers.pages import count_pages, is_pdf
from credits.features import TEXT
from credits.models import AIModel, Provider

ENDPOINT = "messages"
VERSION = "2023-06-01"
#: What does not go to the provider as it came. Fields that are not known here do: beta headers add
#: some.
OWN = ("model", "stream", "max_tokens", "metadata", "user")
#: What costs what has no price here.
REFUSED: dict[str, tuple[Any, ...]] = {
    "service_tier": ("auto", "standard_only"),
    "mcp_servers": ([],),
    "container": (),
    "inference_geo": (),
    "speed": ("standard",),
}
#: Tools whose calls the client itself answers. Others are run by the provider, for a price.
OF_CLIENTS = ("custom", "bash_", "text_editor_", "memory_", "computer_")


def messages(http: HttpRequest) -> HttpResponseBase:
    """Answers messages, streamed or whole."""
    caller = caller_of(http)
    body = read_body(http)
    call = message_call(http, body, model_named(text_in(body, "model"), caller, feature=TEXT))
    return answer_call(
        http, caller, call, whole=WholeMessage, streamed=StreamedMessage, work=MessageWork
    )


class MessageStream(CallStream):
    """The answer to one call, in events of Anthropic's."""

    path = "messages"

    def reader_of(self, call: Call, granted: int | None) -> MessageReader:
        return MessageReader(max_tokens=granted)

    def limits(self, call: Call, most: int) -> dict[str, Any]:
        return {"max_tokens": most}

    def key_header(self) -> dict[str, str]:
        known_keys.add(self._provider.key)
        return {"x-api-key": self._provider.key} if self._provider.key_is_set else {}


class MessageWork(CallWork):
    """The provider's part of one call of messages."""

    stream_type = MessageStream

    def with_model(self, model: AIModel) -> CallWork | None:
        is_spoken = model.provider.dialect == Provider.Dialect.ANTHROPIC
        return super().with_model(model) if is_spoken else None


def message_call(http: HttpRequest, body: Mapping[str, Any], model: AIModel) -> Call:
    """What a body of messages asks of a model. Raises InvalidInput, ApiError."""
    if model.provider.dialect != Provider.Dialect.ANTHROPIC:
        message = "This model does not speak Anthropic's format. Use /v1/chat/completions."
        raise ApiError(400, "unsupported_endpoint", message, param="model")
    refuse(body, REFUSED, "It has no price here.")
    tools = body.get("tools") or []
    _check_tools(tools)
    _check_edits(body.get("context_management"))
    most = count_in(body, "max_tokens", 1)
    if most is None:
        raise invalid("This is required.", "max_tokens")
    sizes = _Sizes(model)
    sizes.read(body)
    size = sizes.size(tools)
    asked = asked_of(model, size, most=most)
    least = most if never_clamped(http) else asked.least
    within = tokens_within(sizes.files, model, account_id=http.META["ACCOUNT_ID"])
    asked = asked._replace(
        input_bound=asked.input_bound + within,
        least=min(most, max(least, _least_output(body))),
    )
    headers = {"anthropic-version": http.META.get("HTTP_ANTHROPIC_VERSION", VERSION)}
    if beta := http.META.get("HTTP_ANTHROPIC_BETA"):
        headers["anthropic-beta"] = beta
    return Call(
        endpoint=ENDPOINT,
        model=model,
        body={name: value for name, value in body.items() if name not in OWN},
        asked=asked,
        text_bytes=sizes.text + file_tokens(model, size),
        streamed=flag_in(body, "stream"),
        body_digest=http.META["BODY_DIGEST"],
        headers=headers,
    )


def _least_output(body: Mapping[str, Any]) -> int:
    """The fewest tokens of output that a provider takes: one more than the budget for thinking."""
    thinking = body.get("thinking")
    budget = count_in(thinking, "budget_tokens", 1) if isinstance(thinking, dict) else None
    return (budget or 0) + 1


def _check_tools(tools: Any) -> None:
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid("Must be a list of objects.", "tools")
    for place, tool in enumerate(tools):
        kind = str(tool.get("type") or "custom")
        if not kind.startswith(OF_CLIENTS):
            raise Unsupported(
                f"tools[{place}].type", "The provider runs it, for what has no price."
            )


def _check_edits(management: Any) -> None:
    """Parts of a conversation may be left out. A summary of them is an answer beside the answer,
    which neither the limit nor the usage counts (Anthropic's compaction)."""
    edits = management.get("edits") if isinstance(management, dict) else management
    for edit in edits or () if isinstance(edits, list | None) else [edits]:
        kind = edit.get("type") if isinstance(edit, dict) else None
        if not str(kind).startswith("clear_"):
            raise Unsupported("context_management.edits", "It has no price here.")


class _Sizes:
    """What a body holds: bytes of all its texts, pictures, and pages of files."""

    def __init__(self, model: AIModel) -> None:
        self._model = model
        self.text = self._pictures = self._pages = self._messages = 0
        self.files: list[bytes] = []

    def read(self, body: Mapping[str, Any]) -> None:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise invalid("Must be a list with a message in it.", "messages")
        for place, message in enumerate(messages):
            # Which roles there are the provider knows: by beta headers there are more.
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise invalid("Must be a message with a role.", "messages", place)
        self._messages = len(messages) + 1
        # All that is passed on: a provider may have fields that are not known here.
        self._add({name: body[name] for name in body if name not in {*OWN, "tools"}})

    def size(self, tools: list[Any]) -> Size:
        schema = sum(json_bytes(tool) for tool in tools)
        self._check_cache(tools)
        text = self.text + rendered_bytes(schema, tools=len(tools))
        self.text += schema
        return Size(self._messages, text, self._pictures, self._pages)

    def _add(self, value: Any) -> None:
        """Any part of the body, however deep: the body has at most MAX_DEPTH levels."""
        match value:
            case str():
                self.text += len(value.encode())
            case list():
                for each in value:
                    self._add(each)
            case dict():
                self._check_cache(value)
                for name, each in value.items():
                    self.text += len(name.encode())
                    if not (name == "source" and self._add_source(value.get("type"), each)):
                        self._add(each)
            case _:
                self.text += 8

    def _add_source(self, kind: Any, source: Any) -> bool:
        """Counts the content of a picture or file; False for one that is text."""
        if kind not in {"image", "document"} or not isinstance(source, dict):
            return False
        if kind == "image":
            self._check_kind(self._model.reads_images, source, "pictures")
            self._pictures += 1
        elif source.get("type") in {"text", "content"}:
            return False
        else:
            self._check_kind(self._model.reads_files, source, "files")
            self._add_file(str(source.get("data")))
        return True

    def _add_file(self, data: str) -> None:
        try:
            file = binascii.a2b_base64(data, strict_mode=True)
        except ValueError:
            raise invalid("Must be a file in base64.", "messages") from None
        self.files.append(file)
        if is_pdf(file):
            self._pages += count_pages(file)
        else:
            self.text += len(file)

    @staticmethod
    def _check_kind(reads: bool, source: dict[str, Any], what: str) -> None:  # noqa: FBT001
        if not reads:
            raise Unsupported("messages", f"This model reads no {what}.")
        if source.get("type") != "base64":
            raise Unsupported("messages", f"Send {what} themselves, in base64.")

    def _check_cache(self, value: Any) -> None:
        """An hour in the cache costs more than a price has a place for."""
        for each in value if isinstance(value, list) else [value]:
            cache = each.get("cache_control") if isinstance(each, dict) else None
            if isinstance(cache, dict) and cache.get("ttl") not in (None, "5m"):
                raise Unsupported("cache_control.ttl", "It has no price here; leave it out.")
