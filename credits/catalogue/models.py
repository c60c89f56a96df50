"""The models that people choose from. What admins change of them is recorded as for plans."""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from credits.exceptions import ModelNotOffered
from credits.features import FEATURES, UnknownFeature
from credits.models import AIModel, Provider
from credits.pricing import get_feature_costs

#: The provider that OPENAI_BASE_URL and OPENAI_API_KEY configure.
DEFAULT_PROVIDER = "default"


def offered_models(feature: str) -> list[AIModel]:
    """The models that a feature offers, in their order, each with its provider and fallback. An
    empty catalogue is filled from the settings first. Raises UnknownFeature."""
    if feature not in FEATURES:
        raise UnknownFeature(f"There is no feature {feature!r}.")
    offered = _active().filter(feature=feature)
    if rows := list(offered):
        return rows
    fill_catalogue()
    return list(offered.all())


def get_model(name: str, *, feature: str) -> AIModel:
    """The offered model of this name; the first one for an empty name. Raises ModelNotOffered."""
    for model in offered_models(feature):
        if name in {"", model.name}:
            return model
    raise ModelNotOffered


def _active() -> QuerySet[AIModel]:
    return AIModel.objects.filter(active=True, unreachable=False).select_related(
        "provider", "least_plan", "fallback__provider"
    )


@transaction.atomic
def fill_catalogue() -> None:
    """The first start: AI_TEXT_MODELS and AI_IMAGE_MODELS become rows if there are none."""
    if AIModel.objects.exists():
        return
    provider, _ = Provider.objects.get_or_create(
        name=DEFAULT_PROVIDER,
        defaults={"key_variable": "OPENAI_API_KEY", "dialect": Provider.Dialect.COMPATIBLE},
    )
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


def cost_of(model: AIModel, costs: dict[str, int] | None = None) -> int:
    """Credits of one unit from a model, as they hold now."""
    return (costs or get_feature_costs())[model.feature] * model.price_factor
