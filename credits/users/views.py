"""Local accounts: Django's own views with our forms, pages and names."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse_lazy
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic import FormView

from config.addresses import client_address
from credits.http import AuthenticatedHttpRequest
from credits.models import User
from credits.users import forms, trail
from credits.users.limits import TooManySignUps, forgive, limit_letters
from credits.users.proofs import (
    address_to_prove,
    ask_for_address,
    ask_for_proof,
    lacks_proof,
    prove,
    user_of,
)
from credits.users.resets import ask_for_reset
from credits.users.second_factor_views import ask_for_code
from credits.users.services import (
    EmailTaken,
    change_profile,
    password_was_set,
    sign_up,
)
from credits.users.session_views import devices_and_activity
from credits.users.sign_ups import ask_for_account, make_account, sign_up_of


class SignInView(views.LoginView):
    template_name = "credits/users/sign_in.html"
    authentication_form = forms.SignInForm
    redirect_authenticated_user = True

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        """Signs in, or asks for a code: also where the second factor was set up while the password
        was judged. Setting it up waits for the lock, and then ends the session that began here."""
        user = form.get_user()
        rows = User.objects.select_for_update(no_key=True)
        user.refresh_from_db(fields=["second_factor_at"], from_queryset=rows)
        if user.second_factor_at:
            return ask_for_code(self.request, user, back=self.get_success_url())
        answer = super().form_valid(form)
        self.request.session.save()
        return answer


@method_decorator([sensitive_post_parameters(), login_not_required], name="dispatch")
class SignUpView(views.RedirectURLMixin, FormView):  # type: ignore[type-arg]
    """Makes an account and signs it in; where mail is configured, when the letter to its address is
    answered."""

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
            return self._ask(form) if settings.MAIL_CONFIGURED else self._sign_up(form)
        except EmailTaken:
            form.add_error("email", "There is an account with this address already.")
            return self.form_invalid(form)
        except TooManySignUps as error:
            form.add_error(None, str(error))
            answer = self.form_invalid(form)
            answer.status_code = error.status
            answer["Retry-After"] = str(error.retry_seconds)
            return answer

    def _ask(self, form: forms.SignUpForm) -> HttpResponse:
        sign_up = ask_for_account(**form.cleaned_data, address=client_address(self.request))
        self.request.session[SIGN_UP] = [sign_up.pk, self.get_success_url()]
        return redirect("sign-up-sent")

    def _sign_up(self, form: forms.SignUpForm) -> HttpResponse:
        user = sign_up(**form.cleaned_data, address=client_address(self.request))
        trail.record(trail.Kind.SIGNED_UP, user=user, request=self.request)
        login(self.request, user)
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs |= {"next": self.get_redirect_url(), "sends_mail": settings.MAIL_CONFIGURED}
        return super().get_context_data(**kwargs)


#: In the session of the browser that signed up: which sign-up, and where to go on to.
SIGN_UP = "sign_up"


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_sign_up(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """What the link in the letter to a new address opens: a button, which makes the account and
    signs in. In another browser than the one that signed up it asks for the password too. Else a
    stranger who gave this address would have an account by its owner's click, whose password the
    stranger knows."""
    pending = sign_up_of(uidb64=uidb64, token=token)
    if pending is None:
        return _question(request, None)
    key, target = request.session.get(SIGN_UP) or (None, resolve_url(settings.LOGIN_REDIRECT_URL))
    data = request.POST if request.method == "POST" else None
    form = None if key == pending.pk else forms.ConfirmSignUpForm(request, pending, data)
    if data is None or (form and not form.is_valid()):
        return _question(request, pending.email, form)
    user = make_account(sign_up=pending)
    if user is None:
        return _question(request, None)
    trail.record(trail.Kind.SIGNED_UP, user=user, request=request)
    trail.record(trail.Kind.ADDRESS_PROVED, user=user, request=request)
    messages.success(request, "Your account is made.")
    request.session.pop(SIGN_UP, None)
    login(request, user)
    return HttpResponseRedirect(target)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def prove_address(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """What the link in a letter to an account's address opens, in whatever browser: a button, so
    that no program that looks at links proves anything."""
    user = user_of(uidb64=uidb64, token=token)
    if user is None or request.method != "POST":
        return _question(request, address_to_prove(user) if user else None)
    proof = prove(user=user, token=token, request=request)
    if proof is None:
        return _question(request, None)
    if proof.grant:
        messages.success(request, f"Your address is proved: {settings.SIGNUP_CREDITS:,} credits.")
    else:
        before = settings.SIGNUP_CREDITS and not proof.is_new
        more = " It has had its welcome credits before." if before else ""
        messages.info(request, f"Your address is proved.{more}")
    return redirect("chat")


def _question(request: HttpRequest, address: str | None, form: Any = None) -> HttpResponse:
    """Whether this address is the visitor's; without one: the link is spent."""
    context = {"address": address, "form": form}
    answer = render(request, "credits/users/prove.html", context)
    add_never_cache_headers(answer)
    return answer


@require_POST
def ask_for_letter(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Sends the letter again, a few times an hour."""
    user = request.user
    if not settings.MAIL_CONFIGURED or not (user.new_email or lacks_proof(user)):
        messages.info(request, "There is nothing to prove.")
        return redirect("account")
    limit_letters(request)
    if ask_for_proof(user=user):
        messages.success(request, f"The letter is on its way to {address_to_prove(user)}.")
    else:
        messages.error(request, "Several letters went to this address. Try again in an hour.")
    return redirect("account")


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
        user, email = form.user, form.cleaned_data["email"]
        if email != user.email and settings.MAIL_CONFIGURED:
            return self._ask(form, email)
        is_new, key = email != user.email, self.request.session.session_key
        try:
            change_profile(user=user, email=email, name=form.cleaned_data["name"], session_key=key)
        except EmailTaken:
            form.add_error("email", "Another account has this address.")
            return self.form_invalid(form)
        if is_new:
            trail.record(trail.Kind.ADDRESS_CHANGED, user=user, request=self.request)
        return super().form_valid(form)

    def _ask(self, form: forms.ProfileForm, email: str) -> HttpResponse:
        """Keeps the address until the letter to it is answered."""
        limit_letters(self.request)
        user = form.user
        if not ask_for_address(user=user, email=email):
            form.add_error("email", "Several letters went to this address. Try again in an hour.")
            return self.form_invalid(form)
        change_profile(user=user, email=user.email or "", name=form.cleaned_data["name"])
        trail.record(trail.Kind.ADDRESS_ASKED, user=user, request=self.request)
        return super().form_valid(form)


class PasswordChangeView(LocalAccountMixin, views.PasswordChangeView):
    """This session goes on; all others of the account end with the old password."""

    template_name = "credits/users/password_change.html"
    form_class = forms.PasswordChangeForm  # type: ignore[assignment]
    success_message = "Your password is changed. Other devices are signed out."

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)  # The session has a new key now.
        password_was_set(user=form.user, request=self.request)
        return answer


@method_decorator(login_not_required, name="dispatch")
class PasswordResetView(FormView):  # type: ignore[type-arg]
    """Says the same whether or not there is such an account; where no mail is configured, whom to
    ask instead."""

    template_name = "credits/users/password_reset.html"
    form_class = forms.PasswordResetForm
    success_url = reverse_lazy("password-reset-sent")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(sends_mail=settings.MAIL_CONFIGURED, **kwargs)

    def form_valid(self, form: forms.PasswordResetForm) -> HttpResponse:
        if not settings.MAIL_CONFIGURED:
            return self.form_invalid(form)
        limit_letters(self.request)
        ask_for_reset(email=form.cleaned_data["email"], request=self.request)
        return super().form_valid(form)


class PasswordResetConfirmView(views.PasswordResetConfirmView):
    template_name = "credits/users/password_reset_confirm.html"
    form_class = forms.NewPasswordForm  # type: ignore[assignment]
    success_url = reverse_lazy("password-reset-done")

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        # Whoever reads the account's mail is no guesser: the wrong passwords are forgotten.
        forgive(form.user.email)
        password_was_set(user=form.user, request=self.request, is_lost=True)
        return answer
