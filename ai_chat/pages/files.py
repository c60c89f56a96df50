"""Files of messages: sent, shown and deleted; and the page with all that an account keeps."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ai_chat.attachments.listing import ORDERS, kept_items, kept_page
from ai_chat.attachments.services import add_file, delete_file, delete_files, own_file_or_404
from ai_chat.attachments.storage import storage_of
from ai_chat.attachments.uploads import FileOut, check_length, uploaded_files
from ai_chat.images.requests import delete_image
from ai_chat.models import Attachment, ChatSettings
from ai_chat.serving import serve
from config.errors import DomainError, json_response
from config.pagination import InvalidCursor
from credits.http import AuthenticatedHttpRequest, address_here, wants_fragment
from credits.users.permissions import refuse_impersonated

#: Files of one form.
MOST = 20
#: What is deleted by one form: more than a page has.
MOST_DELETED = 200


@csrf_exempt  # `_upload` checks: that reads the body, and first its length is looked at.
@require_POST
def upload(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Takes the files in the parts `file` of a form. Answers JSON where that is accepted
    (`{"files": […]}`, or an error as the API has it), a list of them to htmx; else it goes back to
    the address `next`."""
    try:
        check_length(request)
        answer: HttpResponse = _upload(request)
    except DomainError as error:
        if not _wants_json(request):
            raise
        return json_response(error)
    return answer


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


@csrf_protect
def _upload(request: AuthenticatedHttpRequest) -> HttpResponse:
    refuse_impersonated(request)
    added = [
        add_file(user_id=request.user.pk, name=each.name or "", content=each)
        for each in uploaded_files(request, most=MOST)
    ]
    if _wants_json(request):
        return JsonResponse({"files": FileOut(added, many=True).data}, status=201)
    if wants_fragment(request):
        return render(request, "ai_chat/attaching.html#chips", {"attached": added}, status=201)
    messages.success(request, f"Added: {', '.join(each.name for each in added)}.")
    return redirect(_next(request))


def _next(request: AuthenticatedHttpRequest) -> str:
    otherwise = resolve_url("account-files")
    return address_here(request, request.POST.get("next", ""), otherwise=otherwise)


@require_safe
def show(request: AuthenticatedHttpRequest, file_id: UUID) -> HttpResponseBase:
    """The file itself, to its owner: a picture is shown, anything else, or `?download`, saved."""
    return serve(request, own_file_or_404(user_id=request.user.pk, file_id=file_id))


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: AuthenticatedHttpRequest, file_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes the file."""
    file = own_file_or_404(user_id=request.user.pk, file_id=file_id)
    if request.method != "POST":
        return render(request, "ai_chat/file_delete.html", {"file": file})
    refuse_impersonated(request)
    delete_file(attachment=file)
    if _wants_json(request) or wants_fragment(request):
        return HttpResponse(status=204)
    messages.success(request, f"{file.name} is deleted.")
    return redirect(_next(request))


@require_safe
def kept(request: AuthenticatedHttpRequest) -> HttpResponse:
    """What the account keeps, and how much more it may."""
    order = request.GET.get("order", "")
    order = order if order in ORDERS else "newest"
    places = {name: request.GET.get(name, "") for name in ("before", "after")}
    try:
        page = kept_page(user_id=request.user.pk, order=order, **places)
    except InvalidCursor:
        raise BadRequest("There is no such place in the list.") from None
    context = {
        "page": page,
        "order": order,
        "storage": storage_of(user_id=request.user.pk),
        "days": ChatSettings.current().attachment_days,
    }
    return render(request, "ai_chat/files.html", context)


@require_POST
def delete_kept(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Asks about the files and pictures `which`; with `confirmed` deletes them."""
    refuse_impersonated(request)
    items = kept_items(user_id=request.user.pk, values=request.POST.getlist("which")[:MOST_DELETED])
    if not items:
        messages.info(request, "Choose what to delete first.")
        return redirect("account-files")
    if "confirmed" not in request.POST:
        size = sum(item.row.bytes for item in items)
        return render(request, "ai_chat/files_delete.html", {"items": items, "size": size})
    delete_files(Attachment.objects.filter(pk__in=[i.row.pk for i in items if not i.is_made]))
    for item in items:
        if item.is_made:
            delete_image(image=item.row)
    messages.success(request, f"Deleted: {len(items)} file{'s' if len(items) > 1 else ''}.")
    return redirect("account-files")
