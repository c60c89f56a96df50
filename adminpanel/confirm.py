"""Asking admins again who they are: what they can do is worth more than a browser left open."""

from typing import Any

from django import forms
from django.contrib.auth.views import RedirectURLMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from credits.users.forms import confirm_password, password_field
from credits.users.permissions import confirm, is_admin


class ConfirmForm(forms.Form):
    password = password_field()


@method_decorator(sensitive_post_parameters(), name="dispatch")
class ConfirmView(RedirectURLMixin, FormView):  # type: ignore[type-arg]
    """The password once more, then back. Who has none with us (Clerk) signs in anew."""

    template_name = "adminpanel/confirm.html"
    form_class = ConfirmForm
    next_page = "admin"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated and not is_admin(request.user):
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: ConfirmForm) -> HttpResponse:
        confirm_password(form, "password", self.request)
        if form.errors:
            return self.form_invalid(form)
        confirm(self.request)
        return super().form_valid(form)
