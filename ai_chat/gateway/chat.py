"""POST /v1/chat/completions."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from ai_chat.gateway.answers import answer_call
from ai_chat.gateway.auth import caller_of, pseudonym_of
from ai_chat.gateway.bodies import count_in, flag_in, names_beside, read_body, refuse, text_in
from ai_chat.gateway.calls import Call, never_clamped
from ai_chat.gateway.catalogue import model_named
from ai_chat.gateway.completions import StreamedCompletion, WholeCompletion
from ai_chat.gateway.errors import Unsupported, invalid
from ai_chat.gateway.files import files_read, tokens_within, with_texts
from ai_chat.gateway.sizes import sizes_of
from ai_chat.providers.bounds import asked_of, file_tokens
from ai_chat.providers.client import user_name
from credits.features import TEXT
from credits.models import AIModel, Provider

ENDPOINT = "chat/completions"
MAX_CHOICES = 8
#: What may name the client's own users: a provider gets a pseudonym of the account instead.
USERS = ("user", "safety_identifier", "metadata")
#: What goes to the provider as it came.
PASSED = (
    "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
    "response_format", "stop", "seed", "temperature", "top_p", "presence_penalty",
    "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "reasoning_effort", "verbosity",
    "prompt_cache_key",
)  # fmt: skip
#: What the site itself reads.
READ = (
    "model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", *USERS,
)  # fmt: skip
#: What costs or changes what has no price here, and the values that do not.
REFUSED: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "modalities": (["text"],),
    "prediction": (),
    "web_search_options": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "prompt_cache_retention": ("in_memory", "in-memory"),
    "prompt_cache_options": ({},),
    "moderation": (),
}


def completions(http: HttpRequest) -> HttpResponseBase:
    """Answers a chat completion, streamed or whole."""
    caller = caller_of(http)
    body = read_body(http)
    call = chat_call(http, body, model_named(text_in(body, "model"), caller, feature=TEXT))
    streamed = partial(StreamedCompletion, with_usage=wants_usage(body))
    return answer_call(http, caller, call, whole=WholeCompletion, streamed=streamed)


def chat_call(
    http: HttpRequest, body: Mapping[str, Any], model: AIModel, *, endpoint: str = ENDPOINT
) -> Call:
    """What a body of chat completions asks of a model. Raises InvalidInput, Unsupported."""
    refuse(body, REFUSED, "It has no price here.")
    choices = count_in(body, "n", 1) or 1
    if choices > MAX_CHOICES:
        raise Unsupported("n", f"At most {MAX_CHOICES} choices are made at once.")
    most = _most(body)
    wants_usage(body)  # What is wrong is said before anything is charged.
    account_id = http.META["ACCOUNT_ID"]
    body = with_texts(body, model, account_id=account_id)
    sizes = sizes_of(body, model, remote_images=settings.API_REMOTE_IMAGES)
    asked = asked_of(model, sizes.bounded, most=most)._replace(choices=choices)
    within = tokens_within(files_read(body, model), model, account_id=account_id)
    asked = asked._replace(input_bound=asked.input_bound + within)
    if never_clamped(http):
        asked = asked._replace(least=asked.output)
    passed = {name: body[name] for name in PASSED if body.get(name) is not None}
    passed["messages"] = _messages(body["messages"], model.provider)
    if choices > 1:
        passed["n"] = choices
    if any(body.get(name) for name in USERS) and (name := user_name(model.provider)):
        passed[name] = pseudonym_of(http)
    return Call(
        endpoint=endpoint,
        model=model,
        body=passed,
        asked=asked,
        text_bytes=sizes.text_bytes + file_tokens(model, sizes.messages),
        streamed=flag_in(body, "stream"),
        body_digest=http.META["BODY_DIGEST"],
        ignored=names_beside(body, *PASSED, *READ, *REFUSED),
    )


def _most(body: Mapping[str, Any]) -> int | None:
    """The most tokens of an answer that the client names, by either name."""
    limits = [count_in(body, name, 1) for name in ("max_completion_tokens", "max_tokens")]
    named = [limit for limit in limits if limit is not None]
    return min(named) if named else None


def _messages(messages: list[dict[str, Any]], provider: Provider) -> list[dict[str, Any]]:
    """The messages in the roles that the provider knows."""
    if provider.dialect == Provider.Dialect.OPENAI:
        return messages
    return [
        {**message, "role": "system"} if message["role"] == "developer" else message
        for message in messages
    ]


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Whether the stream is to end with its usage. Raises InvalidInput."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise invalid("Must be an object.", "stream_options")
    return flag_in(options, "include_usage")
