"""The form of a preset, for its user and for admins; and that of the account's instructions."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms

from ai_chat.conversations.presets import PRESET_NAME, save_preset
from ai_chat.models import Preset
from ai_chat.pages.setup import InstructionsField, TemperatureField
from config.errors import InvalidInput
from credits.catalogue.forms import RuleField
from credits.models import AIModel


class AccountForm(forms.Form):
    """What the models of all chats are told."""

    instructions = InstructionsField(label="For all my chats")


class PresetForm(forms.Form):
    """A preset. `models` are those to choose from; the one that it has stays a choice."""

    name = RuleField(PRESET_NAME, label="Name", help_text="As you find it when you begin a chat.")
    instructions = InstructionsField(label="Instructions")
    model = forms.ChoiceField(required=False, label="Model")
    temperature = TemperatureField(label="Temperature")

    use_required_attribute = False

    def __init__(self, data: Any = None, *, preset: Preset, models: Iterable[AIModel]) -> None:
        self.preset = preset
        initial = {name: getattr(preset, name) for name in self.base_fields}
        super().__init__(data, initial=initial)
        labels = {"": "The one that is chosen anyway"} | {
            each.name: _label(each) for each in models
        }
        labels.setdefault(preset.model, f"{preset.model} (not offered now)")
        field: Any = self.fields["model"]
        field.choices = list(labels.items())
        field.help_text = "It is preselected when a chat begins."

    def keep(self, save: Callable[..., Preset] = save_preset) -> bool:
        """Keeps the preset by `save`; or else the form says why not."""
        if not self.is_valid():
            return False
        try:
            save(preset=self.preset, **self.cleaned_data)
        except InvalidInput as error:
            self.add_error(str(error.path[0]) if error.path else None, str(error))
        return self.is_valid()


def _label(model: AIModel) -> str:
    plan = getattr(model, "plan_needed", "")
    return f"{model.label} · with {plan}" if plan else model.label
