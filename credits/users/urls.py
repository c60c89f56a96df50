"""Passwords and addresses of local accounts."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import PasswordResetCompleteView, PasswordResetDoneView
from django.urls import path
from django.views.generic import TemplateView

from credits.users import resending, second_factor_views, session_views, views

SENT = PasswordResetDoneView.as_view(template_name="credits/users/password_reset_sent.html")
DONE = PasswordResetCompleteView.as_view(template_name="credits/users/password_reset_done.html")

ASKED = login_not_required(TemplateView.as_view(template_name="credits/users/sign_up_sent.html"))

urlpatterns = [
    path("session", resending.session, name="session"),
    path("sign-up/sent", ASKED, name="sign-up-sent"),
    # For staff made with `createsuperuser`, also while Clerk does not answer.
    path("sign-in/password", views.SignInView.as_view(), name="sign-in-password"),
    path("sign-in/code", second_factor_views.SignInCodeView.as_view(), name="sign-in-code"),
    path("account/second-factor", second_factor_views.second_factor, name="second-factor"),
    path("account/sessions/end", session_views.end_others, name="sessions-end"),
    path("account/sessions/<str:session_id>/end", session_views.end, name="session-end"),
    path("account/password", views.PasswordChangeView.as_view(), name="password-change"),
    path("password-reset", views.PasswordResetView.as_view(), name="password-reset"),
    path("password-reset/sent", SENT, name="password-reset-sent"),
    path("password-reset/done", DONE, name="password-reset-done"),
    path("sign-up/<uidb64>/<token>", views.confirm_sign_up, name="sign-up-confirm"),
    path("account/prove", views.ask_for_letter, name="prove-ask"),
    path("prove/<uidb64>/<token>", views.prove_address, name="prove"),
    path(
        "reset/<uidb64>/<token>",
        views.PasswordResetConfirmView.as_view(),
        name="password-reset-confirm",
    ),
]
