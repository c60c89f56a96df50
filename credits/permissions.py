"""Who is an admin: staff, a verified address in ADMIN_EMAILS, or an id (ours or Clerk's) in
ADMIN_USER_IDS. Pages hide from everybody else (404); the API says 401 or 403."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponseBase
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from credits.models import User


def is_tally_admin(user: User | AnonymousUser | None) -> bool:
    """Whether this user runs the site. Inactive and anonymous users never do."""
    if not isinstance(user, User) or not user.is_active:
        return False
    ids = {str(user.pk), user.clerk_id} - {None}
    return bool(user.is_staff or ids & set(settings.ADMIN_USER_IDS) or _has_admin_address(user))


def _has_admin_address(user: User) -> bool:
    """A listed address counts only when somebody proved that it is theirs: a local sign-up does
    not, Clerk's verification does."""
    if not settings.ADMIN_EMAILS:
        return False
    identity = getattr(user, "clerk_identity", None)
    return bool(
        identity and identity.email_verified and identity.email.lower() in settings.ADMIN_EMAILS
    )


class IsTallyAdmin(BasePermission):
    """For the API: 401 for nobody, 403 for somebody who is no admin."""

    message = "Only admins may do this."

    def has_permission(self, request: Request, view: object) -> bool:
        return is_tally_admin(request.user)


def admin_page[R: HttpRequest, **P, S: HttpResponseBase](
    view: Callable[Concatenate[R, P], S],
) -> Callable[Concatenate[R, P], S]:
    """For pages: whoever is no admin learns nothing, not even that the page exists."""

    @wraps(view)
    def guarded(request: R, *args: P.args, **kwargs: P.kwargs) -> S:
        if not is_tally_admin(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    # Sent to the sign-in page by LoginRequiredMiddleware, a visitor would learn that it exists.
    marked: Any = guarded
    marked.login_required = False
    hidden: Callable[Concatenate[R, P], S] = marked
    return hidden
