"""Local accounts: Django's own views with our forms, pages and names."""

from typing import Any, cast

from axes.helpers import get_cool_off
from axes.utils import reset as forgive_wrong_passwords
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic import FormView

from credits.http import AuthenticatedHttpRequest
from credits.models import User
from credits.users import forms
from credits.users.addresses import client_address
from credits.users.proofs import ask_for_proof, lacks_proof, prove, proves_addresses, user_of
from credits.users.second_factor_views import ask_for_code
from credits.users.services import EmailTaken, TooManySignUps, change_profile, may_mail, sign_up
from credits.users.session_views import devices_and_activity


def locked_out(
    request: HttpRequest, _response: HttpResponse | None, _credentials: dict[str, Any] | None
) -> HttpResponse:
    """What AxesMiddleware answers in place of a page after too many wrong passwords."""
    seconds = int(get_cool_off(request).total_seconds())
    answer = render(request, "429.html", {"minutes": seconds // 60}, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


class SignInView(views.LoginView):
    template_name = "credits/users/sign_in.html"
    authentication_form = forms.SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if user.second_factor_at:
            return ask_for_code(self.request, user, back=self.get_success_url())
        return super().form_valid(form)


@method_decorator([sensitive_post_parameters(), login_not_required], name="dispatch")
class SignUpView(views.RedirectURLMixin, FormView):  # type: ignore[type-arg]
    """Makes an account and signs it in."""

    template_name = "credits/users/sign_up.html"
    form_class = forms.SignUpForm
    next_page = settings.LOGIN_REDIRECT_URL
    extra_context = {"welcome_credits": settings.SIGNUP_CREDITS}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated:
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: forms.SignUpForm) -> HttpResponse:
        try:
            welcome = not proves_addresses()
            place = client_address(self.request)
            user = sign_up(**form.cleaned_data, place=place, welcome=welcome)
        except EmailTaken:
            form.add_error("email", "There is an account with this address already.")
            return self.form_invalid(form)
        except TooManySignUps as error:
            form.add_error(None, f"Many accounts were made from where you are. {error}")
            answer = self.form_invalid(form)
            answer.status_code = error.status
            answer["Retry-After"] = str(error.retry_seconds)
            return answer
        login(self.request, user, backend="credits.users.sessions.AccountBackend")
        if not welcome:
            ask_for_proof(user=user, site=site_of(self.request))
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs |= {"next": self.get_redirect_url(), "proves_addresses": proves_addresses()}
        return super().get_context_data(**kwargs)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def prove_address(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """What the link in a letter opens, in whatever browser: a button, so that no program that looks
    at links proves anything."""
    user = user_of(uidb64=uidb64, token=token)
    if request.method != "POST" or user is None:
        answer = render(request, "credits/users/prove.html", {"whose": user})
        add_never_cache_headers(answer)
        return answer
    proved, grant = prove(user=user, token=token)
    if grant:
        messages.success(request, f"Your address is proved: {settings.SIGNUP_CREDITS:,} credits.")
    elif proved:
        before = " It has had its welcome credits before." if settings.SIGNUP_CREDITS else ""
        messages.info(request, f"Your address is proved.{before}")
    return redirect("chat")


@require_POST
def ask_for_letter(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Sends the letter again, a few times an hour."""
    if not lacks_proof(request.user):
        messages.info(request, "There is nothing to prove.")
    elif ask_for_proof(user=request.user, site=site_of(request)):
        messages.success(request, f"The letter is on its way to {request.user.email}.")
    else:
        messages.error(request, "Several letters went to this address. Try again in an hour.")
    return redirect("account")


def site_of(request: HttpRequest) -> str:
    """Scheme and host of this site, for links in letters."""
    return f"{request.scheme}://{request.get_host()}"


class LocalAccountMixin(SuccessMessageMixin, FormView):  # type: ignore[type-arg]
    """Accounts without a password of ours are shown here, and changed where they come from. The
    form gets the request."""

    success_url = reverse_lazy("account")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not cast(User, request.user).has_usable_password():
            raise PermissionDenied
        return super().post(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}


@method_decorator(sensitive_post_parameters(), name="dispatch")
class AccountView(LocalAccountMixin):
    template_name = "credits/users/account.html"
    form_class = forms.ProfileForm
    success_message = "Your account is saved."

    def get_initial(self) -> dict[str, Any]:
        user = cast(User, self.request.user)
        return {"name": user.name, "email": user.email}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**devices_and_activity(self.request), **kwargs)

    def form_valid(self, form: forms.ProfileForm) -> HttpResponse:
        email, name = form.cleaned_data["email"], form.cleaned_data["name"]
        try:
            change_profile(user=form.user, email=email, name=name)
        except EmailTaken:
            form.add_error("email", "Another account has this address.")
            return self.form_invalid(form)
        return super().form_valid(form)


class PasswordChangeView(LocalAccountMixin, views.PasswordChangeView):
    """This session goes on; all others of the account end with the old password."""

    template_name = "credits/users/password_change.html"
    form_class = forms.PasswordChangeForm  # type: ignore[assignment]
    success_message = "Your password is changed. Other devices are signed out."


class PasswordResetView(views.PasswordResetView):
    """Says the same whether or not there is such an account."""

    template_name = "credits/users/password_reset.html"
    form_class = forms.PasswordResetForm
    email_template_name = "credits/users/password_reset_mail.txt"
    subject_template_name = "credits/users/password_reset_subject.txt"
    success_url = reverse_lazy("password-reset-sent")
    extra_email_context = {"hours": settings.PASSWORD_RESET_TIMEOUT // 3600}

    def form_valid(self, form: Any) -> HttpResponse:
        # Mails are counted whether or not there is such an account: the limit tells nothing.
        if may_mail(email=form.cleaned_data["email"]):
            return super().form_valid(form)
        return HttpResponseRedirect(self.get_success_url())


class PasswordResetConfirmView(views.PasswordResetConfirmView):
    template_name = "credits/users/password_reset_confirm.html"
    form_class = forms.NewPasswordForm  # type: ignore[assignment]
    success_url = reverse_lazy("password-reset-done")

    def form_valid(self, form: Any) -> HttpResponse:
        # Whoever reads the account's mail is no guesser: the wrong passwords are forgotten.
        forgive_wrong_passwords(username=form.user.email)
        return super().form_valid(form)
