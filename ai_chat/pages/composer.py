"""What the composer shows: what is chosen, its price, and why something was not sent."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.path import beside, end_of
from ai_chat.conversations.presets import find_preset
from ai_chat.models import USUAL, Beginning, Conversation
from ai_chat.offer import get_offer
from ai_chat.pages.attaching import files_of
from ai_chat.pages.choosing import chosen_model
from ai_chat.pages.forms import image_choices, shown_draft
from ai_chat.pages.lookup import conversation_of_page, own_entry
from ai_chat.pages.setup import shown_setup
from credits.features import TEXT
from credits.http import AuthenticatedHttpRequest, polled
from credits.models import User


def composer(
    user: User,
    chosen: QueryDict,
    conversation: Conversation | None = None,
    *,
    draft: str = "",
    beginning: Beginning = USUAL,
) -> dict[str, Any]:
    """What the composer shows: both modes, what is chosen in each, and its price with this
    `draft`."""
    edited = own_entry(conversation, chosen.get("version_of", ""))
    attached = files_of(chosen, user)
    written = Draft(
        user_id=user.pk,
        text=draft,
        place=beside(edited) if edited else end_of(conversation),
        attachments=attached,
        beginning=beginning,
    )
    model = chosen.get("model") or _usual_model(user, conversation, beginning)
    offer = get_offer(user_id=user.pk, model=model, draft=written)
    return {
        "attached": attached,
        "most_files": settings.ATTACHMENTS_PER_MESSAGE,
        "mode": "image" if chosen.get("mode") == "image" else "text",
        "offer": offer,
        **image_choices(user, chosen, conversation=conversation, balance=offer.balance),
    }


def _usual_model(user: User, conversation: Conversation | None, beginning: Beginning) -> str:
    """That of the preset that a chat begins with, else the one that was chosen last."""
    preset = None if conversation else find_preset(beginning.setup.preset_id, user_id=user.pk)
    if preset and preset.model:
        return preset.model
    return chosen_model(user_id=user.pk, feature=TEXT, conversation=conversation)


@polled
@require_GET
def offer(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The button with its price; 204 while it looks as the page shows it. Of what is being written
    the page tells the size alone."""
    conversation, draft = conversation_of_page(request), shown_draft(request.GET)
    beginning = USUAL
    if conversation is None:
        beginning = Beginning(shown_setup(request.GET, request.user))
    context = composer(request.user, request.GET, conversation, draft=draft, beginning=beginning)
    if request.GET.get("shown") == f"{context['offer'].token}-{context['image_offer'].token}":
        return HttpResponse(status=204)
    return render(request, "ai_chat/composer.html#offer", {**context, "is_update": True})
