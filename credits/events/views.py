"""The pages of a user's own webhooks: the list, one of them with what was sent, and what can be
done with it. A new secret is in the answer to the request that made it, and nowhere else."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods, require_POST

from config.errors import DomainError, InvalidInput
from config.pagination import paginate
from credits.events import endpoints
from credits.events.endpoints import WithSecret, attempts_of, endpoints_of
from credits.events.forms import EndpointForm
from credits.events.sending import MESSAGE_KEPT
from credits.http import AuthenticatedHttpRequest
from credits.models import User, WebhookEndpoint
from credits.statement.forms import PageForm
from credits.users.permissions import refuse_impersonated

#: Attempts on one page.
SHOWN = 25


@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The user's webhooks, and the form that adds one."""
    if request.method != "POST":
        return _list(request, EndpointForm())
    refuse_impersonated(request)
    form = EndpointForm(request.POST)
    if form.is_valid():
        try:
            added = endpoints.add_endpoint(account_id=request.user.pk, **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        except endpoints.TooManyEndpoints as error:
            form.add_error(None, str(error))
        else:
            return _secret(request, added, is_new=True)
    return _list(request, form)


def _list(request: AuthenticatedHttpRequest, form: EndpointForm) -> HttpResponse:
    context = {
        "form": form,
        "endpoints": endpoints_of(account_id=request.user.pk),
        "most": endpoints.MOST,
        "sends_mail": settings.MAIL_CONFIGURED,
    }
    return render(request, "credits/events/webhooks.html", context)


def _secret(
    request: AuthenticatedHttpRequest, made: WithSecret, *, is_new: bool = False
) -> HttpResponse:
    """A secret, this once: no cache keeps the page."""
    answer = render(request, "credits/events/secret.html", {**made._asdict(), "is_new": is_new})
    add_never_cache_headers(answer)
    return answer


def _own(request: AuthenticatedHttpRequest, endpoint_id: UUID) -> WebhookEndpoint:
    mine = endpoints_of(account_id=request.user.pk)
    return get_object_or_404(mine, pk=endpoint_id)


@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: AuthenticatedHttpRequest, endpoint_id: UUID) -> HttpResponse:
    """One webhook: what was sent to it, and the form that changes it."""
    endpoint = _own(request, endpoint_id)
    now = {"url": endpoint.url, "description": endpoint.description}
    form = EndpointForm(request.POST or None, initial=now)
    if request.method == "POST" and form.is_valid():
        refuse_impersonated(request)
        try:
            endpoints.change_endpoint(endpoint_id=endpoint.pk, **form.cleaned_data)
        except InvalidInput as error:
            form.refuse(error)
        else:
            messages.success(request, "The webhook is saved.")
            return redirect("webhook", endpoint.pk)
    wanted = PageForm(request.GET)
    place = wanted.place if wanted.is_valid() else {}
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "form": form,
        "page": paginate(attempts_of(endpoint), size=SHOWN, **place),
        "kept_days": MESSAGE_KEPT.days,
    }
    return render(request, "credits/events/webhook.html", context)


@require_POST
def roll(request: AuthenticatedHttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Makes a new secret; `end_former` ends the present one at once."""
    endpoint = _own(request, endpoint_id)
    refuse_impersonated(request)
    end_former = "end_former" in request.POST
    try:
        made = endpoints.roll_secret(endpoint_id=endpoint.pk, end_former=end_former)
    except endpoints.RolledLately as error:
        return _back(request, endpoint, error)
    return _secret(request, made)


@require_POST
def test(request: AuthenticatedHttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Sends a test message."""
    endpoint = _own(request, endpoint_id)
    refuse_impersonated(request)
    try:
        endpoints.send_test(endpoint=endpoint)
    except endpoints.WebhookOff as error:
        return _back(request, endpoint, error)
    messages.success(request, "The test message is on its way.")
    return redirect("webhook", endpoint.pk)


@require_POST
def switch(request: AuthenticatedHttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Turns a webhook on or off, as `active` says."""
    endpoint = _own(request, endpoint_id)
    refuse_impersonated(request)
    is_on = request.POST.get("active") == "1"
    endpoints.change_endpoint(endpoint_id=endpoint.pk, active=is_on)
    messages.success(request, f"The webhook is {'on' if is_on else 'off'}.")
    return redirect("webhook", endpoint.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: AuthenticatedHttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Asks whether to delete a webhook, and does it."""
    endpoint = _own(request, endpoint_id)
    if request.method != "POST":
        return render(request, "credits/events/delete.html", {"endpoint": endpoint})
    refuse_impersonated(request)
    endpoints.delete_endpoint(endpoint_id=endpoint.pk)
    messages.success(request, "The webhook is deleted.")
    return redirect("webhooks")


@require_POST
def again(request: AuthenticatedHttpRequest, endpoint_id: UUID, attempt_id: int) -> HttpResponse:
    """Sends the message of an attempt again."""
    endpoint = _own(request, endpoint_id)
    attempt = get_object_or_404(attempts_of(endpoint), pk=attempt_id)
    refuse_impersonated(request)
    try:
        endpoints.send_again(attempt=attempt)
    except endpoints.WebhookOff as error:
        return _back(request, endpoint, error)
    messages.success(request, "The message is on its way again.")
    return redirect("webhook", endpoint.pk)


def _back(
    request: AuthenticatedHttpRequest, endpoint: WebhookEndpoint, error: DomainError
) -> HttpResponse:
    messages.error(request, str(error))
    return redirect("webhook", endpoint.pk)


@require_POST
def alerts(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Turns the mails of alerts on or off, as `mail` says."""
    refuse_impersonated(request)
    by_mail = request.POST.get("mail") == "1"
    User.objects.filter(pk=request.user.pk).update(alerts_by_mail=by_mail)
    messages.success(request, f"Alerts {'come' if by_mail else 'do not come'} by mail.")
    return redirect("webhooks")
