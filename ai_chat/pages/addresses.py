"""Where to read what was paid for."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from ai_chat.images.gallery import REQUESTS_SHOWN
from ai_chat.models import ApiCall, ImageRequest, Turn
from credits.http import AuthenticatedHttpRequest
from credits.models import UsageHistory


@require_GET
def paid_for(request: AuthenticatedHttpRequest, charge_id: int) -> HttpResponse:
    """From a line of the statement to what it paid for."""
    charge = get_object_or_404(UsageHistory, pk=charge_id, account_id=request.user.pk)
    address = address_of(charge)
    if address is None:
        messages.info(request, "What this paid for is deleted. The line stays.")
        address = f"{reverse('usage')}?row={charge_id}#row-{charge_id}"
    return redirect(address)


def address_of(charge: UsageHistory) -> str | None:
    """Where to read what was paid for with a charge; None when it is deleted."""
    if charge.api_key_id:
        call = ApiCall.objects.filter(charge=charge).first()
        return reverse("calls", query={"request": call.request_id}) if call else None
    turn = Turn.objects.filter(charge=charge).first()
    made = ImageRequest.with_receipt().filter(charge=charge).first()
    entry = turn or made
    if entry and entry.conversation_id:
        page = reverse("conversation", args=[entry.conversation_id], query={"entry": entry.pk})
        return f"{page}#turn-{entry.pk}"
    if made and (made.images.all() or made.state != ImageRequest.State.DELIVERED):
        entries = ImageRequest.objects.filter(user_id=made.user_id)
        return f"{reverse('images')}{_page_with(made, entries, REQUESTS_SHOWN)}#made-{made.pk}"
    return None


def _page_with(entry: ImageRequest, entries: QuerySet[ImageRequest], shown: int) -> str:
    """The query of the page, of those with `shown` entries each, that has this one in its middle;
    nothing when it is among the latest."""
    later = entries.filter(created_at__gt=entry.created_at).order_by("created_at")
    end = later[shown // 2 :].first()
    return f"?before={end.pk}" if end else ""
