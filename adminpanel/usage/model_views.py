"""What each model brought in and cost, as a page and as a file."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adminpanel.exports import exported
from adminpanel.forms import FilterForm
from config.serving.capacity import exports
from config.zones import in_utc
from credits.amounts import as_decimal
from credits.catalogue.fields import MODEL_ID
from credits.http import AuthenticatedHttpRequest
from credits.models import AIModel
from credits.models.catalogue import model_label
from credits.reports.models import ModelSums, by_model
from credits.statement.csv_file import Columns, csv_response
from credits.users.permissions import admin_page

#: Days that are shown unless others are asked for, today included.
DAYS = 30


class ModelsForm(FilterForm):
    """Which days (UTC, both included), and which model; the last DAYS days of all unless given."""

    SHOWN = ("model", "from", "to")

    model = forms.CharField(
        label="Model",
        required=False,
        max_length=MODEL_ID.longest,
        widget=forms.TextInput(attrs={"list": "models", "autocomplete": "off"}),
    )

    @property
    def days(self) -> tuple[date, date]:
        """What was asked for; call it on a valid form."""
        last = self.cleaned_data["to"] or datetime.now(UTC).date()
        return self.cleaned_data["from"] or last - timedelta(days=DAYS - 1), last

    def rows(self) -> list[ModelSums]:
        """The models that were charged in these days."""
        first, last = self.days
        return by_model(first=first, last=last, model=self.cleaned_data["model"])


def _credits(pico: int | None) -> Decimal | None:
    return None if pico is None else Decimal(as_decimal(pico))


COLUMNS: Columns[ModelSums] = {
    "Model": lambda row: row.model,
    "Label": lambda row: model_label(row.model),
    "Charges": lambda row: row.charges,
    "Credits charged": lambda row: row.charged,
    "Not used": lambda row: row.unused,
    "Refunded": lambda row: row.refunded,
    "Credits spent": lambda row: row.spent,
    "Uses by tokens": lambda row: row.uses,
    "Estimated": lambda row: row.estimated,
    "Input tokens": lambda row: row.tokens.input,
    "Cached": lambda row: row.tokens.cached,
    "Cache write": lambda row: row.tokens.cache_write,
    "Output tokens": lambda row: row.tokens.output,
    "Reasoning": lambda row: row.tokens.reasoning,
    "Cost": lambda row: _credits(row.cost_pico),
    "Collected": lambda row: _credits(row.collected_pico),
    "Uncollected": lambda row: _credits(row.uncollected_pico),
    "Provider asks": lambda row: _credits(row.provider_cost_pico),
    "Uses without a provider's price": lambda row: row.unknown,
    "Margin": lambda row: _credits(row.margin_pico),
    "Margin in percent": lambda row: row.margin_percent,
}


@admin_page
@in_utc
def models(request: HttpRequest) -> HttpResponse:
    """Tokens, credits, the provider's cost and the margin of each model."""
    form = ModelsForm(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "known": AIModel.objects.values_list("name", flat=True),
    }
    if form.is_valid():
        rows = form.rows()
        context |= {"rows": rows, "days": form.days, "has_uses": any(row.uses for row in rows)}
    status = 200 if form.is_valid() else 400
    return render(request, "adminpanel/usage_models.html", context, status=status)


@admin_page
@require_GET
@exports
@in_utc
def models_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """The same as a file; amounts are exact."""
    form = ModelsForm(request.GET)
    if not form.is_valid():
        raise form.refusal
    exported(request, "models", form)
    return csv_response([form.rows()], COLUMNS, name="tally-models")
