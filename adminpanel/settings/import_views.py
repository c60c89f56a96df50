"""Importing plans: from Clerk or from pasted JSON, compared first, and only what was ticked."""

import time
from collections.abc import Callable, Mapping, Sequence

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.settings import imports
from adminpanel.settings.imports import NotReadable, Offer, Row
from config.text import is_blank
from credits.catalogue.exceptions import ChangedMeanwhile, InvalidValue, NameTaken, NotInCatalogue
from credits.catalogue.fields import PLAN_CREDITS, PLAN_ID
from credits.catalogue.forms import CreditsField
from credits.catalogue.history import Subject, latest_change
from credits.catalogue.plans import PlanRow, import_plans
from credits.clerk import conf
from credits.clerk.client import ClerkClient, ClerkError, ClerkUnavailable
from credits.exceptions import OwnAccount
from credits.http import AuthenticatedHttpRequest
from credits.users.permissions import admin_action, admin_page

#: Seconds of pauses between tries after which a page waits no longer for Clerk.
PATIENCE = 4.0


@admin_page
def start(request: HttpRequest) -> HttpResponse:
    return _start_page(request)


@admin_action
def compare(request: HttpRequest) -> HttpResponse:
    """The differences between what is offered and what is there."""
    pasted = request.POST.get("json", "")
    if "clerk" not in request.POST:
        try:
            return _compare_page(request, imports.read_pasted(pasted), "pasted JSON")
        except NotReadable as error:
            return _start_page(request, 422, pasted=pasted, problems=error.args)
    if not conf.has_backend():
        return _start_page(request, 409)
    try:
        with ClerkClient(sleep=_patience()) as client:
            plans = client.plans()
    except ClerkError as error:
        return _start_page(request, 502, clerk_error=str(error))
    offers = [
        Offer(plan.clerk_id, plan.clerk_id if is_blank(plan.name) else plan.name.strip())
        for plan in plans
        if PLAN_ID.accepts(plan.clerk_id)
    ]
    return _compare_page(request, offers, "Clerk")


@admin_action
def take(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Adds and changes the plans that were ticked, all or none."""
    try:
        source, offers, versions = imports.unsign(request.POST.get("offers", ""))
    except NotReadable as error:
        return _start_page(request, 422, problems=error.args)
    rows = {row.clerk_id: row for row in imports.compare(offers)}
    ticked = [key for key in dict.fromkeys(request.POST.getlist("take")) if key in rows]
    wanted, errors = _wanted(request, [rows[key] for key in ticked], versions)
    if errors or not wanted:
        return _compare_page(request, offers, source, 422, ticked=ticked, errors=errors)
    moved = [row.clerk_id for row in wanted if row.version != rows[row.clerk_id].version]
    try:
        if not moved:
            import_plans(actor=request.user, rows=wanted, reason=f"Imported from {source}")
    except (ChangedMeanwhile, NameTaken, NotInCatalogue):
        moved = [row.clerk_id for row in wanted]
    except (InvalidValue, OwnAccount) as error:
        return _start_page(request, 422, problems=[str(error)])
    if moved:
        return _compare_page(request, offers, source, 409, ticked=ticked, moved=moved)
    count = len(wanted)
    messages.success(request, f"{count} plan{'' if count == 1 else 's'} imported from {source}.")
    return redirect("admin-settings")


def _wanted(
    request: HttpRequest, rows: Sequence[Row], versions: Mapping[str, str | None]
) -> tuple[list[PlanRow], dict[str, str]]:
    """What to import, with the versions that the admin saw; and what is wrong, by plan."""
    wanted, errors = [], {}
    field = CreditsField(PLAN_CREDITS)
    for row in rows:
        key, credits = row.clerk_id, row.credits
        text = request.POST.get(f"credits.{key}")
        if text is not None:
            try:
                credits = field.clean(text)
            except ValidationError as error:
                errors[key] = error.messages[0]
        if credits is None:
            errors.setdefault(key, "Write the credits that a month of it brings.")
        else:
            wanted.append(PlanRow(key, row.name, credits, row.active, versions.get(key)))
    return wanted, errors


def _patience() -> Callable[[float], object]:
    """Waits between tries, but not for ever: somebody is looking at a page that does not come."""
    waited = 0.0

    def sleep(seconds: float) -> None:
        nonlocal waited
        waited += seconds
        if waited > PATIENCE:
            raise ClerkUnavailable("no answer")
        time.sleep(seconds)

    return sleep


def _start_page(request: HttpRequest, status: int = 200, **context: object) -> HttpResponse:
    """`context`: what was `pasted`, the `problems` with it, and `clerk_error`."""
    context["has_clerk"] = conf.has_backend()
    return render(request, "adminpanel/plan_import.html", context, status=status)


def _compare_page(
    request: HttpRequest,
    offers: Sequence[Offer],
    source: str,
    status: int = 200,
    *,
    ticked: Sequence[str] | None = None,
    errors: Mapping[str, str] | None = None,
    moved: Sequence[str] = (),
) -> HttpResponse:
    rows = imports.compare(offers)
    versions = {row.clerk_id: row.version for row in rows if row.can_be_taken}
    lines = [
        {
            "row": row,
            "ticked": row.can_be_taken if ticked is None else row.clerk_id in ticked,
            "credits": request.POST.get(f"credits.{row.clerk_id}", row.credits),
            "error": (errors or {}).get(row.clerk_id, ""),
            "newer": latest_change(Subject.PLAN, row.clerk_id) if row.clerk_id in moved else None,
        }
        for row in rows
    ]
    context = {
        "lines": lines,
        "source": source,
        "offers": imports.sign(source, offers, versions),
        "moved": moved,
        "nothing": ticked == [],
        "can_take": bool(versions),
    }
    return render(request, "adminpanel/plan_import_compare.html", context, status=status)
