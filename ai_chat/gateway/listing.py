"""GET /v1/models and /v1/models/{id}: what can be called, and for how much."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.errors import ApiError
from credits.amounts import as_exact
from credits.catalogue.models import all_offered
from credits.features import PLACES
from credits.keys.lookup import Caller
from credits.models import AIModel, TokenPrice
from credits.models.tokens import BUCKETS, PER


def models(http: HttpRequest) -> JsonResponse:
    """The models that the key may call, in OpenAI's list and in Anthropic's."""
    data = [model_body(model) for model in _offered(caller_of(http))]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return JsonResponse({"object": "list", "data": data, "has_more": False, **ends})


def model(http: HttpRequest, name: str) -> JsonResponse:
    """One of them."""
    for each in _offered(caller_of(http)):
        if each.name == name:
            return JsonResponse(model_body(each))
    raise ApiError(404, "model_not_found", "There is no such model.", param="model")


def _offered(caller: Caller) -> list[AIModel]:
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


def model_body(model: AIModel) -> dict[str, Any]:
    """A model as clients of OpenAI, OpenRouter and Anthropic read it."""
    return {
        "id": model.name,
        "object": "model",
        "type": "model",
        "display_name": model.label,
        "created": int(model.created_at.timestamp()),
        "created_at": model.created_at,
        "owned_by": model.provider.name,
        "context_length": model.context_tokens,
        "max_output_tokens": model.output_tokens,
        "modalities": model.reads,
        "pricing": _pricing(model),
    }


def _pricing(model: AIModel) -> dict[str, Any]:
    price: TokenPrice | None = model.token_price
    if price is None:
        return {"request": str(model.cost), "unit": "credits per request"}
    prices = {name: as_exact(getattr(price, name) * PER) for name in BUCKETS}
    request = as_exact(price.request)
    return {**prices, "request": request, "unit": "credits per 1M tokens", "version": price.pk}
