"""The pages on which people share their chats. What readers see is `ai_chat/pages/shared.py`."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ai_chat.files import StorageFailed
from ai_chat.models import Conversation, Share
from ai_chat.pages.lookup import own_conversation, place_in_list
from ai_chat.sharing import services
from ai_chat.sharing.forms import ShareForm
from config.errors import DomainError
from config.pagination import LATEST_FIRST, LATEST_KEY, paginate
from credits.http import AuthenticatedHttpRequest
from credits.users.permissions import refuse_impersonated

#: Links of a page.
PAGE = 50


def link_to(share: Share) -> str:
    """The link as it is passed on."""
    return f"{settings.SITE_URL}{reverse('shared', args=[share.token])}"


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    """Makes a link to a copy of the chat; shows those that there are."""
    conversation = own_conversation(request, conversation_id)
    form = ShareForm(request.POST if request.method == "POST" else None, user=request.user)
    if request.method == "POST":
        refuse_impersonated(request)
        if form.is_valid():
            try:
                made = services.share_chat(
                    user=request.user, conversation=conversation, **form.values
                )
            except (DomainError, StorageFailed) as error:
                form.add_error(None, _words(error))
            else:
                messages.success(request, "The link is made. Who has it can read the copy.")
                return redirect(f"{request.path}#share-{made.pk}")
    return _of_chat(request, conversation, form)


def _of_chat(
    request: AuthenticatedHttpRequest, conversation: Conversation, form: ShareForm
) -> HttpResponse:
    shares = services.shares_of(request.user.pk).filter(conversation=conversation)
    context = {
        "conversation": conversation,
        "form": form,
        "links": [_line(request, each) for each in shares[:PAGE] if each.is_live],
    }
    status = 422 if form.errors else 200
    return render(request, "ai_chat/share.html", context, status=status)


def _words(error: Exception) -> str:
    if isinstance(error, StorageFailed):
        return "A picture could not be copied. Try again."
    return str(error)


def _line(request: AuthenticatedHttpRequest, share: Share) -> dict[str, Any]:
    return {
        "share": share,
        "address": link_to(share),
        "form": ShareForm(user=request.user, share=share),
    }


@require_safe
def shares(request: AuthenticatedHttpRequest) -> HttpResponse:
    """All links of the user, newest first."""
    place = place_in_list(request, LATEST_KEY)
    rows = services.shares_of(request.user.pk)
    page = paginate(rows, size=PAGE, order=LATEST_FIRST, **place)
    context = {
        "links": [_line(request, each) for each in page.rows],
        "page": page,
        "days": services.ENDED_KEPT.days,
    }
    return render(request, "ai_chat/shares.html", context)


def _own(request: AuthenticatedHttpRequest, share_id: UUID) -> Share:
    return get_object_or_404(services.shares_of(request.user.pk), pk=share_id)


@require_POST
def update(request: AuthenticatedHttpRequest, share_id: UUID) -> HttpResponse:
    """Changes who may read a link and its end, and makes the copy anew."""
    refuse_impersonated(request)
    mine = _own(request, share_id)
    form = ShareForm(request.POST, user=request.user, share=mine)
    if not form.is_valid():
        messages.error(request, "That was no choice of the form. Nothing is changed.")
        return redirect("shares")
    anew = form.cleaned_data.get("anew", False)
    try:
        services.update_share(share=mine, anew=anew, **form.values)
    except (DomainError, StorageFailed) as error:
        messages.error(request, _words(error))
    else:
        what = "shows what the chat shows now" if anew else "is changed"
        messages.success(request, f"The link {what}.")
    return redirect(f"{reverse('shares')}#share-{mine.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: AuthenticatedHttpRequest, share_id: UUID) -> HttpResponse:
    """Asks first; the POST ends the link."""
    mine = _own(request, share_id)
    if request.method != "POST":
        return render(request, "ai_chat/share_revoke.html", {"share": mine})
    refuse_impersonated(request)
    services.end(mine)
    messages.success(request, "The link has ended, and its copy is deleted.")
    return redirect("shares")
