"""Plans: added, changed, renamed, switched off and removed."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from adminpanel.differences import differences
from adminpanel.settings.forms import PlanForm
from adminpanel.settings.preview import plan_use
from credits.catalogue.exceptions import ChangedMeanwhile, DuplicatePlan, InvalidValue, UnknownPlan
from credits.catalogue.history import Subject, latest_change, plan_state
from credits.catalogue.plans import create_plan, delete_plan, find_plan, plan_version, update_plan
from credits.http import AuthenticatedHttpRequest
from credits.models import Plan, SettingsChange
from credits.reports.plans import count_waiting
from credits.users.permissions import admin_page

METHODS = ["GET", "HEAD", "POST"]


@admin_page
@require_http_methods(METHODS)
def new_plan(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The query may say the id and the name: those of a plan that Clerk names."""
    if request.method != "POST":
        wanted = {key: request.GET[key] for key in ("clerk_id", "name") if request.GET.get(key)}
        return _form_page(request, PlanForm(initial=wanted))
    form = PlanForm(request.POST)
    if not form.is_valid():
        return _form_page(request, form, status=422)
    waiting = count_waiting(form.values["clerk_id"])
    try:
        plan = create_plan(actor=request.user, **form.values)
    except (DuplicatePlan, InvalidValue) as error:
        return _refused(request, form, error, None)
    messages.success(request, f"{plan.name} is added.{_paid(plan, waiting)}")
    return redirect("admin-settings")


@admin_page
@require_http_methods(METHODS)
def edit_plan(request: AuthenticatedHttpRequest, clerk_id: str) -> HttpResponse:
    plan = find_plan(clerk_id)
    if request.method != "POST":
        if plan is None:
            raise Http404
        return _form_page(request, PlanForm.of(plan), plan)
    form = PlanForm(request.POST)
    if not form.is_valid():
        return _form_page(request, form, plan, status=422)
    waiting = count_waiting(form.values["clerk_id"])
    try:
        plan = update_plan(
            actor=request.user,
            clerk_id=clerk_id,
            changes=form.changes,
            expected_version=form.version,
        )
    except ChangedMeanwhile:
        return _changed_meanwhile(request, form, clerk_id)
    except UnknownPlan:
        return _removed_meanwhile(request, form, clerk_id)
    except (DuplicatePlan, InvalidValue) as error:
        return _refused(request, form, error, plan)
    if form.changes:
        messages.success(request, f"{plan.name} is changed.{_paid(plan, waiting)}")
    else:
        messages.info(request, "Nothing was changed.")
    return redirect("admin-settings")


@admin_page
@require_http_methods(METHODS)
def remove_plan(request: AuthenticatedHttpRequest, clerk_id: str) -> HttpResponse:
    """Says what a removal touches, and removes."""
    plan = find_plan(clerk_id)
    if plan is None:
        raise Http404
    if request.method == "POST":
        version = request.POST.get("version", "")
        try:
            delete_plan(actor=request.user, clerk_id=clerk_id, expected_version=version)
        except ChangedMeanwhile:
            newer = latest_change(Subject.PLAN, clerk_id)
            return _remove_page(request, Plan.objects.get(clerk_id=clerk_id), newer, status=409)
        except UnknownPlan:
            messages.info(request, f"{plan.name} was removed already.")
            return redirect("admin-settings")
        messages.success(request, f"{plan.name} is removed. What it granted stays.")
        return redirect("admin-settings")
    return _remove_page(request, plan)


def _remove_page(
    request: HttpRequest, plan: Plan, newer: SettingsChange | None = None, *, status: int = 200
) -> HttpResponse:
    context = {
        "plan": plan,
        "version": plan_version(plan),
        "use": plan_use(plan.clerk_id),
        "newer": newer,
    }
    return render(request, "adminpanel/plan_delete.html", context, status=status)


def _form_page(
    request: HttpRequest,
    form: PlanForm,
    plan: Plan | None = None,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context = {"form": form, "plan": plan, "waiting": 0, **more}
    if plan:
        context["use"] = plan_use(plan.clerk_id)
    elif waits := form["clerk_id"].value():
        context["waiting"] = count_waiting(str(waits))
    return render(request, "adminpanel/plan.html", context, status=status)


def _refused(
    request: HttpRequest, form: PlanForm, error: DuplicatePlan | InvalidValue, plan: Plan | None
) -> HttpResponse:
    """The catalogue's refusal, beside its field."""
    path = error.path if isinstance(error, InvalidValue) else ("clerkId",)
    form.take_refusal(path, str(error))
    return _form_page(request, form, plan, status=409 if path == ("clerkId",) else 422)


def _changed_meanwhile(request: HttpRequest, form: PlanForm, clerk_id: str) -> HttpResponse:
    """What the other admin changed, and the same wishes on top of it."""
    plan = Plan.objects.get(clerk_id=clerk_id)
    moved = differences(form.seen, plan_state(plan))
    return _form_page(
        request, form.rebased(plan_state(plan)), plan, status=409,
        moved=moved, newer=latest_change(Subject.PLAN, clerk_id),
    )  # fmt: skip


def _removed_meanwhile(request: HttpRequest, form: PlanForm, clerk_id: str) -> HttpResponse:
    """Renamed or removed by somebody: the values are kept, to be added again if that is wanted."""
    return _form_page(
        request, form, status=409, gone=True, newer=latest_change(Subject.PLAN, clerk_id)
    )


def _paid(plan: Plan, waiting: int) -> str:
    """What became of subscriptions that had paid for this plan before it was mapped."""
    left = count_waiting(plan.clerk_id)
    if waiting <= left:
        return ""
    paid = waiting - left
    have = "subscription that waited has" if paid == 1 else "subscriptions that waited have"
    return f" {paid:,} {have} their credits."
