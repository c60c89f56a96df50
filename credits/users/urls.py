"""Passwords of local accounts."""

from django.urls import path

from credits.users import views

urlpatterns = [
    # For staff made with `createsuperuser`, also while Clerk does not answer.
    path("sign-in/password", views.SignInView.as_view(), name="sign-in-password"),
    path("account/password", views.PasswordChangeView.as_view(), name="password-change"),
    path("password-reset", views.PasswordResetView.as_view(), name="password-reset"),
    path("password-reset/sent", views.PasswordResetSentView.as_view(), name="password-reset-sent"),
    path("password-reset/done", views.PasswordResetDoneView.as_view(), name="password-reset-done"),
    # Short: a line of a letter that is longer than 78 characters is cut when it is printed.
    path(
        "reset/<uidb64>/<token>",
        views.PasswordResetConfirmView.as_view(),
        name="password-reset-confirm",
    ),
]
