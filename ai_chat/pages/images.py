"""The image pages. Each view: method, fetch and authorise, one service call, one answer."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from ai_chat.images.gallery import gallery, own_image_or_404, own_request
from ai_chat.images.requests import delete_image, delete_request
from ai_chat.jobs.ending import job_or_404
from ai_chat.jobs.following import wait
from ai_chat.jobs.running import stop_job
from ai_chat.models import ImageRequest
from ai_chat.pages.forms import image_choices, read_count, refuse, refuse_another, start_images
from ai_chat.pages.streams import event_response
from ai_chat.serving import serve
from config.errors import DomainError
from config.serving.capacity import keeps_its_thread
from credits.http import AuthenticatedHttpRequest, polled, wants_fragment
from credits.users.permissions import refuse_impersonated

TEMPLATE = "ai_chat/images.html"


@require_http_methods(["GET", "HEAD", "POST"])
def images(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The gallery with its form; a POST asks for images."""
    return create(request) if request.method == "POST" else page(request)


def page(
    request: AuthenticatedHttpRequest, *, problem: str = "", status: int = 200
) -> HttpResponse:
    """The whole page, or with a `problem` for htmx only the foot of the form."""
    form = request.POST or request.GET
    context = {**studio(request, form), "problem": problem}
    if problem and wants_fragment(request):
        response = render(request, f"{TEMPLATE}#foot", context, status=status)
        response["HX-Retarget"], response["HX-Reswap"] = "#image-foot", "outerHTML"
        return response
    rows, context["older"] = gallery(user_id=request.user.pk, before=form.get("before", ""))
    context["last"] = rows[-1] if rows else None
    return render(request, TEMPLATE, {**context, "gallery": rows}, status=status)


def studio(request: AuthenticatedHttpRequest, form: QueryDict) -> dict[str, Any]:
    """What the form shows: what was chosen, or the request whose prompt is to be used again."""
    again = own_request(user_id=request.user.pk, request_id=form.get("reuse", ""))
    draft = form.get("message", again.prompt if again else "")
    return {"draft": draft, **image_choices(request.user, form, again)}


def create(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Charges and paints: for htmx the card that fills itself, else the page with the result."""
    refuse_impersonated(request)
    try:
        refuse_another(request)
        return start(request)
    except DomainError as error:
        return refuse(partial(page, request), error, images=read_count(request.POST))


@keeps_its_thread
def start(request: AuthenticatedHttpRequest) -> HttpResponse:
    job = start_images(request)
    if not wants_fragment(request):
        connections.close_all()  # Before waiting: the pool is for those who work.
        wait(job)
        return redirect(f"{reverse('images')}#made-{job.pk}")
    context = {**studio(request, request.POST), "made": job, "draft": ""}
    response = render(request, f"{TEMPLATE}#started", context)
    response["HX-Trigger"] = "credits:changed"
    return response


@polled
@require_GET
def offer(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The button with its price; 204 while it looks as the page shows it."""
    context = studio(request, request.GET)
    if request.GET.get("shown") == context["image_offer"].token:
        return HttpResponse(status=204)
    return render(request, f"{TEMPLATE}#offer", {**context, "is_update": True})


@polled
@require_GET
def card(request: AuthenticatedHttpRequest, request_id: UUID) -> HttpResponse:
    """A request in the gallery; 204 while it is being worked on."""
    job = job_or_404(ImageRequest, pk=request_id, user_id=request.user.pk)
    if not wants_fragment(request):
        return redirect(f"{reverse('images')}#made-{job.pk}")
    if job.is_running:
        return HttpResponse(status=204)
    response = render(request, f"{TEMPLATE}#card", {"made": job})
    response["HX-Trigger"] = "credits:changed"
    return response


@require_GET
@keeps_its_thread
def events(request: AuthenticatedHttpRequest, request_id: UUID) -> StreamingHttpResponse:
    """A request followed to its end, for the conversation."""
    return event_response(request, job_or_404(ImageRequest, pk=request_id, user_id=request.user.pk))


@require_POST
def stop(request: AuthenticatedHttpRequest, request_id: UUID) -> HttpResponse:
    """Stops a request, in whichever process its images are being made."""
    job = job_or_404(ImageRequest, pk=request_id, user_id=request.user.pk)
    stop_job(job)
    if wants_fragment(request):
        return HttpResponse(status=204)
    if job.conversation_id:
        return redirect("conversation", job.conversation_id)
    return redirect(f"{reverse('images')}#made-{job.pk}")


@require_safe
def file(request: AuthenticatedHttpRequest, image_id: UUID) -> HttpResponseBase:
    """The image itself, to its owner; `?download` saves it."""
    return serve(request, own_image_or_404(user_id=request.user.pk, image_id=image_id))


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: AuthenticatedHttpRequest, image_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes the image."""
    image = own_image_or_404(user_id=request.user.pk, image_id=image_id)
    if request.method != "POST":
        return render(request, "ai_chat/image_delete.html", {"image": image, "made": image.request})
    delete_image(image=image)
    messages.success(request, "The image is deleted. Its charge stays in your usage.")
    return redirect("images")


@require_http_methods(["GET", "HEAD", "POST"])
def delete_all(request: AuthenticatedHttpRequest, request_id: UUID) -> HttpResponse:
    """The same for a request with all its images."""
    job = job_or_404(ImageRequest, pk=request_id, user_id=request.user.pk)
    if job.is_running:
        messages.error(request, "These images are still being made. Stop them first.")
        return redirect("images")
    if request.method != "POST":
        return render(request, "ai_chat/image_delete.html", {"made": job})
    delete_request(request=job)
    messages.success(request, "Deleted. The charge and refund stay in your usage.")
    return redirect("images")
