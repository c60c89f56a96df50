"""Changing models, their prices and providers, by the names that JSON has for their fields
(`MODEL_FIELDS`, `PROVIDER_FIELDS`). Each function is one transaction, and leaves changes in the
history. Models are retired, not deleted."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from config.errors import InvalidInput, Issue, issue
from credits.catalogue.exceptions import InUse, NameTaken, NotInCatalogue
from credits.catalogue.fields import MODEL_FIELDS, PROVIDER_FIELDS, Rule, problems_of
from credits.catalogue.history import (
    MODEL_COLUMNS,
    PROVIDER_COLUMNS,
    Subject,
    check_version,
    model_state,
    provider_state,
    record_change,
    version_of,
)
from credits.catalogue.models import (
    all_models,
    default_provider,
    fill_catalogue,
    find_model,
    find_provider,
    position_after,
    with_costs,
)
from credits.catalogue.prices import lock_prices
from credits.catalogue.token_price_changes import set_token_price
from credits.catalogue.token_prices import Prices, attach_prices
from credits.models import AIModel, Plan, Provider, User
from credits.models.catalogue import forget_labels

type Values = Mapping[str, Any]


class Catalogue(NamedTuple):
    """Every model, each with its `token_price` or `cost`, the prices by tokens that hold and are
    announced (by the models' primary keys), and every provider. `version` differs for two states of
    them: for `expected_version`."""

    models: list[AIModel]
    prices: dict[int, Prices]
    providers: list[Provider]

    @property
    def version(self) -> str:
        models, providers = map(model_state, self.models), map(provider_state, self.providers)
        prices = {model.name: self.prices[model.pk].version for model in self.models}
        return version_of({"models": [*models], "providers": [*providers], "prices": prices})


def read_catalogue() -> Catalogue:
    """The catalogue as it stands; an empty one is filled from the settings first."""
    fill_catalogue()
    models = list(with_costs(all_models()))
    return Catalogue(models, attach_prices(models), list(Provider.objects.all()))


@transaction.atomic
def change_catalogue(
    *,
    actor: User | None,
    models: Sequence[Values] = (),
    providers: Sequence[Values] = (),
    token_prices: Sequence[Values] = (),
    expected_version: str | None = None,
    reason: str = "",
) -> None:
    """Adds and changes models and providers, and sets prices by tokens, all or none. Each names its
    `id` (a provider its `name`, a price its `model`); fields that it does not name stay, or begin
    with their defaults. Raises InvalidInput with every issue; ChangedMeanwhile if the catalogue's
    version is not `expected_version`."""
    _lock()
    check_version(read_catalogue().version, expected_version)
    _put_providers(actor, providers, reason)
    _put_models(actor, models, reason)
    _put_prices(actor, token_prices, reason)


@transaction.atomic
def create_model(*, actor: User | None, values: Values, reason: str = "") -> AIModel:
    """Adds a model. Raises InvalidInput, NameTaken."""
    _lock()
    if find_model(values["id"]):
        raise NameTaken("model", values["id"])
    return _put_models(actor, [values], reason)[0]


@transaction.atomic
def change_model(
    *,
    actor: User | None,
    name: str,
    changes: Values,
    expected_version: str | None = None,
    reason: str = "",
) -> AIModel:
    """Changes what `changes` names of a model; `active: False` retires it. Raises NotInCatalogue,
    InvalidInput, ChangedMeanwhile."""
    _lock()
    _current(find_model(name), "model", name, expected_version)
    return _put_models(actor, [{**changes, "id": name}], reason)[0]


@transaction.atomic
def create_provider(*, actor: User | None, values: Values, reason: str = "") -> Provider:
    """Adds a provider. Raises InvalidInput, NameTaken."""
    _lock()
    if find_provider(values["name"]):
        raise NameTaken("provider", values["name"])
    return _put_providers(actor, [values], reason)[0]


@transaction.atomic
def change_provider(
    *,
    actor: User | None,
    name: str,
    changes: Values,
    expected_version: str | None = None,
    reason: str = "",
) -> Provider:
    """Changes what `changes` names of a provider. Raises NotInCatalogue, InvalidInput,
    ChangedMeanwhile."""
    _lock()
    _current(find_provider(name), "provider", name, expected_version)
    return _put_providers(actor, [{**changes, "name": name}], reason)[0]


@transaction.atomic
def remove_provider(
    *, actor: User | None, name: str, expected_version: str | None = None, reason: str = ""
) -> None:
    """Removes a provider that no model names. Raises NotInCatalogue, ChangedMeanwhile, InUse."""
    _lock()
    provider = _current(find_provider(name), "provider", name, expected_version)
    if count := provider.models.count():
        named = "1 model names" if count == 1 else f"{count} models name"
        raise InUse(f"{named} this provider. Give it another one first.")
    before = provider_state(provider)
    provider.delete()
    record_change(actor, Subject.PROVIDER, name, before, None, reason=reason)


def _lock() -> None:
    """Of two who change the catalogue at once one waits. What the settings name is there first: an
    empty catalogue is filled, a changed one never."""
    lock_prices()
    fill_catalogue()


def _current[Row: (AIModel, Provider)](
    row: Row | None, kind: str, name: str, expected_version: str | None
) -> Row:
    """The row itself. Raises NotInCatalogue, ChangedMeanwhile."""
    if row is None:
        raise NotInCatalogue(kind, name)
    check_version(version_of(_state(row)), expected_version)
    return row


def _state(row: AIModel | Provider) -> dict[str, Any]:
    return model_state(row) if isinstance(row, AIModel) else provider_state(row)


def _put_providers(actor: User | None, entries: Sequence[Values], reason: str) -> list[Provider]:
    _refuse(_field_issues("providers", "name", entries, PROVIDER_FIELDS))
    rows = {row.name: row for row in Provider.objects.all()}
    put = []
    for values in entries:
        row = rows.get(values["name"]) or Provider(
            name=values["name"], dialect=Provider.Dialect.COMPATIBLE
        )
        before = provider_state(row) if row.pk else None
        _assign(row, values, PROVIDER_COLUMNS)
        _save(actor, row, before, reason)
        put.append(row)
    return put


def _put_models(actor: User | None, entries: Sequence[Values], reason: str) -> list[AIModel]:
    """Fallbacks come last: one may be among the new models."""
    _refuse(_field_issues("models", "id", entries, MODEL_FIELDS))
    rows: dict[str, AIModel] = {row.name: row for row in all_models()}
    before = {name: model_state(row) for name, row in rows.items()}
    issues = [
        issue(("models", place, field), sentence)
        for place, values in enumerate(entries)
        for field, sentence in _fill(rows, values).items()
    ]
    for place, values in enumerate(entries):
        if sentence := _set_fallback(rows, values):
            issues.append(issue(("models", place, "fallback"), sentence))
    for place, values in enumerate(entries):
        if sentence := _still_needed(rows[values["id"]], rows.values()):
            issues.append(issue(("models", place, "active"), sentence))
    _refuse(issues)
    put = [rows[values["id"]] for values in entries]
    _insert(row for row in put if not row.pk)
    for row in put:
        _save(actor, row, before.get(row.name), reason)
    forget_labels()
    return put


def _put_prices(actor: User | None, entries: Sequence[Values], reason: str) -> None:
    for place, values in enumerate(entries):
        begins = values.get("validFrom")
        try:
            set_token_price(
                actor=actor,
                model=values["model"],
                prices=values["price"],
                valid_from=datetime.fromisoformat(begins) if begins else None,
                reason=reason,
            )
        except InvalidInput as error:
            raise InvalidInput.of(
                [
                    issue(("tokenPrices", place, *each["path"]), each["message"])
                    for each in error.issues
                ]
            ) from None
        except NotInCatalogue as error:
            raise InvalidInput(str(error), ("tokenPrices", place, "model")) from None


def _fill(rows: dict[str, AIModel], values: Values) -> dict[str, str]:
    """Gives a row these values but for its fallback, a new one where there is none. Returns what is
    wrong, by field."""
    issues: dict[str, str] = {}
    row = rows.get(values["id"]) or _new_model(rows, values)
    rows[row.name] = row
    if values.get("feature", row.feature) != row.feature:
        issues["feature"] = "It stays what it is: add another model."
    elif not row.feature:
        issues["feature"] = "Say what the model is for."
    if "provider" in values:
        if provider := find_provider(values["provider"]):
            row.provider = provider
        else:
            issues["provider"] = f"There is no provider {values['provider']}."
    if "leastPlan" in values:
        row.least_plan = Plan.objects.filter(clerk_id=values["leastPlan"]).first()
        if values["leastPlan"] and not row.least_plan:
            issues["leastPlan"] = f"There is no plan {values['leastPlan']}."
    if "reads" in values:
        row.reads_images, row.reads_files = ("image" in values["reads"], "file" in values["reads"])
    _assign(row, values, MODEL_COLUMNS)
    return issues


def _new_model(rows: Mapping[str, AIModel], values: Values) -> AIModel:
    """A model after the others, with its id for a label, at the provider that the settings
    configure."""
    name = values["id"]
    return AIModel(
        name=name,
        label=name,
        feature=values.get("feature", ""),
        provider=default_provider(),
        provider_model=name,
        position=position_after(rows.values()),
    )


def _set_fallback(rows: Mapping[str, AIModel], values: Values) -> str:
    """What is wrong with the fallback that these values name; empty if nothing is."""
    row = rows[values["id"]]
    if "fallback" in values:
        row.fallback = rows.get(values["fallback"] or "")
        if values["fallback"] and not row.fallback:
            return f"There is no model {values['fallback']}."
        if row.fallback is row:
            return "A model cannot take over for itself."
    other = row.fallback and rows[row.fallback.name]
    if other and (not other.active or other.feature != row.feature):
        return "Only an active model for the same work can take over."
    return ""


def _still_needed(row: AIModel, rows: Iterable[AIModel]) -> str:
    """Why a model cannot be retired; empty if it can, or is not."""
    waiting = [
        other.label
        for other in rows
        if other.fallback and other.fallback.name == row.name and other.active and not row.active
    ]
    named = ", ".join(waiting)
    return f"It takes over when {named} is down. Choose another there first." if waiting else ""


def _insert(rows: Iterable[AIModel]) -> None:
    """New models without their fallbacks, which may be new as well."""
    for row in rows:
        fallback, row.fallback = row.fallback, None
        row.save()
        row.fallback = fallback


def _field_issues(
    member: str, key: str, entries: Sequence[Values], fields: Mapping[str, Rule]
) -> list[Issue]:
    """What is wrong with each entry by itself, and entries that are there twice."""
    issues = []
    seen: set[object] = set()
    for place, values in enumerate(entries):
        problems = problems_of({key: None, **values}, fields)
        if key not in problems and values[key] in seen:
            problems[key] = "It is there twice."
        elif key not in problems:
            seen.add(values[key])
        issues += [issue((member, place, name), sentence) for name, sentence in problems.items()]
    return issues


def _refuse(issues: Sequence[Issue]) -> None:
    if issues:
        raise InvalidInput.of(issues)


def _assign(row: AIModel | Provider, values: Values, columns: Mapping[str, str]) -> None:
    for name, column in columns.items():
        if name in values:
            setattr(row, column, values[name])


def _save(actor: User | None, row: AIModel | Provider, before: Values | None, reason: str) -> None:
    subject = Subject.MODEL if isinstance(row, AIModel) else Subject.PROVIDER
    after = _state(row)
    if after != before:
        row.save()
        record_change(actor, subject, row.name, before, after, reason=reason)
