"""POST /v1/quote: what a call would cost, by the body of the call itself. Nothing is charged, and
no provider is asked (design: gateway, C.4)."""

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import read_body, text_in
from ai_chat.gateway.calls import Call, agreed_of, check_allowed
from ai_chat.gateway.chat import chat_call
from ai_chat.gateway.embeddings import embeddings_call
from ai_chat.gateway.images import images_call
from ai_chat.gateway.key import limit_body, limits_on
from ai_chat.gateway.listing import pricing_of
from ai_chat.gateway.messages import message_call
from ai_chat.gateway.responses.incoming import read_request
from ai_chat.gateway.responses.stored import KeptItems
from ai_chat.gateway.responses.views import response_call
from ai_chat.jobs.rates import count_request
from ai_chat.jobs.start import Agreed, limiter
from credits.amounts import PICO, as_exact
from credits.catalogue.models import all_offered, get_model
from credits.exceptions import (
    CreditsBusy,
    InsufficientCredits,
    LimitReached,
    ModelNotOffered,
    OtherPricing,
    PriceChanged,
)
from credits.features import EMBEDDING, IMAGE
from credits.keys.lookup import Caller
from credits.ledger import Balance, get_balance
from credits.limit_states import limit_state
from credits.models import AIModel
from credits.uses import quote_credits


class Terms(NamedTuple):
    """What a call would be granted: `credits` reserved, of which it costs at most `most`
    (pico-credits) and usually `likely`, if that is known."""

    credits: int
    most: int
    likely: int | None = None
    input_bound: int | None = None
    output_granted: int | None = None
    limited_by: str = ""
    limit_id: int | None = None


def quote(http: HttpRequest) -> JsonResponse:
    """Answers what the call would reserve, and is refused as it would be."""
    caller = caller_of(http)
    body = read_body(http)
    _count(caller)
    call = _call_of(http, body, caller)
    check_allowed(caller, call.model)
    agreed, balance = agreed_of(http), get_balance(user_id=caller.account_id)
    terms = (_by_tokens if call.model.token_price else _by_units)(call, caller, agreed, balance)
    return JsonResponse(_body(call, terms, balance))


def _count(caller: Caller) -> None:
    """Counts a quote. Raises TooManyRequests."""
    count_request(
        user_id=caller.account_id,
        kind="api-quotes",
        name="quote",
        most=settings.API_CALLS_PER_MINUTE,
    )


def _call_of(http: HttpRequest, body: dict[str, Any], caller: Caller) -> Call:
    """What the body would ask of its model, whichever address it is for. Raises what that does."""
    model = _model_named(text_in(body, "model"), caller)
    if model.feature == IMAGE:
        return images_call(http, body, model)
    if model.feature == EMBEDDING:
        return embeddings_call(http, body, model)
    if "anthropic-version" in http.headers:
        return message_call(http, body, model)
    if "messages" in body:
        return chat_call(http, body, model)
    kept = KeptItems(caller.account_id, wanted=caller.keeps_answers)
    incoming = read_request(body, kept, remote_images=settings.API_REMOTE_IMAGES)
    return response_call(http, incoming, model)


def _model_named(name: str, caller: Caller) -> AIModel:
    """The offered model with its price at this moment. Raises ModelNotOffered, PlanRequired."""
    offered = {model.name: model for model in all_offered(user_id=caller.account_id)}
    if name not in offered:
        raise ModelNotOffered
    return get_model(name, feature=offered[name].feature, user_id=caller.account_id)


def _by_tokens(call: Call, caller: Caller, agreed: Agreed, balance: Balance) -> Terms:
    """What would be reserved for its tokens. Raises why it would be refused."""
    terms = quote_credits(
        user_id=caller.account_id,
        feature=call.model.feature,
        model=call.model.name,
        asked=call.asked,
        balance=balance,
        agreed_price_id=agreed.price_id,
        most=agreed.credits,
        member_id=caller.member_id,
        key_id=caller.key_id,
    )
    if terms.refusal:
        raise terms.refusal
    is_less = terms.output_granted < call.asked.output
    return Terms(
        terms.credits,
        terms.bound,
        terms.likely,
        call.asked.input_bound,
        terms.output_granted or None,
        limiter(terms.limit_id, agreed, balance.remaining) if is_less else "",
        terms.limit_id if is_less else None,
    )


def _by_units(call: Call, caller: Caller, agreed: Agreed, balance: Balance) -> Terms:
    """What would be charged for its units, as `credits_deduct` decides it. Raises why it would be
    refused."""
    unit_cost = call.model.cost or 0
    total = unit_cost * call.asked.choices
    if agreed.price_id:
        raise OtherPricing
    if agreed.credits is not None and agreed.credits < total:
        raise PriceChanged(agreed=agreed.credits // call.asked.choices, unit_cost=unit_cost)
    states = [state for state in limits_on(caller) if state.limit.hard]
    full = [state for state in states if state.limit.credits * PICO - state.spent < total * PICO]
    if full:
        nearest = min(full, key=lambda state: state.limit.credits * PICO - state.spent)
        raise LimitReached(required=total, limit=nearest)
    if balance.remaining < total:
        raise InsufficientCredits(required=total, available=balance.remaining)
    if any(state.left < total for state in states):
        raise CreditsBusy
    return Terms(total, total * PICO)


def _body(call: Call, terms: Terms, balance: Balance) -> dict[str, Any]:
    pricing = pricing_of(call.model)
    limit = limit_state(terms.limit_id)
    return {
        "object": "quote",
        "model": call.model.name,
        "price_version": pricing["version"],
        "price": pricing,
        "input_bound": terms.input_bound,
        "output_granted": terms.output_granted,
        "at_most": as_exact(terms.most),
        "reserved": terms.credits,
        "available": balance.remaining,
        **({} if terms.likely is None else {"likely": as_exact(terms.likely)}),
        **({"limited_by": terms.limited_by} if terms.limited_by else {}),
        **({"limit": limit_body(limit)} if limit else {}),
        **({"ignored": call.ignored} if call.ignored else {}),
    }
