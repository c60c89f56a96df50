"""The pages around credits: the meter, the statement, prices, and the front door."""

from collections.abc import Mapping
from datetime import date

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from credits.catalogue.models import models_by_tokens, models_that_need_a_plan
from credits.catalogue.packs import packs_on_sale
from credits.features import FEATURES, TEXT
from credits.http import AuthenticatedHttpRequest
from credits.models import Plan
from credits.outcomes import FOR_PEOPLE, RETURNED_LATE
from credits.pricing import get_feature_cost, get_feature_costs
from credits.statement.chart import draw
from credits.statement.days import month_around, recent_months, today
from credits.statement.forms import StatementForm
from credits.statement.lines import line_of
from credits.statement.meter import get_meter
from credits.statement.rows import get_page, get_range, step_of, sums_by_step, time_of_row, total


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("chat")
    context = {"text_cost": get_feature_cost(TEXT), "welcome_credits": settings.SIGNUP_CREDITS}
    return render(request, "credits/home.html", context)


@login_not_required
@require_safe
def balance(request: HttpRequest) -> HttpResponse:
    """The meter: 204 while it shows what it showed before."""
    if not request.user.is_authenticated:
        return render(request, "base.html#meter", {"meter": None}, status=401)
    # Read with the session: an unchanged meter costs no statement of its own.
    version = getattr(request.session, "meter_version", None)
    if version and request.GET.get("v") == f"{request.user.pk}.{version}":
        return HttpResponse(status=204)
    return render(request, "base.html#meter", {"meter": get_meter(user_id=request.user.pk)})


@require_safe
def usage(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The statement of whoever asks: of a month, of some days, or of the month of their `row`."""
    form = StatementForm(request.GET, account_id=request.user.pk)
    if not form.is_valid():
        return _statement(request, form, month_around(today()), status=400)
    row = form.cleaned_data["row"]
    written = time_of_row(user_id=request.user.pk, row_id=row) if row else None
    if row and written:
        # What came back unused is told at the line of its charge.
        form.cleaned_data["row"] = row = line_of(account_id=request.user.pk, row_id=row)
        written = time_of_row(user_id=request.user.pk, row_id=row)
    elif row:
        form.add_error(None, f"There is no row #{row} in your statement.")
        return _statement(request, form, month_around(today()), status=404)
    day = timezone.localdate(written) if written else today()
    return _statement(request, form, form.days or month_around(day))


def _statement(
    request: AuthenticatedHttpRequest,
    form: StatementForm,
    days: tuple[date, date],
    *,
    status: int = 200,
) -> HttpResponse:
    # First, because it makes expired credits leave: the statement and the meter must agree.
    meter = get_meter(user_id=request.user.pk)
    span = get_range(user_id=request.user.pk, first=days[0], last=days[1])
    steps = sums_by_step(span)
    context = {
        "meter": meter,
        "form": form,
        "span": span,
        "sums": total(steps.values()),
        "chart": draw(span, steps),
        "step": step_of(span),
        "page": get_page(span, **form.kinds, **form.place),
        "is_new": not span.closing.row_id and not request.user.usage.exists(),
        "months": recent_months(timezone.localdate(request.user.date_joined)),
        "today": today(),
    }
    return render(request, "credits/usage.html", context, status=status)


@login_not_required
@require_safe
def pricing(
    request: HttpRequest,
    template: str = "credits/pricing.html",
    extra: Mapping[str, object] | None = None,
) -> HttpResponse:
    """What things cost now, what a month of each plan brings, and the packs on sale."""
    costs = get_feature_costs()
    plans = Plan.objects.filter(active=True).order_by("credits", "name")
    special = models_that_need_a_plan()
    context = {
        "features": [{"feature": feature, "cost": costs[key]} for key, feature in FEATURES.items()],
        "plans": [
            {
                "plan": plan,
                "units": _units(plan.credits, costs),
                "models": [model.label for model in special if model.comes_with(plan)],
            }
            for plan in plans
        ],
        "packs": [(pack, _units(pack.credits, costs)) for pack in packs_on_sale()],
        "shop_text": settings.CREDIT_SHOP_TEXT,
        "by_tokens": models_by_tokens(),
        "welcome_credits": settings.SIGNUP_CREDITS,
        "outcomes": FOR_PEOPLE,
        "returned_late": RETURNED_LATE,
        **(extra or {}),
    }
    return render(request, template, context)


def _units(credits_: int, costs: dict[str, int]) -> list[tuple[str, int]]:
    """How many of each feature so many credits buy; what is free or out of reach is left out."""
    counts = [(FEATURES[key].unit, credits_ // cost) for key, cost in costs.items() if cost]
    return [(unit, count) for unit, count in counts if count]
