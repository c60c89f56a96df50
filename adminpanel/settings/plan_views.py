"""Plans: added, changed, renamed, switched off and removed."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.differences import differences
from adminpanel.settings.forms import FORM_NAMES, PlanForm
from adminpanel.settings.preview import plan_use
from credits.catalogue.exceptions import ChangedMeanwhile, DuplicatePlan, InvalidValue, UnknownPlan
from credits.catalogue.history import Subject, latest_change, plan_state, version_of
from credits.catalogue.plans import create_plan, delete_plan, find_plan, plan_version, update_plan
from credits.http import AuthenticatedHttpRequest
from credits.models import Plan, User
from credits.reports.plans import count_waiting
from credits.users.permissions import admin_form


@admin_form
def edit_plan(request: AuthenticatedHttpRequest, clerk_id: str = "") -> HttpResponse:
    """A plan, or a new one: then the query may say the id and the name of a plan of Clerk's."""
    plan = find_plan(clerk_id)
    if request.method != "POST":
        if clerk_id and plan is None:
            raise Http404
        given = {key: request.GET[key] for key in ("clerk_id", "name") if request.GET.get(key)}
        return _page(request, PlanForm.of(plan) if plan else PlanForm(initial=given), plan)
    form = PlanForm(request.POST)
    if not form.is_valid():
        return _page(request, form, plan, status=422)
    waiting = count_waiting(form.values["clerk_id"])
    try:
        saved = _save(request.user, clerk_id, form)
    except (ChangedMeanwhile, UnknownPlan):
        return _changed_meanwhile(request, form, clerk_id)
    except (DuplicatePlan, InvalidValue) as error:
        path = error.path if isinstance(error, InvalidValue) else ("clerkId",)
        form.add_error(FORM_NAMES.get(str(path[-1])) if path else None, str(error))
        return _page(request, form, plan, status=409 if path == ("clerkId",) else 422)
    if form.changes or not clerk_id:
        done = "changed" if clerk_id else "added"
        messages.success(request, f"{saved.name} is {done}.{_paid(saved, waiting)}")
    else:
        messages.info(request, "Nothing was changed.")
    return redirect("admin-settings")


def _save(actor: User, clerk_id: str, form: PlanForm) -> Plan:
    if not clerk_id:
        return create_plan(actor=actor, **form.values)
    return update_plan(
        actor=actor, clerk_id=clerk_id, changes=form.changes, expected_version=version_of(form.seen)
    )


def _page(
    request: HttpRequest, form: PlanForm, plan: Plan | None, *, status: int = 200, **more: Any
) -> HttpResponse:
    use = plan_use(plan.clerk_id) if plan else None
    waiting = use.waiting if use else count_waiting(str(form["clerk_id"].value()))
    context = {"form": form, "plan": plan, "use": use, "waiting": waiting, **more}
    return render(request, "adminpanel/plan.html", context, status=status)


def _changed_meanwhile(request: HttpRequest, form: PlanForm, clerk_id: str) -> HttpResponse:
    """What the other admin changed, and the same wishes on top of it. If the plan was renamed or
    removed, the values are kept, to be added again if that is wanted."""
    newer = latest_change(Subject.PLAN, clerk_id)
    plan = find_plan(clerk_id)
    if plan is None:
        return _page(request, form, None, status=409, removed=True, newer=newer)
    moved = differences(form.seen, plan_state(plan))
    form = form.rebased(plan_state(plan))
    return _page(request, form, plan, status=409, moved=moved, newer=newer)


def _paid(plan: Plan, waiting: int) -> str:
    """What became of subscriptions that had paid for this plan before it was mapped."""
    paid = waiting - count_waiting(plan.clerk_id)
    if paid <= 0:
        return ""
    have = "subscription that waited has" if paid == 1 else "subscriptions that waited have"
    return f" {paid:,} {have} their credits."


@admin_form
def remove_plan(request: AuthenticatedHttpRequest, clerk_id: str) -> HttpResponse:
    """Says what a removal touches, and removes."""
    plan = find_plan(clerk_id)
    if plan is None:
        raise Http404
    newer, status = None, 200
    if request.method == "POST":
        version = request.POST.get("version", "")
        try:
            delete_plan(actor=request.user, clerk_id=clerk_id, expected_version=version)
            messages.success(request, f"{plan.name} is removed. What it granted stays.")
            return redirect("admin-settings")
        except UnknownPlan:
            messages.info(request, f"{plan.name} was removed already.")
            return redirect("admin-settings")
        except ChangedMeanwhile:
            plan.refresh_from_db()
            newer, status = latest_change(Subject.PLAN, clerk_id), 409
    use = plan_use(clerk_id)
    context = {"plan": plan, "version": plan_version(plan), "use": use, "newer": newer}
    return render(request, "adminpanel/plan_delete.html", context, status=status)
