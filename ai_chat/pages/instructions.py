"""The pages of instructions and presets: a chat's, and those of the account."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ai_chat.conversations.presets import (
    MOST_PRESETS,
    InvalidSetup,
    account_instructions,
    delete_preset,
    presets_for,
    presets_of,
    save_account_instructions,
    set_up,
)
from ai_chat.models import Conversation, Preset
from ai_chat.pages.chat import page
from ai_chat.pages.lookup import conversation_of_page, own_conversation
from ai_chat.pages.preset_forms import AccountForm, PresetForm
from ai_chat.pages.setup import SetupForm, shown_instructions
from credits.catalogue.models import offered_models
from credits.features import TEXT
from credits.http import AuthenticatedHttpRequest
from credits.users.permissions import refuse_impersonated


@require_GET
def block(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The block at the top of a chat that has just begun; 204 while it has not."""
    conversation = conversation_of_page(request)
    if conversation is None:
        return HttpResponse(status=204)
    shown = shown_instructions(request.user, conversation)
    context = {"conversation": conversation, "instructions": shown}
    return render(request, "ai_chat/instructions.html#block", context)


@require_POST
def set_up_chat(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    """Instructions, preset and temperature of a chat, from its next message on. A preset that is
    chosen anew brings its model."""
    refuse_impersonated(request)
    conversation = own_conversation(request, conversation_id)
    form = SetupForm(request.POST, presets=presets_for(request.user.pk))
    if not form.is_valid():
        return page(request, conversation, status=422, setup_form=form)
    try:
        set_up(conversation=conversation, setup=form.value())
    except InvalidSetup as error:
        form.add_error(str(error.path[0]), str(error))
        return page(request, conversation, status=422, setup_form=form)
    messages.success(request, "The instructions hold from your next message on.")
    return redirect("conversation", conversation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def account_chats(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The instructions for all chats, and the presets to choose from."""
    user_id = request.user.pk
    initial = {"instructions": account_instructions(user_id=user_id)}
    form = AccountForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        refuse_impersonated(request)
        if form.is_valid():
            save_account_instructions(user_id=user_id, text=form.cleaned_data["instructions"])
            messages.success(request, "They hold in every chat from its next message on.")
            return redirect("account-chats")
    context = {
        "form": form,
        "presets": presets_of(user_id),
        "published": presets_of(None),
        "most": MOST_PRESETS,
    }
    status = 422 if form.errors else 200
    return render(request, "ai_chat/account_chats.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_preset(request: AuthenticatedHttpRequest, preset_id: UUID | None = None) -> HttpResponse:
    """A preset of one's own, or a new one."""
    preset = _own(request, preset_id) if preset_id else Preset(user=request.user)
    models = offered_models(TEXT, user_id=request.user.pk)
    data = request.POST if request.method == "POST" else None
    form = PresetForm(data, preset=preset, models=models)
    if request.method == "POST":
        refuse_impersonated(request)
        if form.keep():
            messages.success(request, f"The preset {preset} is saved.")
            return redirect("account-chats")
    context = {"form": form, "preset": preset if preset_id else None}
    status = 422 if form.errors else 200
    return render(request, "ai_chat/preset.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_preset(request: AuthenticatedHttpRequest, preset_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes."""
    preset = _own(request, preset_id)
    if request.method != "POST":
        used = Conversation.objects.filter(user_id=request.user.pk, preset=preset).count()
        context = {"preset": preset, "used": used}
        return render(request, "ai_chat/preset_delete.html", context)
    refuse_impersonated(request)
    delete_preset(preset=preset)
    messages.success(request, f"The preset {preset} is deleted.")
    return redirect("account-chats")


def _own(request: AuthenticatedHttpRequest, preset_id: UUID) -> Preset:
    return get_object_or_404(Preset, pk=preset_id, user_id=request.user.pk)
