"""What can be asked of the people's pages: filters, adjustments, refunds. Whole credits only."""

from typing import Any, cast
from uuid import uuid4

from django import forms
from django.http import QueryDict

from adminpanel.users.adjustments import MAX_ADJUSTMENT
from adminpanel.users.search import NO_PLAN, Sort, State
from adminpanel.users.timeline import Place, Source, place_of
from config.pagination import InvalidCursor, Key, key_of
from credits.catalogue.fields import PACK_QUANTITY, REFERENCE, WholeNumber, one_line
from credits.catalogue.forms import CreditsField, RuleField
from credits.catalogue.packs import packs_on_sale
from credits.features import Kind
from credits.models import Pack, Plan, User
from credits.statement.forms import RowField

REASON = one_line(500, "Say why, in")
STALE_PAGE = "This page was sent without what it needs. Look at it, and send it once more."
DAYS = [("", "Ever or never"), ("1", "Today or yesterday"), ("7", "In 7 days"),
        ("30", "In 30 days"), ("90", "In 90 days")]  # fmt: skip


def with_new_key(data: QueryDict) -> QueryDict:
    """The same form, as if it had been opened now."""
    renewed = data.copy()
    renewed["key"] = str(uuid4())
    for name in ("confirm", "seen"):
        renewed.pop(name, None)
    return renewed


def amount_field(low: int, label: str, *, required: bool = True) -> CreditsField:
    """Credits of a balance or of its change, from `low` on."""
    return CreditsField(
        WholeNumber(low, MAX_ADJUSTMENT),
        sentence=f"Write a whole number of credits from {low:,} to {MAX_ADJUSTMENT:,}.",
        label=label,
        required=required,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "f"}),
    )


class OnceForm(forms.Form):
    """A form that does something once: its key is made with the empty form, before the first try,
    and comes back with each. `confirm` is there when the preview was confirmed."""

    key = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)
    confirm = forms.BooleanField(required=False, widget=forms.HiddenInput)
    reason = RuleField(
        REASON,
        label="Reason",
        help_text="The user reads it in the statement.",
        widget=forms.TextInput(attrs={"class": "f", "autocomplete": "off"}),
    )

    #: The answer is a sentence beside the field, also where a browser would refuse by itself.
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        """What no field on the page can tell of is told above them, and mended for the next try."""
        data = super().clean() or self.cleaned_data
        hidden = [field.name for field in self.hidden_fields() if field.name in self.errors]
        if hidden:
            self.data = with_new_key(cast(QueryDict, self.data))
            for name in hidden:
                del self.errors[name]
            self.add_error(None, STALE_PAGE)
        return data


class AdjustForm(OnceForm):
    """Which change of a balance, and why. `seen` is the balance that the preview began with."""

    MODES = [("add", "Add"), ("take", "Take away"), ("set", "Set to")]

    mode = forms.ChoiceField(
        label="What to do",
        choices=MODES,
        initial="add",
        error_messages=dict.fromkeys(["required", "invalid_choice"], "Choose one of the three."),
        widget=forms.RadioSelect,
    )
    amount = amount_field(0, "Credits")
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("amount") == 0 and data.get("mode") in {"add", "take"}:
            self.add_error("amount", "There is nothing to change with 0 credits.")
        return data

    @property
    def change(self) -> dict[str, int]:
        """What `adjust` takes: `delta` or `target`."""
        mode, amount = self.cleaned_data["mode"], self.cleaned_data["amount"]
        return (
            {"target": amount}
            if mode == "set"
            else {"delta": -amount if mode == "take" else amount}
        )


def pack_choices() -> list[tuple[str, str]]:
    """The packs on sale, as an admin chooses one."""
    return [
        (str(pack.pk), " · ".join(filter(None, [pack.name, f"{pack.credits:,}", pack.price])))
        for pack in packs_on_sale()
    ]


class GiveForm(OnceForm):
    """Which pack, how many, and for which payment. `each` is how many credits the preview said that
    one has."""

    pack = forms.ChoiceField()
    quantity = CreditsField(PACK_QUANTITY, label="How many", initial=1)
    reference = RuleField(
        REFERENCE,
        label="Payment (optional)",
        required=False,
        help_text="An invoice's number, a provider's id. The same one never brings a pack twice. "
        "Empty for a gift.",
        widget=forms.TextInput(attrs={"class": "f", "autocomplete": "off"}),
    )
    each = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *data: Any, **options: Any) -> None:
        super().__init__(*data, **options)
        cast(forms.ChoiceField, self.fields["pack"]).choices = pack_choices()

    @property
    def chosen(self) -> Pack:
        """The pack. Raises Pack.DoesNotExist."""
        return Pack.objects.get(pk=self.cleaned_data["pack"])


class RefundForm(OnceForm):
    """How much of a charge, and why; no amount means all that is left of it."""

    amount = amount_field(1, "Credits", required=False)


class DecisionForm(forms.Form):
    """A second admin's word. `seen` is the balance that the page showed."""

    decision = forms.ChoiceField(choices=[("approve", "Approve"), ("decline", "Decline")])
    seen = forms.IntegerField(required=False)


class PlaceField(forms.CharField):
    """Where a page begins: two numbers, or as many as `numbers`."""

    def __init__(self, numbers: int = 2) -> None:
        super().__init__(required=False, max_length=80, widget=forms.HiddenInput)
        self.kinds = [int] * numbers

    def clean(self, value: Any) -> Key | None:
        text = super().clean(value)
        try:
            return key_of(text, *self.kinds) if text else None
        except InvalidCursor:
            raise forms.ValidationError("There is no such page.") from None


class PeopleForm(forms.Form):
    """Filters of the people, and where the page begins."""

    search = forms.CharField(
        label="Search",
        required=False,
        max_length=100,
        widget=forms.TextInput(
            attrs={"class": "f", "type": "search", "placeholder": "E-mail, name or Clerk id"}
        ),
    )
    low = amount_field(0, "Balance from", required=False)
    high = amount_field(0, "to", required=False)
    plan = forms.ChoiceField(label="Plan", required=False)
    signed_in = forms.ChoiceField(label="Signed in", choices=DAYS, required=False)
    state = forms.ChoiceField(label="State", choices=[("", "Any"), *State.choices], required=False)
    sort = forms.ChoiceField(label="Sort by", choices=Sort.choices, required=False)
    before = PlaceField()
    after = PlaceField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        plans: Any = self.fields["plan"]
        plans.choices = [
            ("", "Any"),
            (NO_PLAN, "None"),
            *Plan.objects.order_by("name", "pk").values_list("clerk_id", "name"),
        ]
        for name in ("plan", "signed_in", "state", "sort"):
            self.fields[name].widget.attrs["class"] = "f"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        low, high = data.get("low"), data.get("high")
        if low is not None and high is not None and low > high:
            raise forms.ValidationError("The lowest balance is above the highest.")
        return data

    @property
    def filters(self) -> dict[str, Any]:
        """What `search.find_users` takes."""
        values = self.cleaned_data
        return {
            **{name: values[name] for name in ("search", "low", "high", "plan", "state")},
            "search": values["search"].strip(),
            "signed_in": int(values["signed_in"] or 0) or None,
        }

    @property
    def sort_label(self) -> str:
        return str(Sort(self.cleaned_data["sort"] or Sort.NEWEST).label).lower()

    @property
    def is_filtered(self) -> bool:
        return any(value not in {"", None} for value in self.filters.values())


class TimelineForm(forms.Form):
    """Which events of a person, and where the page begins: at a place, or at a row."""

    KINDS = [
        ("", "Everything"),
        *((kind, f"{kind.label}s") for kind in Kind if kind not in {Kind.EXPIRY, Kind.UNUSED}),
        (Kind.EXPIRY, "Expiries"),
        *((source, f"{source.label}s") for source in Source),
    ]

    kind = forms.ChoiceField(
        label="Show",
        choices=KINDS,
        required=False,
        widget=forms.Select(attrs={"class": "f"}),
        error_messages={"invalid_choice": "There is no such kind of event."},
    )
    before = PlaceField(3)
    after = PlaceField(3)
    row = RowField()

    def place_for(self, user: User) -> dict[str, Any]:
        """What `timeline.get_page` takes; an error when the row is not the person's."""
        if not self.is_valid():
            return {}
        values = self.cleaned_data
        if not values["row"]:
            before, after = (values[name] and Place(*values[name]) for name in ("before", "after"))
            return {"kind": values["kind"], "older_than": before, "newer_than": after}
        place = place_of(user, values["row"])
        if place is None:
            self.add_error(None, f"There is no row #{values['row']} in this person's journal.")
        return {"older_than": place}
