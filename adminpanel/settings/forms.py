"""What admins type into prices, plans, packs, models and providers. Text stays as it was typed
until it is right."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, cast

from django import forms
from django.conf import settings
from django.core import signing
from django.http import QueryDict

from credits.catalogue.fields import (
    BASE_URL,
    BYTES_PER_HUNDRED_TOKENS,
    COST,
    IMAGES_PER_CALL,
    KEY_VARIABLE,
    MODEL_FIELDS,
    MODEL_ID,
    MODEL_LABEL,
    PACK_CREDITS,
    PACK_FIELDS,
    PACK_NAME,
    PACK_PRICE,
    PART_TOKENS,
    PLAN_CREDITS,
    PLAN_ID,
    PLAN_NAME,
    POSITION,
    PRICE_FACTOR,
    PROVIDER_FIELDS,
    PROVIDER_MODEL,
    PROVIDER_NAME,
    REASONING_TOKENS,
    SIZES,
    TOKENS,
    ListOf,
)
from credits.catalogue.forms import CreditsField, RuleField
from credits.catalogue.model_changes import read_catalogue
from credits.catalogue.models import position_after
from credits.features import FEATURE_CREDIT_COSTS, FEATURES
from credits.models import AIModel, Plan, Provider
from credits.models.catalogue import FEATURE_CHOICES


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


def snake_case(name: str) -> str:
    """A name of JSON as Python has it."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


class StateForm(forms.Form):
    """A row of the catalogue; `was` is the state of it that the page showed, signed; empty for a
    new one. What nobody touched follows what others did meanwhile."""

    #: The fields by their names in the state, and in the form.
    NAMES: ClassVar[Mapping[str, str]]

    was = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def of(cls, state: Mapping[str, Any], **options: Any) -> Self:
        was = signing.dumps(dict(state), salt=cls.__name__)
        return cls(initial={**cls.by_form_name(state), "was": was}, **options)

    @classmethod
    def by_form_name(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        return {name: state[key] for key, name in cls.NAMES.items() if key in state}

    @property
    def seen(self) -> dict[str, Any]:
        """The state that the page showed; empty when it does not come from us."""
        try:
            state: dict[str, Any] = signing.loads(
                self.data.get("was", ""), salt=type(self).__name__
            )
        except signing.BadSignature:
            return {}
        return state

    @property
    def values(self) -> dict[str, Any]:
        """What the form says, by its own names."""
        return {name: value for name, value in self.cleaned_data.items() if name != "was"}

    @property
    def changes(self) -> dict[str, Any]:
        """The values that were touched."""
        shown = self.by_form_name(self.seen)
        return {name: value for name, value in self.values.items() if value != shown.get(name)}

    def by_key(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same values by their names in the state."""
        return {key: values[name] for key, name in self.NAMES.items() if name in values}

    def with_untouched(self, state: Mapping[str, Any]) -> QueryDict:
        """What was typed, with what holds now in the fields that nobody touched."""
        now = self.by_form_name(state)
        data = cast(QueryDict, self.data).copy()
        for name in now.keys() & self.fields.keys() - self.changes.keys():
            value = self.fields[name].prepare_value(now[name])
            data.setlist(
                name, value if isinstance(value, list) else ["" if value is None else value]
            )
            if value is False:
                del data[name]  # As a browser sends a box that is not ticked.
        data["was"] = signing.dumps(dict(state), salt=type(self).__name__)
        return data


def _exact() -> forms.TextInput:
    """A field for what is copied letter by letter."""
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


class PlanForm(StateForm):
    """A plan."""

    NAMES = {"clerkId": "clerk_id", "name": "name", "credits": "credits", "active": "active"}

    name = RuleField(PLAN_NAME)
    clerk_id = RuleField(
        PLAN_ID,
        label="Clerk's id",
        help_text="As Clerk's dashboard shows it: cplan_…",
        widget=_exact(),
    )
    credits = CreditsField(PLAN_CREDITS, label="Credits a month")
    active = forms.BooleanField(
        required=False,
        initial=True,
        help_text="An inactive plan brings nothing: neither to new subscribers nor at renewals.",
    )


class PackForm(StateForm):
    """A pack."""

    NAMES = {key: key for key in PACK_FIELDS}

    name = RuleField(PACK_NAME, help_text="As people read it, also in their statement.")
    credits = CreditsField(
        PACK_CREDITS, help_text="What was given, and every batch of codes, keeps what it had."
    )
    price = RuleField(
        PACK_PRICE,
        required=False,
        help_text="In words, as €5 or 20 USD. Whoever sells it takes the payment. Empty: not said.",
    )
    position = CreditsField(POSITION, initial=0, help_text="The order in which people see them.")
    active = forms.BooleanField(
        required=False, initial=True, label="On sale", help_text="Shown to people, and given here."
    )


class ProviderForm(StateForm):
    """A provider; the name of one that is there stays."""

    NAMES = {key: snake_case(key) for key in PROVIDER_FIELDS}

    name = RuleField(PROVIDER_NAME, help_text="It stays: models and the history name it.")
    base_url = RuleField(
        BASE_URL,
        label="Address",
        required=False,
        help_text="As https://ai.example/v1. Empty: what OPENAI_BASE_URL says.",
        widget=_exact(),
    )
    key_variable = RuleField(
        KEY_VARIABLE,
        label="Variable with its key",
        required=False,
        help_text="The name of an environment variable that ends in _API_KEY. The key itself is "
        "neither stored nor shown. Empty: it needs none.",
        widget=_exact(),
    )
    dialect = forms.ChoiceField(
        choices=Provider.Dialect.choices, initial=Provider.Dialect.COMPATIBLE
    )

    def __init__(self, *data: Any, new: bool = True, **options: Any) -> None:
        super().__init__(*data, **options)
        if not new:
            del self.fields["name"]


class ListField(forms.CharField):
    """Values of a rule, with commas or blanks between them."""

    def __init__(self, rule: ListOf, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.rule = rule

    def clean(self, value: Any) -> list[str]:
        values = str(value or "").replace(",", " ").split()
        if not self.rule.accepts(values):
            raise forms.ValidationError(self.rule.sentence, "invalid")
        return values

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class OptionField(forms.ChoiceField):
    """One of the options, or none (null)."""

    def clean(self, value: Any) -> str | None:
        return str(super().clean(value)) or None


class ModelForm(StateForm):
    """A model; the id and the feature of one that is there stay."""

    NAMES = {key: snake_case(key) for key in MODEL_FIELDS}
    GROUPS: ClassVar[Mapping[str, Sequence[str]]] = {
        "What people see": ("id", "label", "feature", "position", "active"),
        "Price and plan": ("price_factor", "least_plan"),
        "Provider": ("provider", "provider_model", "fallback"),
        "For text chat": (
            "reads", "tools", "reasoning", "context_tokens", "output_tokens", "reasoning_tokens",
        ),
        "Bounds of a price by tokens": (
            "bytes_per_hundred_tokens", "image_tokens", "tokens_per_page", "output_least",
            "hides_reasoning",
        ),
        "For images": ("images_per_call", "sizes"),
    }  # fmt: skip

    id = RuleField(
        MODEL_ID,
        label="Id",
        help_text="What calls and receipts name it: letters, digits and . _ : / @ + -. It stays.",
        widget=_exact(),
    )
    label = RuleField(MODEL_LABEL, label="Label", help_text="What people read.")
    feature = forms.ChoiceField(choices=FEATURE_CHOICES)
    provider = forms.ChoiceField()
    provider_model = RuleField(PROVIDER_MODEL, label="Its id at the provider", widget=_exact())
    price_factor = CreditsField(
        PRICE_FACTOR,
        label="Price factor",
        initial=1,
        help_text="How many times the feature's price a unit costs.",
    )
    least_plan = OptionField(label="From which plan on", required=False)
    active = forms.BooleanField(
        required=False, initial=True, help_text="A retired model keeps its label in receipts."
    )
    position = CreditsField(
        POSITION, label="Position", help_text="The first of a feature is chosen unless another is."
    )
    fallback = OptionField(
        label="Takes over when its provider is down",
        required=False,
        help_text="Before the answer begins, at no second charge. Embeddings: the same model only.",
    )
    reads = forms.MultipleChoiceField(
        choices=[("image", "Images"), ("file", "Files")],
        label="Reads, besides text",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    tools = forms.BooleanField(label="Calls tools", required=False)
    reasoning = forms.BooleanField(label="Reasons before it answers", required=False)
    context_tokens = CreditsField(
        TOKENS,
        label="Context, in tokens",
        required=False,
        help_text="A call and its answer together. Empty: unknown.",
    )
    output_tokens = CreditsField(
        TOKENS,
        label="Longest answer, in tokens",
        required=False,
        help_text="Empty: ANSWER_MAX_TOKENS.",
    )
    reasoning_tokens = CreditsField(
        REASONING_TOKENS, label="Budget for reasoning, in tokens", initial=0
    )
    bytes_per_hundred_tokens = CreditsField(
        BYTES_PER_HUNDRED_TOKENS,
        label="Least bytes of 100 tokens",
        initial=100,
        help_text="100 is never wrong. More reserves fewer credits for long texts; a text of fewer "
        "bytes a token then costs you what is above.",
    )
    image_tokens = CreditsField(PART_TOKENS, label="Most tokens of a picture", initial=1_700)
    tokens_per_page = CreditsField(
        PART_TOKENS, label="Most tokens of a page of a file", initial=3_000
    )
    output_least = CreditsField(
        TOKENS,
        label="Least room for an answer, in tokens",
        required=False,
        help_text="With room for fewer no call is made. Empty: 256, with reasoning 4,096.",
    )
    hides_reasoning = forms.BooleanField(
        label="Counts reasoning that it does not send",
        required=False,
        help_text="A call that is stopped is read on for up to a minute, for its tokens.",
    )
    images_per_call = CreditsField(IMAGES_PER_CALL, label="Images a call", initial=4)
    sizes = ListField(
        SIZES, label="Sizes of images", help_text="As 1024x1024, 512x512. Empty: any."
    )

    def __init__(self, *data: Any, model: AIModel | None = None, **options: Any) -> None:
        super().__init__(*data, **options)
        catalogue = read_catalogue()
        if model:
            del self.fields["id"], self.fields["feature"]
        plans = [(plan.clerk_id, f"{plan.name} ({plan.credits:,})") for plan in Plan.objects.all()]
        others = [
            (other.name, other.label)
            for other in catalogue.models
            if other.active and not (model and _cannot_take_over(other, model))
        ]
        self._offer("provider", [(each.name, each.name) for each in catalogue.providers])
        self._offer("least_plan", [("", "Everybody"), *plans])
        self._offer("fallback", [("", "None"), *others])
        tokens = settings.ANSWER_MAX_TOKENS
        self.fields["output_tokens"].help_text = f"Empty: {tokens:,} (ANSWER_MAX_TOKENS)."
        self.fields["position"].initial = position_after(catalogue.models)

    def _offer(self, name: str, options: list[tuple[str, str]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = options

    def groups(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        """The fields under their headings."""
        for heading, names in self.GROUPS.items():
            yield heading, [self[name] for name in names if name in self.fields]

    def clean_reads(self) -> list[str]:
        return ["text", *self.cleaned_data["reads"]]


def _cannot_take_over(other: AIModel, model: AIModel) -> bool:
    return other.pk == model.pk or other.feature != model.feature


class PickForm(forms.Form):
    """What the models that are picked from a provider's list are for."""

    feature = forms.ChoiceField(choices=FEATURE_CHOICES, widget=forms.Select(attrs={"class": "f"}))
    active = forms.BooleanField(label="Offer them at once", required=False)
