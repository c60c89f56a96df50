"""How a page begins a conversation. The address says where it is kept, `?temporary=1` or
`?folder=ID`, and the composer's form has the same one; the form's fields say how it is set up."""

from typing import Any

from django.urls import reverse

from ai_chat.conversations.presets import InvalidSetup
from ai_chat.models import USUAL, Beginning, Conversation, Folder, Setup
from ai_chat.pages.lookup import own_folder
from ai_chat.pages.setup import form_to_read
from credits.http import AuthenticatedHttpRequest


def read_beginning(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> Beginning:
    """What a message that is sent says of the conversation that it begins; of another nothing.
    Raises InvalidSetup."""
    if conversation:
        return USUAL
    form = form_to_read(request.POST, request.user)
    for name, errors in form.errors.items():
        raise InvalidSetup(str(errors[0]), (name,))
    return _kept(form.value(), request, _folder(request))


def shown_beginning(request: AuthenticatedHttpRequest, setup: Setup) -> dict[str, Any]:
    """What the page shows of a conversation that it begins, set up like this, and where its form is
    sent."""
    folder = _folder(request)
    query = f"?folder={folder.pk}" if folder else ""
    return {
        "begins": (begins := _kept(setup, request, folder)),
        "begins_in": folder,
        "begins_at": f"{reverse('chat')}{'?temporary=1' if begins.is_temporary else query}",
    }


def _kept(setup: Setup, request: AuthenticatedHttpRequest, folder: Folder | None) -> Beginning:
    if request.GET.get("temporary"):
        return Beginning(setup, is_temporary=True)
    return Beginning(setup, folder.pk if folder else None)


def _folder(request: AuthenticatedHttpRequest) -> Folder | None:
    """One that is none of the user's is no folder."""
    return own_folder(request, request.GET.get("folder", ""))
