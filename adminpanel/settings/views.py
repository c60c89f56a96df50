"""The settings: prices looked at, changed, reviewed; plans, models and providers listed; changes
looked at and taken back."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from adminpanel.differences import Difference, differences, readable
from adminpanel.settings.forms import CostsForm
from adminpanel.settings.preview import DAYS, effects, plan_use
from adminpanel.users.search import subscribers
from config.pagination import Key, Page, paginate
from credits.catalogue.exceptions import CannotUndo, ChangedMeanwhile
from credits.catalogue.history import (
    Subject,
    current_states,
    latest_change,
    name_after,
    stands,
    version_of,
)
from credits.catalogue.model_changes import read_catalogue
from credits.catalogue.prices import set_feature_costs
from credits.catalogue.undo import CHANGED, state_before, undo_change
from credits.exceptions import OwnAccount
from credits.features import FEATURES
from credits.http import AuthenticatedHttpRequest
from credits.models import Pack, Plan, SettingsChange
from credits.models.catalogue import model_label
from credits.pricing import get_feature_costs
from credits.reports.plans import unmapped_plans
from credits.statement.forms import PageForm
from credits.users.permissions import admin_action, admin_form, admin_page

#: How many changes the settings page shows.
LATEST = 8


class Line(NamedTuple):
    """A change. It can be undone as long as what it left is still there."""

    change: SettingsChange
    what: str
    differences: list[Difference]
    can_be_undone: bool


def get_changes(*, older_than: Key | None = None, size: int = 50) -> Page[Line]:
    """A page of changes, newest first."""
    changes = SettingsChange.objects.all()
    return paginate(changes, size=size, older_than=older_than, onwards_only=True).map(as_lines)


def as_lines(changes: Iterable[SettingsChange]) -> list[Line]:
    states = current_states()
    return [
        Line(row, what_of(row), differences(row.before, row.after), stands(row, states))
        for row in changes
    ]


def what_of(change: SettingsChange) -> str:
    """What was done, for people."""
    if change.subject == SettingsChange.Subject.PRICE:
        feature = FEATURES.get(change.name)
        return feature.label if feature else change.name
    if change.subject == SettingsChange.Subject.TOKEN_PRICE:
        return f"Token price of {model_label(change.name)}"
    state = change.after or change.before or {}
    name = state.get("label") or state.get("name", change.name)
    if change.before is None:
        return f"{name} added"
    return f"{name} removed" if change.after is None else str(name)


@admin_page
def settings(request: HttpRequest) -> HttpResponse:
    """Prices and plans; the query may carry prices that are being edited."""
    return _page(request, CostsForm(request.GET, current=get_feature_costs()))


@admin_page
def preview(request: HttpRequest) -> HttpResponse:
    """The figures beside the prices, while somebody types."""
    form = CostsForm(request.GET, current=get_feature_costs())
    return render(request, "adminpanel/settings.html#live", {**_costs(form), "live": True})


@admin_page
def review(request: HttpRequest) -> HttpResponse:
    """What the new prices do, before anybody says yes."""
    form = CostsForm(request.GET, current=get_feature_costs())
    if form.moved or not form.is_valid():
        return _refused(request, form)
    if not form.changes:
        messages.info(request, "Nothing is changed: these are the prices that hold.")
        return redirect("admin-settings")
    by_feature = effects(form.current, form.changes)
    context = {
        "form": form,
        "effects": [by_feature[key] for key in form.changes],
        "back": request.GET.urlencode(),
    }
    return render(request, "adminpanel/settings_review.html", context)


@admin_action
def save(request: AuthenticatedHttpRequest) -> HttpResponse:
    form = CostsForm(request.POST, current=get_feature_costs())
    if form.moved or not form.is_valid():
        return _refused(request, form)
    changes, version = form.changes, version_of(form.was)
    try:
        set_feature_costs(
            actor=request.user, costs=changes, reset=form.reset, expected_version=version
        )
    except ChangedMeanwhile:
        return _page(request, CostsForm(request.POST, current=get_feature_costs()), status=409)
    lines = [f"{FEATURES[key].label} {form.was[key]:,} → {cost:,}" for key, cost in changes.items()]
    messages.success(request, f"Saved: {', '.join(lines)}." if lines else "Nothing was changed.")
    return redirect("admin-settings")


def _refused(request: HttpRequest, form: CostsForm) -> HttpResponse:
    """The form again: others changed prices meanwhile (409), or what was typed is wrong (422)."""
    return _page(request, form, status=409 if form.moved else 422)


def _page(request: HttpRequest, form: CostsForm, *, status: int = 200) -> HttpResponse:
    """The settings, with these prices in the fields; says so when others changed some meanwhile."""
    moved = [
        (FEATURES[key], form.was[key], form.current[key], latest_change(Subject.PRICE, key))
        for key in form.moved
    ]
    plans = list(Plan.objects.all())
    counts = subscribers([plan.clerk_id for plan in plans])
    context = {
        **_costs(form.rebased() if moved and form.is_bound else form),
        "moved": moved,
        "plans": [(plan, counts[plan.clerk_id]) for plan in plans],
        "unmapped": unmapped_plans(),
        "packs": Pack.objects.all(),
        "catalogue": read_catalogue(),
        "page": get_changes(size=LATEST),
    }
    return render(request, "adminpanel/settings.html", context, status=status)


def _costs(form: CostsForm) -> dict[str, Any]:
    """What the table of prices needs: each feature's field, and what its new price would do."""
    changes = form.changes
    by_feature = effects(form.current, changes)
    rows = [(form[key], by_feature[key], key in changes) for key in FEATURES]
    week_ago = timezone.now().date() - timedelta(days=DAYS)  # Of /admin/usage: a day in UTC.
    return {"form": form, "rows": rows, "changes": changes, "week_ago": week_ago}


@admin_page
def history(request: HttpRequest) -> HttpResponse:
    """All changes, in pages."""
    form = PageForm(request.GET)
    if not form.is_valid():
        raise BadRequest("There is no such row.")
    page = get_changes(older_than=form.place["older_than"])
    return render(request, "adminpanel/settings_history.html", {"page": page})


@admin_form
def undo(request: AuthenticatedHttpRequest, change_id: int) -> HttpResponse:
    """Asks, and puts back what was before a change."""
    change = get_object_or_404(SettingsChange, pk=change_id)
    refusal = ""
    if request.method == "POST":
        try:
            undo_change(actor=request.user, change_id=change_id)
            messages.success(request, f"Undone: {what_of(change)} is as it was before.")
            return redirect("admin-settings")
        except (CannotUndo, OwnAccount) as error:
            refusal = str(error)
    [line] = as_lines([change])
    context: dict[str, Any] = {
        "line": line,
        "refusal": refusal or ("" if line.can_be_undone else CHANGED),
        "back": differences(change.after, state_before(change)),
        "newer": latest_change(change.subject, name_after(change))
        if not line.can_be_undone
        else None,
    }
    if change.subject == Subject.PRICE and change.name in FEATURES:
        now, earlier = get_feature_costs(), int(change.before or 0)
        context["now"] = readable(now[change.name])
        context["effect"] = effects(now, {change.name: earlier})[change.name]
    elif change.subject == Subject.PLAN and change.after is not None:
        context["use"] = plan_use(name_after(change))
    status = 409 if refusal else 200
    return render(request, "adminpanel/settings_undo.html", context, status=status)
