"""How a chat is set up: its form, at the top of the chat and in the composer of a new one, and what
the page shows of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.urls import reverse

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import LEAST_CHARACTERS, joined, room_for, system_message
from ai_chat.conversations.instructions import MAX_CHARACTERS, Instructions, told_in
from ai_chat.conversations.path import end_of
from ai_chat.conversations.presets import (
    MAX_TEMPERATURE,
    InvalidSetup,
    checked_instructions,
    presets_for,
)
from ai_chat.models import USUAL, Beginning, Conversation, Preset, Setup
from ai_chat.offer import Offer
from ai_chat.pages.forms import shown_text
from credits.catalogue.models import offered_models
from credits.features import TEXT
from credits.http import AuthenticatedHttpRequest
from credits.models import AIModel, User


class InstructionsField(forms.CharField):
    """Instructions as they are kept. What is wrong with them is a sentence beside the field."""

    def __init__(self, **options: Any) -> None:
        standard: dict[str, Any] = {
            "help_text": f"At most {MAX_CHARACTERS:,} characters. The model reads them with each "
            "message.",
            "widget": forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
        }
        super().__init__(required=False, **(standard | options))

    def clean(self, value: Any) -> str:
        try:
            return checked_instructions(str(value or ""))
        except InvalidSetup as error:
            raise forms.ValidationError(str(error)) from None


class TemperatureField(forms.FloatField):
    """A temperature, typed as text."""

    def __init__(self, **options: Any) -> None:
        sentence = "A temperature is a number from 0 to 2."
        attrs = {"class": "f num", "size": 6, "inputmode": "decimal", "autocomplete": "off"}
        options.setdefault("help_text", "0 is steady, 2 is wild. Empty: the model's own.")
        super().__init__(
            required=False,
            min_value=0,
            max_value=MAX_TEMPERATURE,
            error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), sentence),
            **{"widget": forms.TextInput(attrs=attrs), **options},
        )


class SetupForm(forms.Form):
    """A chat's own instructions, preset and temperature; of a new chat they are fields of the
    composer."""

    preset = forms.TypedChoiceField(required=False, coerce=UUID, empty_value=None)
    instructions = InstructionsField(label="For this chat")
    temperature = TemperatureField(
        label="Temperature",
        help_text="0 is steady, 2 is wild. Empty: the preset's, else the model's own.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        presets: Iterable[Preset],
        in_composer: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(data, auto_id="setup-%s", **options)
        for each in self.fields.values() if in_composer else ():
            each.widget.attrs["form"] = "composer"
        field: Any = self.fields["preset"]
        presets = list(presets)
        own = [(each.pk, each.name) for each in presets if each.user_id]
        published = [(each.pk, each.name) for each in presets if not each.user_id]
        groups = [("Yours", own), ("Published", published)]
        field.choices = [("", "None"), *((name, rows) for name, rows in groups if rows)]
        field.error_messages["invalid_choice"] = "There is no such preset any more."

    def value(self) -> Setup:
        """What the form says, without what is wrong in it."""
        self.is_valid()
        cleaned = self.cleaned_data
        return Setup(
            cleaned.get("instructions", ""), cleaned.get("preset"), cleaned.get("temperature")
        )


def form_of_new(request: AuthenticatedHttpRequest) -> SetupForm:
    """The form of a new chat: with what was sent, or what the address says."""
    data = request.POST if request.method == "POST" else request.GET
    return SetupForm(data, presets=presets_for(request.user.pk), in_composer=True)


def form_to_read(data: QueryDict, user: User) -> SetupForm:
    """A form that is not shown: presets are read where one is named."""
    return SetupForm(data, presets=presets_for(user.pk) if data.get("preset") else ())


def shown_setup(data: QueryDict, user: User) -> Setup:
    """What the composer says for a price: of the instructions the page tells the size alone."""
    form = form_to_read(data, user)
    return form.value()._replace(instructions=shown_text(data, "setup_size", most=MAX_CHARACTERS))


class Part(NamedTuple):
    """Instructions from one side: from whom, the text, and where their reader can change them."""

    source: str
    text: str
    href: str = ""


@dataclass(frozen=True)
class Shown:
    """What the block of instructions shows. `lacks` is the plan that the preset's model needs,
    `is_gone` says that its model is not offered; `is_cut` that the model has no room for all."""

    instructions: Instructions
    parts: list[Part]
    form: SetupForm
    presets: list[Preset]
    preset: Preset | None
    model: AIModel | None
    is_cut: bool

    @property
    def sources(self) -> list[str]:
        """Where they come from, in a word each."""
        names = [part.source for part in self.parts]
        temperature = self.instructions.temperature
        return [
            *names,
            *(["this chat"] if self.instructions.chat else []),
            *([f"temperature {temperature:g}"] if temperature is not None else []),
        ]

    @property
    def is_gone(self) -> bool:
        return bool(self.preset and self.preset.model and self.model is None)

    @property
    def lacks(self) -> str:
        return self.model.plan_needed if self.model else ""


def shown_instructions(
    user: User,
    conversation: Conversation | None,
    beginning: Beginning = USUAL,
    *,
    form: SetupForm | None = None,
    offer: Offer | None = None,
) -> Shown:
    """What the models of a chat are told, or of one that begins like this."""
    draft = Draft(user_id=user.pk, text="", place=end_of(conversation), beginning=beginning)
    context = offer.context if offer else None
    instructions = context.instructions if context else told_in(draft)
    setup, presets = draft.setup, list(presets_for(user.pk))
    preset = next((each for each in presets if each.pk == setup.preset_id), None)
    named = preset.model if preset else ""
    models = offered_models(TEXT, user_id=user.pk) if named else []
    initial = {**setup._asdict(), "preset": setup.preset_id}
    return Shown(
        instructions,
        _parts(instructions, preset),
        form or SetupForm(initial=initial, presets=presets),
        presets,
        preset,
        next((each for each in models if each.name == named), None),
        bool(offer and offer.model and _is_cut(instructions, offer.model)),
    )


def _parts(instructions: Instructions, preset: Preset | None) -> list[Part]:
    """What there is besides the chat's own."""
    parts = []
    if instructions.house_rule:
        parts.append(Part("house rule", instructions.house_rule))
    if instructions.account:
        parts.append(Part("your own", instructions.account, reverse("account-chats")))
    if preset:
        href = reverse("preset", args=[preset.pk]) if preset.user_id else ""
        parts.append(Part(f"preset {preset}", instructions.preset, href))
    return parts


def _is_cut(instructions: Instructions, model: AIModel) -> bool:
    whole = joined(*instructions.texts)
    return len(system_message(instructions, most=room_for(model) - LEAST_CHARACTERS)) < len(whole)
