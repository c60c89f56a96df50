"""The pages around credits: the meter, the statement, prices, and the front door."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from credits.features import FEATURES
from credits.http import AuthenticatedHttpRequest
from credits.meter import get_meter, still_shows
from credits.models import Plan
from credits.pricing import get_feature_costs


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("chat")
    return render(request, "credits/home.html", {"costs": get_feature_costs()})


@login_not_required
@never_cache
@require_safe
def balance(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The meter: 204 while it shows what it showed before."""
    if still_shows(request, request.GET.get("v", "")):
        return HttpResponse(status=204)
    if not request.user.is_authenticated:
        return render(request, "base.html#meter", {"meter": None}, status=401)
    return render(request, "base.html#meter", {"meter": get_meter(user_id=request.user.pk)})


@never_cache
@require_safe
def usage(request: AuthenticatedHttpRequest) -> HttpResponse:
    return render(request, "credits/usage.html")


@login_not_required
@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    costs = get_feature_costs()
    context = {
        "features": [{"feature": feature, "cost": costs[key]} for key, feature in FEATURES.items()],
        "plans": Plan.objects.filter(active=True).order_by("credits", "name"),
    }
    return render(request, "credits/pricing.html", context)
