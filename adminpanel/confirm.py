"""Asking admins again who they are: what they can do is worth more than a browser left open."""

from typing import Any, cast

from django.contrib.auth.views import RedirectURLMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from credits.models import User
from credits.users.forms import ConfirmForm
from credits.users.permissions import confirm, is_admin_request
from credits.users.second_factor import lacks_second_factor, mark_passed
from credits.users.trail import Kind, record


@method_decorator(sensitive_post_parameters(), name="dispatch")
class ConfirmView(RedirectURLMixin, FormView):  # type: ignore[type-arg]
    """The password once more, with a code, then back. Who has none with us (Clerk) signs in
    anew."""

    template_name = "adminpanel/confirm.html"
    form_class = ConfirmForm
    next_page = "admin"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated and not is_admin_request(request):
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(lacks_factor=lacks_second_factor(self.request), **kwargs)

    def form_valid(self, form: ConfirmForm) -> HttpResponse:
        user = cast(User, self.request.user)
        confirm(self.request)
        mark_passed(self.request, user)
        record(Kind.CONFIRMED, user=user, request=self.request)
        return super().form_valid(form)
