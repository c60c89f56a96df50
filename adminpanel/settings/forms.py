"""What admins type into prices and plans. Text stays as it was typed until it is right."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from credits.catalogue.services import (
    LINE,
    MAX_PLAN_CREDITS,
    NAME_CHARACTERS,
    PLAN_ID,
    PLAN_ID_RULE,
    PLAN_NAME_RULE,
    costs_version,
    plan_state,
    state_version,
)
from credits.features import FEATURE_CREDIT_COSTS, FEATURES, MAX_FEATURE_COST
from credits.models import Plan

DIGITS = re.compile(r"[0-9]{1,30}")


class CreditsField(forms.CharField):
    """A whole number of credits from 0 to `most`, as text: a browser's number field would throw
    away what is no number, and show nothing beside it."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        self.most = most
        widget = forms.TextInput(
            attrs={"class": "f num", "size": 6, "inputmode": "numeric", "autocomplete": "off"}
        )
        super().__init__(widget=widget, required=False, **kwargs)

    def to_python(self, value: object) -> Any:
        text = str(value or "").strip()
        if not text:
            raise ValidationError(f"Write a whole number from 0 to {self.most:,}.", "required")
        if not DIGITS.fullmatch(text) or int(text) > self.most:
            raise ValidationError(f"Must be a whole number from 0 to {self.most:,}.", "invalid")
        return int(text)


def _as_cost(text: str | None) -> int | None:
    return int(text) if text is not None and DIGITS.fullmatch(text) else None


class CostsForm(forms.Form):
    """The price of every feature, and with each the one that the page showed (`was.…`): a price
    that nobody touched follows what others did meanwhile, a touched one is kept."""

    def __init__(self, data: Any = None, *, current: Mapping[str, int]) -> None:
        self.current = current
        known = {f"was.{key}" for key in FEATURES} | set(FEATURES) | {"reset"}
        given = data if data is not None and known & set(data) else None
        super().__init__(given, initial=dict(current), auto_id="cost-%s")
        for key, feature in FEATURES.items():
            self.fields[key] = CreditsField(most=MAX_FEATURE_COST, label=f"{feature.label} cost")
        self.was = self._was()
        self.reset = [key for key in self._list("reset") if key in FEATURES]
        self.moved = [key for key, cost in self.was.items() if cost != current[key]]

    def _list(self, name: str) -> list[str]:
        found: list[str] = self.data.getlist(name) if hasattr(self.data, "getlist") else []
        return found

    def _was(self) -> dict[str, int]:
        """What the page showed; what it does not say is taken for what holds."""
        shown = {key: _as_cost(self.data.get(f"was.{key}")) for key in FEATURES}
        return {key: self.current[key] if cost is None else cost for key, cost in shown.items()}

    def clean(self) -> dict[str, Any]:
        for key in FEATURES:
            if len(self._list(key)) > 1:
                self.add_error(key, f"Given twice: {' and '.join(self._list(key))}.")
            elif key in self.reset or not self._touched(key):
                self.errors.pop(key, None)
        return self.cleaned_data

    def _touched(self, key: str) -> bool:
        return key in self.data and self.data[key].strip() != str(self.was[key])

    @property
    def version(self) -> str:
        """For `expected_version`: of the prices that the page showed."""
        return costs_version(self.was)

    @property
    def changes(self) -> dict[str, int]:
        """The prices that the page wants changed. Those of wrong text are not among them."""
        if not self.is_bound:
            return {}
        self.full_clean()
        wanted = {key: FEATURE_CREDIT_COSTS[key] for key in self.reset}
        for key in FEATURES:
            cost = getattr(self, "cleaned_data", {}).get(key)
            if key not in self.reset and cost is not None and self._touched(key):
                wanted[key] = cost
        return {key: cost for key, cost in wanted.items() if cost != self.was[key]}

    def rebased(self) -> "CostsForm":
        """The same wishes on top of what holds now."""
        data = cast(QueryDict, self.data).copy()
        for key, cost in self.current.items():
            if not self._touched(key):
                data[key] = str(cost)
            data[f"was.{key}"] = str(cost)
        return CostsForm(data, current=self.current)


class PlanForm(forms.Form):
    """A plan; `was` is the state of it that the page showed, empty for a new one."""

    name = forms.CharField(
        max_length=NAME_CHARACTERS,
        error_messages=dict.fromkeys(("required", "max_length"), PLAN_NAME_RULE),
    )
    clerk_id = forms.CharField(
        label="Clerk's id",
        help_text="As Clerk's dashboard shows it: cplan_…",
        error_messages={"required": PLAN_ID_RULE},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    credits = CreditsField(most=MAX_PLAN_CREDITS, label="Credits a month")
    active = forms.BooleanField(
        required=False,
        initial=True,
        help_text="An inactive plan brings nothing: neither to new subscribers nor at renewals.",
    )
    was = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def of(cls, plan: Plan) -> "PlanForm":
        state = plan_state(plan)
        return cls(initial={**_initial(state), "was": json.dumps(state)})

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not LINE.fullmatch(name):
            raise ValidationError(PLAN_NAME_RULE)
        return name

    def clean_clerk_id(self) -> str:
        clerk_id: str = self.cleaned_data["clerk_id"]
        if not PLAN_ID.fullmatch(clerk_id):
            raise ValidationError(PLAN_ID_RULE)
        return clerk_id

    @property
    def seen(self) -> dict[str, Any]:
        """The state that the page showed; empty when it says nothing of use."""
        try:
            state = json.loads(self.data.get("was", ""))
        except (ValueError, RecursionError):
            return {}
        return state if isinstance(state, dict) else {}

    @property
    def version(self) -> str:
        return state_version(self.seen)

    @property
    def values(self) -> dict[str, Any]:
        return {key: self.cleaned_data[key] for key in ("name", "clerk_id", "credits", "active")}

    @property
    def changes(self) -> dict[str, Any]:
        """What was touched, as `update_plan` takes it."""
        shown = _initial(self.seen)
        return {key: value for key, value in self.values.items() if value != shown.get(key)}

    def rebased(self, state: Mapping[str, Any]) -> "PlanForm":
        """The same wishes on top of what holds now."""
        data = cast(QueryDict, self.data).copy()
        for key in _initial(state).keys() - self.changes.keys():
            data[key] = _initial(state)[key]
        if not data["active"]:
            del data["active"]
        data["was"] = json.dumps(state)
        return PlanForm(data)

    def take_refusal(self, path: tuple[str | int, ...], message: str) -> None:
        """An error of the catalogue, beside its field."""
        name = str(path[-1]) if path else ""
        field = {"clerkId": "clerk_id"}.get(name, name)
        self.add_error(field if field in self.fields else None, message)


def _initial(state: Mapping[str, Any]) -> dict[str, Any]:
    names = {"clerkId": "clerk_id"}
    return {names.get(key, key): value for key, value in state.items()}
