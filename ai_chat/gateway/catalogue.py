"""The models that a call may name."""

from copy import copy
from uuid import UUID

from credits.catalogue.models import all_offered, get_model
from credits.exceptions import ModelNotOffered
from credits.keys.lookup import Caller
from credits.models import AIModel

#: The offered models by their names, as this process read them, and the version they were read by.
#: Who may use one, and its price, are not taken from here.
_cached: tuple[UUID | None, dict[str, AIModel]] = (None, {})


def model_named(name: str, caller: Caller, *, feature: str) -> AIModel:
    """The offered model of this name, with its provider, and with its fallback where that reads
    what this one does and the key may use it. Without a statement where the catalogue has not
    changed. Raises ModelNotOffered, PlanRequired."""
    global _cached  # noqa: PLW0603 -- a cache of this process
    if caller.catalogue is None or caller.catalogue != _cached[0]:
        offered = {model.name: model for model in all_offered(user_id=caller.account_id)}
        _cached = (caller.catalogue, offered)
    model = _cached[1].get(name)
    if model is None or model.feature != feature:
        raise ModelNotOffered
    if model.least_plan_id is not None:
        model = get_model(name, feature=feature, user_id=caller.account_id)
    return model if _may_fall_back(model, caller) else _alone(model)


def _may_fall_back(model: AIModel, caller: Caller) -> bool:
    fallback = model.fallback
    if fallback is None:
        return True
    allowed = caller.only_models is None or fallback.name in caller.only_models
    return allowed and set(model.reads) <= set(fallback.reads)


def _alone(model: AIModel) -> AIModel:
    """The model without its fallback: a copy, as others are calling it."""
    alone = copy(model)
    alone.fallback = None
    return alone
