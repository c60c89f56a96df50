"""What a sign-in sets off."""

from django.contrib.auth import user_logged_in

from credits.users.permissions import confirm


def connect() -> None:
    """To be called once all apps are loaded."""
    user_logged_in.connect(confirm, dispatch_uid="users-confirm-session")
