"""What admins type into prices and plans. Text stays as it was typed until it is right."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.core import signing
from django.http import QueryDict

from adminpanel.forms import CreditsField, RuleField
from credits.catalogue.fields import COST, PLAN_CREDITS, PLAN_ID, PLAN_NAME
from credits.catalogue.history import plan_state
from credits.features import FEATURE_CREDIT_COSTS, FEATURES
from credits.models import Plan

SALT = "adminpanel.settings.plan"
#: The fields of a plan by their names in JSON, and in the form.
FORM_NAMES = {"clerkId": "clerk_id", "name": "name", "credits": "credits", "active": "active"}


class CostsForm(forms.Form):
    """The price of every feature, and with each the one that the page showed (`was.…`): a price
    that nobody touched follows what others did meanwhile, a touched one is kept."""

    def __init__(self, data: QueryDict, *, current: Mapping[str, int]) -> None:
        self.current = current
        known = {f"was.{key}" for key in FEATURES} | set(FEATURES) | {"reset"}
        self.lists = dict(data.lists())
        given = data if known & set(data) else None
        super().__init__(given, initial=dict(current), auto_id="cost-%s")
        for key, feature in FEATURES.items():
            self.fields[key] = CreditsField(COST, label=f"{feature.label} cost")
        self.was = {key: self._shown(key) for key in FEATURES}
        self.reset = [key for key in self.lists.get("reset", []) if key in FEATURES]
        self.moved = [key for key, cost in self.was.items() if cost != current[key]]

    def _shown(self, key: str) -> int:
        """The price that the page showed; what it does not say is taken for the one that holds."""
        text = self.data.get(f"was.{key}", "")
        is_number = text.isascii() and text.isdecimal() and len(text) <= 30
        return int(text) if is_number else self.current[key]

    def clean(self) -> dict[str, Any]:
        for key in FEATURES:
            values = self.lists.get(key, [])
            if len(values) > 1:
                self.add_error(key, f"Given twice: {' and '.join(values)}.")
            elif key in self.reset or not self._touched(key):
                self.errors.pop(key, None)
        return self.cleaned_data

    def _touched(self, key: str) -> bool:
        return key in self.data and self.data[key].strip() != str(self.was[key])

    @property
    def changes(self) -> dict[str, int]:
        """The prices that the page wants changed. Those of wrong text are not among them."""
        if not self.is_bound:
            return {}
        self.full_clean()
        typed = {key: cost for key, cost in self.cleaned_data.items() if self._touched(key)}
        wanted = {**typed, **{key: FEATURE_CREDIT_COSTS[key] for key in self.reset}}
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
    """A plan; `was` is the state of it that the page showed, signed; empty for a new one."""

    name = RuleField(PLAN_NAME, widget=forms.TextInput(attrs={"maxlength": PLAN_NAME.longest}))
    clerk_id = RuleField(
        PLAN_ID,
        label="Clerk's id",
        help_text="As Clerk's dashboard shows it: cplan_…",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    credits = CreditsField(PLAN_CREDITS, label="Credits a month")
    active = forms.BooleanField(
        required=False,
        initial=True,
        help_text="An inactive plan brings nothing: neither to new subscribers nor at renewals.",
    )
    was = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def of(cls, plan: Plan) -> "PlanForm":
        state = plan_state(plan)
        return cls(initial={**_by_form_name(state), "was": signing.dumps(state, salt=SALT)})

    @property
    def seen(self) -> dict[str, Any]:
        """The state that the page showed; empty when it does not come from us."""
        try:
            state: dict[str, Any] = signing.loads(self.data.get("was", ""), salt=SALT)
        except signing.BadSignature:
            return {}
        return state

    @property
    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in FORM_NAMES.values()}

    @property
    def changes(self) -> dict[str, Any]:
        """What was touched, as `update_plan` takes it."""
        shown = _by_form_name(self.seen)
        return {name: value for name, value in self.values.items() if value != shown.get(name)}

    def rebased(self, state: Mapping[str, Any]) -> "PlanForm":
        """The same wishes on top of what holds now."""
        now = _by_form_name(state)
        data = cast(QueryDict, self.data).copy()
        for name in now.keys() - self.changes.keys():
            data[name] = now[name]
        if not data.get("active"):
            data.pop("active", None)  # As a browser sends a box that is not ticked.
        data["was"] = signing.dumps(dict(state), salt=SALT)
        return PlanForm(data)


def _by_form_name(state: Mapping[str, Any]) -> dict[str, Any]:
    return {FORM_NAMES[key]: value for key, value in state.items()}
