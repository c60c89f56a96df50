"""The files of a message that is being written: their chips in the composer, and those that a form
brings along where there are no scripts."""

from collections.abc import Sequence

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ai_chat.attachments.errors import InvalidAttachment
from ai_chat.attachments.sending import CannotAttach, files_for_message, present_files
from ai_chat.attachments.services import add_file
from ai_chat.models import Attachment
from config.errors import DomainError
from credits.http import AuthenticatedHttpRequest, polled
from credits.models import User

#: The field of a form with the ids of files, and that with files.
IDS, FILES = "attachment", "files"


def keep_uploads(request: AuthenticatedHttpRequest) -> None:
    """Keeps the files that the form brings, and puts their ids into it: they are there when it is
    refused. Raises what `add_file` raises for the first that is refused, once the others are
    kept."""
    form = request.POST.copy()
    refusals: list[DomainError] = []
    for upload in request.FILES.getlist(FILES):
        try:
            kept = add_file(user_id=request.user.pk, name=upload.name or "", content=upload)
        except InvalidAttachment as error:
            refusals.append(CannotAttach(f"{upload.name}: {error}"))
        except DomainError as error:
            refusals.append(error)
        else:
            form.appendlist(IDS, str(kept.pk))
    request.POST = form  # type: ignore[assignment]
    if refusals:
        raise refusals[0]


def files_of(form: QueryDict, user: User) -> Sequence[Attachment]:
    """The files that a form names, as far as they are there."""
    return present_files(form.getlist(IDS), user_id=user.pk)


def files_to_send(request: AuthenticatedHttpRequest) -> Sequence[Attachment]:
    """The files that the form's message goes with. Raises CannotAttach."""
    return files_for_message(request.POST.getlist(IDS), user_id=request.user.pk)


@polled
@require_GET
def attached(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The chips of files, by their ids: those that are there."""
    context = {"attached": files_of(request.GET, request.user)}
    return render(request, "ai_chat/attaching.html#chips", context)
