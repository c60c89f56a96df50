"""Bringing chats along: a file of them, and a copy that somebody shares."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_POST

from ai_chat.data import jobs
from ai_chat.data.importing import take_file
from ai_chat.files import StorageFailed
from ai_chat.imports.keeping import keep_import
from ai_chat.models import Share
from ai_chat.pages.data import data_page
from ai_chat.pages.shared import NO_SCRIPTS, LinkEnded, for_readers, with_form
from ai_chat.sharing.copies import as_chat
from config.errors import DomainError
from credits.http import AuthenticatedHttpRequest
from credits.users.permissions import refuse_impersonated


@require_POST
def ask_for_import(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Takes a file, which the worker imports."""
    refuse_impersonated(request)
    upload = request.FILES.get("file")
    if upload is None or upload.file is None:
        return data_page(request, import_problem="Choose a file first.", status=422)
    try:
        job = take_file(user_id=request.user.pk, file=upload.file)
    except StorageFailed:
        return data_page(request, import_problem="The file could not be kept.", status=503)
    except DomainError as error:
        answer = data_page(request, import_problem=str(error), status=error.status)
        if error.retry_seconds:
            answer["Retry-After"] = str(error.retry_seconds)
        return answer
    jobs.later(job)
    return redirect("account-data")


@csp_override(NO_SCRIPTS)
@require_http_methods(["GET", "HEAD", "POST"])
@for_readers
def continue_shared(request: HttpRequest, share: Share) -> HttpResponseBase:
    """Asks first; the POST makes a chat of the reader's own, once of each link."""
    user_id = request.user.pk
    if user_id is None:
        return redirect("sign-in")
    if request.method != "POST":
        return with_form(render(request, "ai_chat/shared_continue.html", {"share": share}))
    refuse_impersonated(request)
    chat = as_chat(share)
    conversation = keep_import(user_id=user_id, chat=chat).conversation if chat else None
    if conversation is None:
        raise LinkEnded
    messages.success(request, "The chat is yours now: what you ask here goes on from it.")
    return redirect("conversation", conversation.pk)
