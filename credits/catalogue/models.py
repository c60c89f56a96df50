"""The models that people choose from: which are offered to whom, at what price, and the rows that
the first start makes. What admins change of them: `model_changes.py`."""

import re
from collections.abc import Iterable
from itertools import chain, count
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Case, F, Func, Q, QuerySet, Value, When

from credits.catalogue.fields import MODEL_ID, POSITION, PROVIDER_NAME
from credits.catalogue.offered import read_offered
from credits.catalogue.token_prices import attach_prices
from credits.exceptions import ModelNotOffered, PlanRequired
from credits.features import (
    ALL_FEATURES,
    FEATURE_CREDIT_COSTS,
    FEATURES,
    PLACES,
    TOKEN_FEATURES,
    UnknownFeature,
)
from credits.models import AIModel, Provider, TokenPrice
from credits.models.catalogue import forget_labels

#: The provider that OPENAI_BASE_URL and OPENAI_API_KEY configure.
DEFAULT_PROVIDER = "default"
OFFERED = Q(active=True, unreachable=False)


def offered_models(feature: str, *, user_id: int) -> list[AIModel]:
    """The models that a feature offers, in their order, each with its provider and fallback, its
    `token_price` or `cost`, and whether it is `usable` for this user. Raises UnknownFeature."""
    if feature not in ALL_FEATURES:
        raise UnknownFeature(f"There is no feature {feature!r}.")
    return [model for model in all_offered(user_id=user_id) if model.feature == feature]


def all_offered(*, user_id: int) -> list[AIModel]:
    """The same of every feature, in one statement. An empty catalogue is filled from the settings
    first."""
    if rows := read_offered(user_id=user_id):
        return rows
    fill_catalogue()
    return read_offered(user_id=user_id)


def get_model(name: str, *, feature: str, user_id: int) -> AIModel:
    """The offered model of this name; for an empty one the first that the user may use. Raises
    ModelNotOffered, PlanRequired."""
    offered = offered_models(feature, user_id=user_id)
    named = [model for model in offered if name in {"", model.name}]
    if not named:
        raise ModelNotOffered(any_offered=bool(offered))
    chosen = next((model for model in named if model.usable), named[0])
    if not chosen.usable and chosen.least_plan:
        raise PlanRequired(model=chosen.label, plan=chosen.least_plan.name)
    return chosen


def all_models() -> QuerySet[AIModel]:
    """Every model, active or retired, with all that it refers to."""
    return AIModel.objects.select_related("provider", "least_plan", "fallback")


def listed_models() -> QuerySet[AIModel]:
    """Every model in the order in which people see them. An empty catalogue is filled from the
    settings first."""
    if not AIModel.objects.exists():
        fill_catalogue()
    return AIModel.objects.order_by("position", "pk")


def find_model(name: object) -> AIModel | None:
    """The model of this name, active or retired, whatever the text: one that is no id may hold what
    PostgreSQL does not take (a NUL)."""
    return all_models().filter(name=name).first() if MODEL_ID.accepts(name) else None


def find_provider(name: object) -> Provider | None:
    """The provider of this name, whatever the text."""
    fits = PROVIDER_NAME.accepts(name)
    return Provider.objects.filter(name=name).first() if fits else None


def models_that_need_a_plan() -> list[AIModel]:
    """The offered models that not everybody may use, each with its least plan."""
    return list(all_models().filter(OFFERED, least_plan__isnull=False))


def models_by_tokens() -> list[tuple[AIModel, list[TokenPrice]]]:
    """The offered models that have a price by tokens (`token_price`) or will have one, each with
    the changes that are announced."""
    models = list(with_costs(all_models().filter(OFFERED, feature__in=TOKEN_FEATURES)))
    models.sort(key=lambda model: PLACES[model.feature])
    prices = attach_prices(models)
    listed = [(model, prices[model.pk].announced) for model in models]
    return [(model, announced) for model, announced in listed if model.token_price or announced]


def price_factors() -> dict[str, dict[str, int]]:
    """Of every feature with a cost per unit the offered models' price factors, by their names."""
    factors: dict[str, dict[str, int]] = {key: {} for key in FEATURES}
    offered = AIModel.objects.filter(OFFERED, feature__in=FEATURES)
    for feature, name, factor in offered.values_list("feature", "name", "price_factor"):
        factors[feature][name] = factor
    return factors


def with_costs(models: QuerySet[AIModel]) -> QuerySet[AIModel]:
    """These models, each with all that belongs to it, and `cost`: credits of a unit now, by the
    function in PostgreSQL that charges it; None where the feature has no cost per unit."""
    defaults = Case(
        *(When(feature=key, then=Value(cost)) for key, cost in FEATURE_CREDIT_COSTS.items()),
        output_field=BigIntegerField(),
    )
    price = Func(F("feature"), defaults, function="credits_price", output_field=BigIntegerField())
    related = models.select_related("provider", "least_plan", "fallback__provider")
    cost = price * F("price_factor")
    return related.annotate(cost=cost)  # type: ignore[no-redef]  # declared for those who read it


def position_after(models: Iterable[AIModel]) -> int:
    """The place of a new model that people see after these."""
    return min(max((model.position for model in models), default=-1) + 1, POSITION.high)


def fitting_id(text: str) -> str:
    """The text with a hyphen for whatever no model's id may hold."""
    return re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", text)


def free_id(name: str, *, provider: str, taken: set[str]) -> str:
    """An id for a new model: its `name` if that can be an id and is not `taken`, else one that
    begins with the provider's. It is taken then."""
    longer = fitting_id(f"{provider}/{name}")[: MODEL_ID.longest - 5]
    numbered = (f"{longer}-{number}" for number in count(2))
    ids = (each for each in chain([name, longer], numbered) if MODEL_ID.accepts(each))
    free = next(each for each in ids if each not in taken)
    taken.add(free)
    return free


def default_provider() -> Provider:
    """The row of the provider that the settings configure, made if it is not there."""
    is_openai = urlsplit(settings.OPENAI_BASE_URL).hostname == "api.openai.com"
    dialect = Provider.Dialect.OPENAI if is_openai else Provider.Dialect.COMPATIBLE
    provider, _ = Provider.objects.get_or_create(
        name=DEFAULT_PROVIDER, defaults={"key_variable": "OPENAI_API_KEY", "dialect": dialect}
    )
    return provider


@transaction.atomic
def fill_catalogue() -> None:
    """The first start: AI_TEXT_MODELS and AI_IMAGE_MODELS become rows if there are none."""
    if AIModel.objects.exists():
        return
    provider = default_provider()
    # Another process may be doing the same.
    Provider.objects.select_for_update().get(pk=provider.pk)
    if AIModel.objects.exists():
        return
    AIModel.objects.bulk_create(
        AIModel(
            name=name,
            label=model.label,
            feature=key,
            provider=provider,
            provider_model=name,
            price_factor=model.multiplier,
            position=position,
        )
        for key, feature in FEATURES.items()
        for position, (name, model) in enumerate(getattr(settings, feature.models_setting).items())
    )
    forget_labels()
