"""Setting up a second factor, and signing in with it.

Between the right password and the right code nobody is signed in: an anonymous session holds for
CODE_SECONDS whose code is expected."""

import time
from typing import Any
from urllib.parse import quote

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django.views.generic import FormView

from credits.http import AuthenticatedHttpRequest, address_here
from credits.models import User
from credits.users import second_factor as factor
from credits.users.forms import (
    CodeField,
    ConfirmForm,
    RequestForm,
    confirm_code,
    confirm_password,
    password_field,
)

BACKEND = "credits.users.sessions.AccountBackend"
#: The key in an anonymous session for the user whose code is expected, and for how many seconds.
EXPECTED = "code_expected"
CODE_SECONDS = 600


def ask_for_code(request: HttpRequest, user: User, *, back: str) -> HttpResponse:
    """The answer to a right password when a code must follow; after that the browser goes
    `back`."""
    request.session.flush()
    request.session[EXPECTED] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "since": int(time.time()),
        "back": back,
    }
    request.session.set_expiry(CODE_SECONDS)
    return redirect("sign-in-code")


def _expected_user(request: HttpRequest) -> User | None:
    """The user whose code is expected; None after CODE_SECONDS, or if the account has changed."""
    expected = request.session.get(EXPECTED)
    if not expected or time.time() - expected["since"] > CODE_SECONDS:
        return None
    user = User.objects.filter(pk=expected["user"], is_active=True).first()
    if user is None or not user.second_factor_at:
        return None
    is_same = constant_time_compare(user.get_session_auth_hash(), expected["password"])
    return user if is_same else None


class SignInCodeForm(forms.Form):
    code = CodeField()


@method_decorator([sensitive_post_parameters(), login_not_required], name="dispatch")
class SignInCodeView(FormView):  # type: ignore[type-arg]
    """The code after the password. Without a recent password the browser is sent to the sign-in."""

    template_name = "credits/users/sign_in_code.html"
    form_class = SignInCodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated:
            return redirect(settings.LOGIN_REDIRECT_URL)
        user = _expected_user(request)
        if user is None:
            back = request.session.get(EXPECTED, {}).get("back", "/")
            return redirect_to_login(back, "sign-in-password")
        self.user = user
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignInCodeForm) -> HttpResponse:
        confirm_code(form, user=self.user, request=self.request)
        if form.errors:
            return self.form_invalid(form)
        back = self.request.session[EXPECTED]["back"]  # LoginView has checked that it is safe.
        self.request.session.flush()
        login(self.request, self.user, backend=BACKEND)
        factor.mark_passed(self.request, self.user)
        return redirect(back)


class SetUpForm(RequestForm):
    """The password, and the first code of the app."""

    secret = forms.CharField(max_length=500, widget=forms.HiddenInput)
    password = password_field("Current password")
    code = CodeField()

    def clean(self) -> dict[str, Any]:
        confirm_password(self, "password", self.request)
        return self.cleaned_data

    def save(self) -> list[str] | None:
        """Sets up the app and returns its recovery codes; None with an error on the form."""
        data = self.cleaned_data
        secret = factor.secret_of(self.user, data["secret"])
        if secret is None:
            self.add_error("code", "This QR code is too old: scan the new one.")
            return None
        try:
            return factor.set_up(
                user=self.user, secret=secret, code=data["code"], request=self.request
            )
        except factor.WrongCode:
            self.add_error("code", "The app shows another code: look at it again.")
            return None


class ChangeForm(ConfirmForm):
    """New recovery codes, or removing the second factor."""

    action = forms.ChoiceField(choices=[("codes", ""), ("remove", "")])
    password = password_field("Current password")

    def save(self) -> list[str]:
        """New recovery codes; none where the second factor was removed."""
        if self.cleaned_data["action"] == "remove":
            factor.remove(user=self.user, request=self.request)
            return []
        factor.mark_passed(self.request, self.user)
        return factor.make_recovery_codes(user=self.user, request=self.request)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Sets up the second factor, changes or removes it. Accounts without a local password have
    theirs at Clerk."""
    user = request.user
    form_class = ChangeForm if user.second_factor_at else SetUpForm
    if request.method != "POST":
        return _page(request, form_class(request))
    if not user.has_usable_password():
        raise PermissionDenied
    form = form_class(request, request.POST)
    codes = form.save() if form.is_valid() else None
    if codes is None:
        return _page(request, form)
    if not codes:
        messages.success(request, "The second factor is removed. Other devices are signed out.")
        return redirect("account")
    text = "".join(f"{code}\n" for code in codes)
    context = {"codes": codes, "file": f"data:text/plain,{quote(text)}", "next": _next(request)}
    return render(request, "credits/users/recovery_codes.html", context)


def _page(request: AuthenticatedHttpRequest, form: SetUpForm | ChangeForm) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {"form": form, "next": _next(request)}
    if user.second_factor_at:
        context["codes_left"] = factor.recovery_codes_left(user)
    elif user.has_usable_password():
        context["offer"] = factor.offer(user, signed=form.data.get("secret", ""))
    return render(request, "credits/users/second_factor.html", context)


def _next(request: HttpRequest) -> str:
    """The page that sent an admin here, if it is one of this site."""
    target = request.POST.get("next", request.GET.get("next", ""))
    return address_here(request, target)
