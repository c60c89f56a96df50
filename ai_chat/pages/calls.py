"""The log of calls by API keys: of one key, or of all keys of an account."""

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ai_chat.calls import log
from ai_chat.calls.forms import CallsForm
from ai_chat.calls.keeping import kept_days
from config.serving.capacity import exports
from credits.http import AuthenticatedHttpRequest
from credits.models import AIModel, ApiKey
from credits.statement.csv_file import csv_response


@require_safe
def calls(request: AuthenticatedHttpRequest, public_id: str = "") -> HttpResponse:
    """The calls of an account that the filters let through; those of the key `public_id` alone, if
    one is named."""
    key = None
    data = request.GET.copy()
    if public_id:
        key = get_object_or_404(ApiKey, public_id=public_id, account_id=request.user.pk)
        data["key"] = key.public_id
    form = CallsForm(data, account_id=request.user.pk)
    context: dict[str, Any] = {
        "form": form,
        "key": key,
        "days": kept_days(),
    }
    if not form.is_valid():
        return render(request, "ai_chat/calls.html", context, status=400)
    context |= {
        "page": form.page(),
        "models": AIModel.objects.filter(active=True).values_list("name", flat=True),
    }
    return render(request, "ai_chat/calls.html", context)


@require_safe
@exports
def calls_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All calls that the filters let through, the latest first."""
    form = CallsForm(request.GET, account_id=request.user.pk)
    if not form.is_valid():
        raise form.refusal
    return csv_response(log.batches(form.rows()), log.COLUMNS, name="tally-calls")
