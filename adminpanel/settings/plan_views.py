"""Plans: added, changed, renamed, switched off and removed."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.settings.editing import Editing
from adminpanel.settings.forms import PlanForm
from adminpanel.settings.preview import plan_use
from credits.catalogue.exceptions import ChangedMeanwhile, InUse, NotInCatalogue
from credits.catalogue.history import Subject, latest_change, plan_state
from credits.catalogue.plans import create_plan, delete_plan, find_plan, plan_version, update_plan
from credits.http import AuthenticatedHttpRequest
from credits.models import Plan, User
from credits.reports.plans import count_waiting
from credits.users.permissions import admin_form


class PlanEditing(Editing[Plan, PlanForm]):
    template = "adminpanel/plan.html"
    subject = Subject.PLAN
    name_field = "clerk_id"

    def find(self) -> Plan | None:
        return find_plan(self.key)

    def state(self, row: Plan) -> dict[str, Any]:
        return plan_state(row)

    def form(self, data: Any = None) -> PlanForm:
        query = self.request.GET
        given = {key: query[key] for key in ("clerk_id", "name") if query.get(key)}
        return PlanForm(data, initial=given)

    def shown(self, row: Plan) -> PlanForm:
        return PlanForm.of(plan_state(row))

    def create(self, actor: User, form: PlanForm) -> Plan:
        self.waiting = count_waiting(form.values["clerk_id"])
        return create_plan(actor=actor, **form.values)

    def change(self, actor: User, form: PlanForm, expected_version: str) -> Plan:
        self.waiting = count_waiting(form.values["clerk_id"])
        return update_plan(
            actor=actor, clerk_id=self.key, changes=form.changes, expected_version=expected_version
        )

    def done(self, saved: Plan) -> str:
        return _paid(saved, self.waiting)

    def context(self, form: PlanForm) -> dict[str, Any]:
        use = plan_use(self.row.clerk_id) if self.row else None
        waiting = use.waiting if use else count_waiting(str(form["clerk_id"].value()))
        return {"plan": self.row, "use": use, "waiting": waiting}


@admin_form
def edit_plan(request: AuthenticatedHttpRequest, clerk_id: str = "") -> HttpResponse:
    """A plan, or a new one: then the query may say the id and the name of a plan of Clerk's."""
    return PlanEditing(request, clerk_id).respond()


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
    newer, refusal, status = None, "", 200
    if request.method == "POST":
        version = request.POST.get("version", "")
        try:
            delete_plan(actor=request.user, clerk_id=clerk_id, expected_version=version)
            messages.success(request, f"{plan.name} is removed. What it granted stays.")
            return redirect("admin-settings")
        except NotInCatalogue:
            messages.info(request, f"{plan.name} was removed already.")
            return redirect("admin-settings")
        except InUse as error:
            refusal, status = str(error), 409
        except ChangedMeanwhile:
            plan.refresh_from_db()
            newer, status = latest_change(Subject.PLAN, clerk_id), 409
    use = plan_use(clerk_id)
    context = {"plan": plan, "version": plan_version(plan), "use": use, "newer": newer}
    context["refusal"] = refusal
    return render(request, "adminpanel/plan_delete.html", context, status=status)
