"""The pages about everything that one user has here: take it along, delete it, close the account;
and what is kept of people."""

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ai_chat.data import jobs
from ai_chat.data.kept_responses import set_keeping
from ai_chat.data.privacy import KEPT
from ai_chat.models import Conversation, DataJob, ImageRequest
from ai_chat.sharing.services import shares_of
from config.serving.capacity import exports
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment
from credits.ledger import get_balance
from credits.models import User
from credits.users.closing import LastAdmin, close_own_account
from credits.users.forms import ConfirmForm
from credits.users.permissions import refuse_impersonated
from credits.users.views import LocalAccountMixin

#: What can be deleted as a whole, by its name in the address, and how many there are.
WHOLE = {"chats": Conversation, "images": ImageRequest}


@require_safe
def account_data(request: AuthenticatedHttpRequest) -> HttpResponse:
    """What there is, and what can be done with all of it; htmx asks for the jobs alone."""
    return data_page(request)


def data_page(
    request: AuthenticatedHttpRequest,
    *,
    problem: str = "",
    import_problem: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page, with what spoke against an archive or an import."""
    rows = list(jobs.jobs_of(user_id=request.user.pk))
    context = {
        "jobs": rows,
        "is_open": any(job.is_open for job in rows),
        "problem": problem,
        "import_problem": import_problem,
        "import_megabytes": settings.LARGE_BODIES[reverse("account-import")] // 10**6,
        "most": jobs.ARCHIVES_A_DAY,
        "days": jobs.ARCHIVE_KEPT.days,
        "response_days": settings.API_RESPONSE_DAYS,
        "hours": int(jobs.ERASED_WITHIN.total_seconds() // 3600),
    }
    template = "ai_chat/data.html"
    return render_page_or_fragment(request, template, "jobs", context, status=status)


@require_POST
def ask_for_archive(request: AuthenticatedHttpRequest) -> HttpResponse:
    refuse_impersonated(request)
    try:
        jobs.start_archive(user_id=request.user.pk)
    except jobs.TooManyArchives as error:
        answer = data_page(request, problem=str(error), status=error.status)
        answer["Retry-After"] = str(error.retry_seconds)
        return answer
    return redirect("account-data")


@require_safe
@cache_control(private=True, no_store=True)
@exports
def archive(request: AuthenticatedHttpRequest, job_id: UUID) -> HttpResponseBase:
    """The archive, to its owner."""
    refuse_impersonated(request)
    job = get_object_or_404(DataJob.objects.exclude(file=""), pk=job_id, user_id=request.user.pk)
    try:
        content = default_storage.open(job.file)
    except FileNotFoundError:
        raise Http404 from None
    name = f"tally-{job.created_at:%Y-%m-%d}.zip"
    return FileResponse(content, as_attachment=True, filename=name, content_type="application/zip")


@require_http_methods(["GET", "HEAD", "POST"])
def keeping(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Whether responses of the API are kept, as `keeps` says; turned off, those that were are
    deleted, which a GET asks about."""
    if request.method != "POST":
        return render(request, "ai_chat/keep_none.html")
    refuse_impersonated(request)
    keeps = request.POST.get("keeps") == "1"
    set_keeping(account_id=request.user.pk, keeps=keeps)
    messages.success(request, f"Responses of the API are {'kept' if keeps else 'not kept'}.")
    return redirect("account-data")


@require_http_methods(["GET", "HEAD", "POST"])
def delete_all(request: AuthenticatedHttpRequest, kind: str) -> HttpResponse:
    """Asks first; the POST has all chats, or all images, deleted."""
    if kind not in WHOLE:
        raise Http404
    if request.method != "POST":
        many = WHOLE[kind]._default_manager.filter(user_id=request.user.pk).count()
        links = shares_of(request.user.pk).count() if kind == "chats" else 0
        context = {"kind": kind, "many": many, "links": links}
        return render(request, "ai_chat/delete_all.html", context)
    refuse_impersonated(request)
    jobs.start(user_id=request.user.pk, kind=kind)
    return redirect("account-data")


@method_decorator(sensitive_post_parameters(), name="dispatch")
class CloseView(LocalAccountMixin):
    """Closes a local account; others are closed where people sign in."""

    template_name = "ai_chat/close.html"
    form_class = ConfirmForm
    success_url = reverse_lazy("home")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not cast(User, request.user).has_usable_password():
            return redirect("account")
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        refuse_impersonated(request)
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        remaining = get_balance(user_id=cast(User, self.request.user).pk).remaining
        hours = int(jobs.ERASED_WITHIN.total_seconds() // 3600)
        return super().get_context_data(remaining=remaining, hours=hours, **kwargs)

    def form_valid(self, form: ConfirmForm) -> HttpResponse:
        try:
            close_own_account(user=cast(User, self.request.user), request=self.request)
        except LastAdmin as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        logout(self.request)
        messages.success(self.request, "Your account is closed. Its content is being erased.")
        return redirect(self.get_success_url())


@login_not_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept of people, why, and for how long."""
    return render(request, "ai_chat/privacy.html", {"kept": KEPT})
