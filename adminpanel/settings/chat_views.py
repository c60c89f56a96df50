"""What admins decide about all chats: the house rule, the model of titles, how much is kept of
files, and presets for everybody."""

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from adminpanel.settings.forms import StateForm
from ai_chat.conversations.chat_settings import (
    ATTACHMENT_DAYS,
    STORAGE_MEGABYTES,
    change_settings,
    publish_preset,
    read_settings,
    settings_state,
    withdraw_preset,
)
from ai_chat.conversations.presets import presets_of
from ai_chat.models import Conversation, Preset
from ai_chat.pages.preset_forms import PresetForm
from ai_chat.pages.setup import InstructionsField
from config.errors import InvalidInput
from credits.catalogue.exceptions import ChangedMeanwhile
from credits.catalogue.forms import CreditsField
from credits.catalogue.history import version_of
from credits.catalogue.models import listed_models
from credits.features import TEXT
from credits.http import AuthenticatedHttpRequest
from credits.users.permissions import admin_form


class ChatsForm(StateForm):
    """The settings of all chats."""

    NAMES = {
        "houseRule": "house_rule",
        "titleModel": "title_model",
        "storageMegabytes": "storage_megabytes",
        "attachmentDays": "attachment_days",
    }

    house_rule = InstructionsField(
        label="House rule",
        help_text="What every model is told first in every chat; its users can read it. Calls by "
        "API keys are not concerned.",
    )
    title_model = forms.ChoiceField(
        label="Titles by",
        required=False,
        help_text="After the first answer of a chat it is asked for a title, at your cost: about "
        "600 tokens. Users pay nothing for it.",
    )
    storage_megabytes = CreditsField(
        STORAGE_MEGABYTES,
        label="Storage of an account, in MB",
        help_text="For the files it sends and the pictures made for it. Who has more keeps it, and "
        "sends nothing new until there is room.",
    )
    attachment_days = CreditsField(
        ATTACHMENT_DAYS,
        label="Days after which files are deleted",
        required=False,
        help_text="Of those that were sent; their chats stay. Made pictures are not concerned. "
        "Empty: never.",
    )

    def __init__(self, *data: Any, **options: Any) -> None:
        super().__init__(*data, **options)
        field: Any = self.fields["title_model"]
        models = listed_models().filter(feature=TEXT, active=True)
        field.choices = [("", "A rule, without a model"), *((m.name, m.label) for m in models)]


@admin_form
def chats(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The settings of all chats, and the published presets."""
    if request.method != "POST":
        return _page(request, ChatsForm.of(settings_state(read_settings())))
    form = ChatsForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        version = version_of(form.seen)
        change_settings(
            actor=request.user, changes=form.by_key(form.changes), expected_version=version
        )
    except ChangedMeanwhile:
        again = ChatsForm(form.with_untouched(settings_state(read_settings())))
        return _page(request, again, status=409, moved=True)
    except InvalidInput as error:
        form.add_error(form.NAMES.get(str(error.path[0])), str(error))
        return _page(request, form, status=422)
    messages.success(request, "Saved. It holds from the next message of every chat on.")
    return redirect("admin-chats")


def _page(
    request: AuthenticatedHttpRequest, form: ChatsForm, *, moved: bool = False, status: int = 200
) -> HttpResponse:
    context = {"form": form, "presets": presets_of(None), "moved": moved}
    return render(request, "adminpanel/chats.html", context, status=status)


@admin_form
def edit_preset(request: AuthenticatedHttpRequest, preset_id: UUID | None = None) -> HttpResponse:
    """A published preset, or a new one."""
    preset = get_object_or_404(presets_of(None), pk=preset_id) if preset_id else Preset()
    models = listed_models().filter(feature=TEXT, active=True)
    data = request.POST if request.method == "POST" else None
    form = PresetForm(data, preset=preset, models=models)
    if request.method == "POST" and form.keep(partial(publish_preset, actor=request.user)):
        messages.success(request, f"The preset {preset} is published.")
        return redirect("admin-chats")
    context = {"form": form, "preset": preset if preset_id else None}
    status = 422 if form.errors else 200
    return render(request, "adminpanel/chat_preset.html", context, status=status)


@admin_form
def remove_preset(request: AuthenticatedHttpRequest, preset_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes."""
    preset = get_object_or_404(presets_of(None), pk=preset_id)
    if request.method != "POST":
        used = Conversation.objects.filter(preset=preset).count()
        context = {"preset": preset, "used": used}
        return render(request, "adminpanel/chat_preset_delete.html", context)
    withdraw_preset(actor=request.user, preset=preset)
    messages.success(request, f"The preset {preset} is deleted.")
    return redirect("admin-chats")
