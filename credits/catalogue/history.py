"""Changes of prices, plans, models, providers and packs: writing one down, reading the newest, and
whether what a change set still holds."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from credits import audit
from credits.catalogue.exceptions import ChangedMeanwhile
from credits.catalogue.fields import PACK_FIELDS
from credits.catalogue.models import all_models
from credits.catalogue.token_prices import change_state, latest_rows
from credits.idempotency import fingerprint
from credits.models import AIModel, Pack, Plan, Provider, SettingsChange, User
from credits.pricing import get_feature_costs

Subject = SettingsChange.Subject

#: The columns of fields that JSON has as they are stored.
MODEL_COLUMNS = {
    "id": "name",
    "label": "label",
    "providerModel": "provider_model",
    "tools": "uses_tools",
    "reasoning": "reasons",
    "contextTokens": "context_tokens",
    "outputTokens": "output_tokens",
    "reasoningTokens": "reasoning_tokens",
    "hidesReasoning": "hides_reasoning",
    "bytesPerHundredTokens": "bytes_per_hundred_tokens",
    "imageTokens": "image_tokens",
    "tokensPerPage": "tokens_per_page",
    "outputLeast": "output_least",
    "imagesPerCall": "images_per_call",
    "sizes": "sizes",
    "priceFactor": "price_factor",
    "active": "active",
    "position": "position",
}
PROVIDER_COLUMNS = {
    "name": "name",
    "baseUrl": "base_url",
    "keyVariable": "key_variable",
    "dialect": "dialect",
}


def plan_state(plan: Plan) -> dict[str, Any]:
    """A plan as its history keeps it."""
    state = {name: getattr(plan, name) for name in ("name", "credits", "active")}
    return {"clerkId": plan.clerk_id, **state}


def model_state(model: AIModel) -> dict[str, Any]:
    """A model as the API and its history have it. All that it refers to is read already."""
    return {
        **{name: getattr(model, column) for name, column in MODEL_COLUMNS.items()},
        "feature": model.feature,
        "provider": model.provider.name,
        "reads": model.reads,
        "leastPlan": model.least_plan and model.least_plan.clerk_id,
        "fallback": model.fallback and model.fallback.name,
    }


def provider_state(provider: Provider) -> dict[str, Any]:
    """The same of a provider."""
    return {name: getattr(provider, column) for name, column in PROVIDER_COLUMNS.items()}


def pack_state(pack: Pack) -> dict[str, Any]:
    """The same of a pack."""
    return {name: getattr(pack, name) for name in PACK_FIELDS}


def version_of(state: Mapping[str, Any]) -> str:
    """Differs for two states of a plan, a model or a provider, or of all prices: for
    `expected_version`."""
    return fingerprint(state)[:16]


def check_version(version: str, expected_version: str | None) -> None:
    """Raises ChangedMeanwhile unless this is the version that is expected; None: any is."""
    if expected_version not in {None, version}:
        raise ChangedMeanwhile(version)


def record_change(
    actor: User | None,
    subject: Subject,
    name: str,
    before: Any,
    after: Any,
    *,
    reason: str,
    credits: int = 0,
) -> None:
    """Writes a change into the history and into the record of what admins do. Called within the
    transaction of the change. `before` and `after` are costs or states; None is what is not
    there. `credits`: how many it lets move."""
    who = {"actor": actor, "actor_name": str(actor) if actor else ""}
    SettingsChange.objects.create(**who, subject=subject, name=name, before=before, after=after)
    verb = "remove" if after is None else "add" if before is None else "change"
    action = f"{subject}.{verb}"
    states = {"before": before, "after": after}
    audit.record(actor=actor, action=action, target=name, reason=reason, credits=credits, **states)


#: The member of a state that may change, and by which it is called after a change.
RENAMED = {Subject.PLAN: "clerkId", Subject.PACK: "name"}


def latest_change(subject: str, name: str) -> SettingsChange | None:
    """The newest change of a price, model or provider, or of the plan or pack that has (or had
    last) this id or name."""
    called = Q(name=name)
    if renamed := RENAMED.get(Subject(subject)):
        called |= Q(**{f"after__{renamed}": name})
    return SettingsChange.objects.filter(called, subject=subject).order_by("-pk").first()


def name_after(change: SettingsChange) -> str:
    """The id or name that the plan or pack has since this change; of others the name, which
    stays."""
    renamed = RENAMED.get(Subject(change.subject))
    return str(change.after[renamed]) if renamed and change.after else change.name


def current_states() -> dict[tuple[str, str], Any]:
    """What holds now, by subject and name, as the history keeps it."""
    prices = {(Subject.PRICE.value, key): cost for key, cost in get_feature_costs().items()}
    plans = {(Subject.PLAN.value, plan.clerk_id): plan_state(plan) for plan in Plan.objects.all()}
    return {
        **prices,
        **plans,
        **{(Subject.MODEL.value, model.name): model_state(model) for model in all_models()},
        **{
            (Subject.PROVIDER.value, each.name): provider_state(each)
            for each in Provider.objects.all()
        },
        **{(Subject.PACK.value, each.name): pack_state(each) for each in Pack.objects.all()},
        **{(Subject.TOKEN_PRICE.value, row.model.name): change_state(row) for row in latest_rows()},
    }


def stands(change: SettingsChange, states: Mapping[tuple[str, str], Any]) -> bool:
    """Whether what the change set is among `states` (of `current_states`): only then can it be
    undone."""
    return states.get((change.subject, name_after(change))) == change.after
