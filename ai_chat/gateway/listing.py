"""GET /v1/models and /v1/models/{id}: what can be called, and for how much. One answer is the list
of OpenAI's clients, of Anthropic's and of OpenRouter's: each ignores what it does not know (design:
gateway, A.6)."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import check_method
from ai_chat.gateway.errors import ApiError, invalid
from ai_chat.providers.bounds import output_asked
from credits.amounts import as_exact
from credits.catalogue.models import all_offered
from credits.features import EMBEDDING, IMAGE, PLACES, TEXT
from credits.keys.lookup import Caller
from credits.models import AIModel, Provider, TokenPrice
from credits.models.tokens import BUCKETS, PER

#: The most models of one answer that a client may ask for.
MAX_LISTED = 1000
#: What models of a feature write, by OpenRouter's names, and where they are called.
WRITES = {TEXT: ["text"], IMAGE: ["image"], EMBEDDING: ["embeddings"]}
ENDPOINTS = {
    TEXT: ["chat/completions", "responses"],
    IMAGE: ["images/generations"],
    EMBEDDING: ["embeddings"],
}
#: What a call may bring, by OpenRouter's names.
PARAMETERS = {
    TEXT: [
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed"),
        *("frequency_penalty", "presence_penalty", "response_format", "structured_outputs"),
    ],
    IMAGE: ["n", "size", "response_format"],
    EMBEDDING: ["dimensions", "encoding_format"],
}
#: What Mistral's servers refuse.
OPENAI_PARAMETERS = ["logit_bias", "logprobs", "top_logprobs", "verbosity"]
TOOL_PARAMETERS = ["tools", "tool_choice", "parallel_tool_calls"]
REASONING_PARAMETERS = ["reasoning_effort"]


def models(http: HttpRequest) -> JsonResponse:
    """The models that the key may call. Without a `limit` all of them; pages of them by Anthropic's
    `limit`, `after_id` and `before_id`."""
    check_method(http, "GET")
    offered, more = _page(offered_to(caller_of(http)), http)
    data = [model_body(model) for model in offered]
    ends = [data[place]["id"] if data else None for place in (0, -1)]
    names = {"first_id": ends[0], "last_id": ends[1], "has_more": more}
    return JsonResponse({"object": "list", "data": data, **names})


def model(http: HttpRequest, name: str) -> JsonResponse:
    """One of them; its id may hold slashes."""
    check_method(http, "GET")
    for each in offered_to(caller_of(http)):
        if each.name == name:
            return JsonResponse(model_body(each))
    raise ApiError(404, "model_not_found", "There is no such model.", param="model")


def offered_to(caller: Caller) -> list[AIModel]:
    """The models that a key may call now."""
    # Some clients take the first one for a model to talk to.
    offered = sorted(
        all_offered(user_id=caller.account_id), key=lambda model: PLACES[model.feature]
    )
    allowed = caller.only_models
    return [
        model
        for model in offered
        if model.usable and model.has_price and (allowed is None or model.name in allowed)
    ]


def _page(offered: list[AIModel], http: HttpRequest) -> tuple[list[AIModel], bool]:
    """The models that are asked for, and whether there are more in that direction. A name that is
    not among them stands for the beginning or the end."""
    names = [model.name for model in offered]
    after, before = http.GET.get("after_id"), http.GET.get("before_id")
    low = names.index(after) + 1 if after in names else 0
    high = names.index(before) if before in names else len(names)
    chosen, limit = offered[low:high], _limit(http)
    page = chosen[-limit:] if before and not after else chosen[:limit]
    return page, len(page) < len(chosen)


def _limit(http: HttpRequest) -> int:
    text = http.GET.get("limit")
    if text is None:
        return MAX_LISTED
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_LISTED:
        raise invalid(f"Must be a whole number from 1 to {MAX_LISTED:,}.", "limit")
    return int(text)


def model_body(model: AIModel) -> dict[str, Any]:
    """A model as clients of OpenAI, Anthropic and OpenRouter read it."""
    reads, writes = model.reads, WRITES.get(model.feature, [])
    most = output_asked(model) if model.feature == TEXT else None
    return {
        "id": model.name,
        "object": "model",
        "type": "model",
        "name": model.label,
        "display_name": model.label,
        "created": int(model.created_at.timestamp()),
        "created_at": model.created_at,
        "owned_by": model.provider.name,
        "context_length": model.context_tokens,
        "max_output_tokens": most,
        "modalities": reads,
        "architecture": {
            "modality": f"{'+'.join(reads)}->{'+'.join(writes)}",
            "input_modalities": reads,
            "output_modalities": writes,
        },
        "top_provider": {
            "context_length": model.context_tokens,
            "max_completion_tokens": most,
        },
        "supported_parameters": parameters_of(model),
        "endpoints": [f"/v1/{path}" for path in _endpoints_of(model)],
        "pricing": pricing_of(model),
        **({"sizes": model.sizes} if model.sizes else {}),
    }


def _endpoints_of(model: AIModel) -> list[str]:
    speaks_anthropic = model.provider.dialect == Provider.Dialect.ANTHROPIC
    return ENDPOINTS.get(model.feature, []) + (["messages"] if speaks_anthropic else [])


def parameters_of(model: AIModel) -> list[str]:
    """What a call of the model may bring besides its content."""
    parameters = [*PARAMETERS.get(model.feature, [])]
    if model.feature == TEXT:
        if model.provider.dialect != Provider.Dialect.MISTRAL:
            parameters += OPENAI_PARAMETERS
        parameters += TOOL_PARAMETERS if model.uses_tools else []
        parameters += REASONING_PARAMETERS if model.reasons else []
    return parameters


def pricing_of(model: AIModel) -> dict[str, Any]:
    """What a call costs, in credits as exact decimals. `version` is for X-Price-Version; 0 where
    a unit has a price of its own."""
    price: TokenPrice | None = model.token_price
    if price is None:
        unit = "image" if model.feature == IMAGE else "request"
        return {unit: str(model.cost), "unit": f"credits per {unit}", "version": 0}
    prices = {name: as_exact(getattr(price, name) * PER) for name in BUCKETS}
    request = as_exact(price.request)
    return {**prices, "request": request, "unit": "credits per 1M tokens", "version": price.pk}
