"""Local accounts: signing up and in, and everything about passwords."""

from django.urls import path

from credits.users import views

urlpatterns = [
    path("sign-in", views.SignInView.as_view(), name="sign-in"),
    path("sign-up", views.SignUpView.as_view(), name="sign-up"),
    path("sign-out", views.SignOutView.as_view(), name="sign-out"),
    path("account", views.AccountView.as_view(), name="account"),
    path("account/password", views.PasswordChangeView.as_view(), name="password-change"),
    path("password-reset", views.PasswordResetView.as_view(), name="password-reset"),
    path("password-reset/sent", views.PasswordResetSentView.as_view(), name="password-reset-sent"),
    path(
        "password-reset/done",
        views.PasswordResetDoneView.as_view(),
        name="password-reset-done",
    ),
    # Short: a line of a letter that is longer than 78 characters is cut when it is printed.
    path(
        "reset/<uidb64>/<token>",
        views.PasswordResetConfirmView.as_view(),
        name="password-reset-confirm",
    ),
]
