"""Local accounts. Django's own views, with our forms, templates and names."""

from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.generic import FormView, TemplateView

from credits.accounts.forms import SignInForm, SignUpForm
from credits.accounts.services import EmailTaken, sign_up

LOCAL = "django.contrib.auth.backends.ModelBackend"


def locked_out(
    request: HttpRequest, _response: HttpResponse | None, _credentials: object
) -> HttpResponse:
    return render(request, "429.html", status=429)


class SignInView(views.LoginView):
    template_name = "credits/accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


@method_decorator(login_not_required, name="dispatch")
class SignUpView(views.RedirectURLMixin, FormView):
    template_name = "credits/accounts/sign_up.html"
    form_class = SignUpForm
    next_page = "chat"

    def form_valid(self, form):
        try:
            user = sign_up(**form.cleaned_data)
        except EmailTaken:
            form.add_error("email", "There is an account with this address. Sign in instead?")
            return self.form_invalid(form)
        login(self.request, user, backend=LOCAL)
        return super().form_valid(form)


class SignOutView(views.LogoutView):
    pass


class AccountView(TemplateView):
    template_name = "credits/accounts/account.html"


class PasswordChangeView(views.PasswordChangeView):
    template_name = "credits/accounts/password_change.html"
    success_url = reverse_lazy("account")


class PasswordResetView(views.PasswordResetView):
    template_name = "credits/accounts/password_reset.html"
    email_template_name = "credits/accounts/password_reset_mail.txt"
    subject_template_name = "credits/accounts/password_reset_subject.txt"
    success_url = reverse_lazy("password-reset-sent")


class PasswordResetSentView(views.PasswordResetDoneView):
    template_name = "credits/accounts/password_reset_sent.html"


class PasswordResetConfirmView(views.PasswordResetConfirmView):
    template_name = "credits/accounts/password_reset_confirm.html"
    success_url = reverse_lazy("password-reset-done")


class PasswordResetDoneView(views.PasswordResetCompleteView):
    template_name = "credits/accounts/password_reset_done.html"
