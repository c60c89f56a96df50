"""The price of a model by tokens: what holds and is announced, a new one, what it would have done
to last week's uses, and the end of an announcement."""

from datetime import datetime
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime

from adminpanel.settings.forms import snake_case
from adminpanel.settings.preview import DAYS, token_effect
from adminpanel.settings.price_forms import PriceForm
from adminpanel.settings.views import LATEST, as_lines
from config.errors import InvalidInput
from credits.catalogue.exceptions import ChangedMeanwhile
from credits.catalogue.history import Subject
from credits.catalogue.model_changes import read_catalogue
from credits.catalogue.token_price_changes import columns_of, set_token_price, withdraw_price
from credits.catalogue.token_prices import PROVIDER, Prices, price_state
from credits.http import AuthenticatedHttpRequest
from credits.models import AIModel, SettingsChange, TokenPrice
from credits.pricing import get_feature_costs
from credits.users.permissions import admin_action, admin_form, admin_page


@admin_form
def price(request: AuthenticatedHttpRequest, model_id: int) -> HttpResponse:
    """The prices of a model, and the form for another one; a POST sets it."""
    model, prices = _model(model_id)
    if request.method != "POST":
        form = _form(model, prices, request.GET if "by" in request.GET else None)
        return _page(request, model, prices, form)
    form = _form(model, prices, request.POST)
    if not form.is_valid():
        return _page(request, model, prices, form, status=422)
    try:
        row = set_token_price(
            actor=request.user,
            model=model.name,
            prices=form.prices,
            valid_from=form.cleaned_data["valid_from"],
            expected_version=form.cleaned_data["version"],
        )
    except ChangedMeanwhile:
        return _page(request, model, prices, form, status=409)
    except InvalidInput as error:
        _add_errors(form, error)
        return _page(request, model, prices, form, status=422)
    messages.success(request, _outcome(model, row, form.cleaned_data["valid_from"]))
    return redirect("admin-model-price", model.pk)


def _outcome(model: AIModel, row: TokenPrice | None, announced: datetime | None) -> str:
    """What has become of a price that was set: `announced` is when it begins unless that is now."""
    if row is None:
        return "Nothing is changed: that is its price."
    if announced:
        return f"Announced: {model} has another price from {announced:%-d %b %Y %H:%M} UTC on."
    return f"{model} has another price."


@admin_page
def review(request: HttpRequest, model_id: int) -> HttpResponse:
    """What a new price would have done to last week's uses, before anybody says yes."""
    model, prices = _model(model_id)
    form = _form(model, prices, request.GET)
    if not form.is_valid():
        return _page(request, model, prices, form, status=422)
    begins, wanted = form.cleaned_data["valid_from"], form.prices
    if begins and begins < prices.moment:
        form.add_error("valid_from", "A price begins now or later.")
        return _page(request, model, prices, form, status=422)
    row = None if wanted is None else TokenPrice(model=model, **columns_of(wanted))
    former = prices.row_at(max(begins or prices.moment, prices.moment))
    per_unit = get_feature_costs().get(model.feature, 0) * model.price_factor
    context = {
        "model": model,
        "form": form,
        "days": DAYS,
        "rows": _differences(form, former, row),
        "former": former if former and former.is_by_tokens else None,
        "wanted": row,
        "per_unit": per_unit,
        "effect": token_effect(model, row, per_unit=per_unit),
        "back": request.GET.urlencode(),
    }
    return render(request, "adminpanel/model_price_review.html", context)


@admin_action
def withdraw(request: AuthenticatedHttpRequest, model_id: int) -> HttpResponse:
    """Takes an announced price back."""
    model, prices = _model(model_id)
    begins = parse_datetime(request.POST.get("valid_from", ""))
    announced = {row.valid_from: row for row in prices.announced}
    try:
        if begins in announced and begins:
            withdraw_price(
                actor=request.user,
                model=model.name,
                valid_from=begins,
                expected_version=request.POST.get("version"),
            )
            messages.success(request, "It is withdrawn.")
        else:
            messages.info(request, "That price is not announced, or not any more.")
    except ChangedMeanwhile as error:
        messages.error(request, f"Nothing is withdrawn. {error}")
    return redirect("admin-model-price", model.pk)


def _model(model_id: int) -> tuple[AIModel, Prices]:
    """A model that can have a price by tokens, and its prices. Raises Http404."""
    catalogue = read_catalogue()
    for model in catalogue.models:
        if model.pk == model_id and model.can_cost_tokens:
            return model, catalogue.prices[model.pk]
    raise Http404


def _form(model: AIModel, prices: Prices, data: QueryDict | None = None) -> PriceForm:
    """What was sent, or else the price as it stands."""
    if data is not None:
        return PriceForm(data, model=model)
    return PriceForm.of(prices.in_force, prices.version, model=model)


def _add_errors(form: PriceForm, error: InvalidInput) -> None:
    for each in error.issues:
        *parents, last = each["path"] or [""]
        name = f"{PROVIDER}{last}" if parents else snake_case(str(last))
        field = next((known for known in (str(last), name) if known in form.fields), None)
        form.add_error(field, each["message"])


def _differences(
    form: PriceForm, before: TokenPrice | None, after: TokenPrice | None
) -> list[tuple[str, str, str, str, str]]:
    """Of each kind of tokens its label, what it costs before and after, and what the provider
    asked and asks; empty where there is no price."""
    old, new = price_state(before) or {}, price_state(after) or {}
    asked, asks = old.get("provider") or {}, new.get("provider") or {}
    return [
        (label, old.get(name, ""), new.get(name, ""), asked.get(name, ""), asks.get(name, ""))
        for name, label in form.labels.items()
    ]


def _page(
    request: HttpRequest, model: AIModel, prices: Prices, form: PriceForm, *, status: int = 200
) -> HttpResponse:
    """The prices, with this form; says so when others changed them meanwhile (409)."""
    stale = form.is_bound and form.data.get("version", "") != prices.version
    if stale:
        data = cast(QueryDict, form.data).copy()
        data["version"] = prices.version
        form.data = data
    changes = SettingsChange.objects.filter(subject=Subject.TOKEN_PRICE, name=model.name)
    context: dict[str, Any] = {
        "model": model,
        "prices": prices,
        "announced": [(row, price_state(row)) for row in prices.announced],
        "current": _differences(form, prices.in_force, None),
        "form": form,
        "stale": stale,
        "page": {"rows": as_lines(changes.order_by("-pk")[:LATEST])},
    }
    return render(request, "adminpanel/model_price.html", context, status=status)
