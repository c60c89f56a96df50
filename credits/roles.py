"""Who is an admin: staff, a verified address in ADMIN_EMAILS, or an id (ours or Clerk's) in
ADMIN_USER_IDS."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from credits.models import User


def is_admin(user: User | AnonymousUser | None) -> bool:
    """Whether this user runs the site. Inactive and anonymous users never do."""
    if not isinstance(user, User) or not user.is_active:
        return False
    ids = {str(user.pk), user.clerk_id} - {None}
    if user.is_staff or ids & set(settings.ADMIN_USER_IDS):
        return True
    # A local sign-up does not prove whose an address is, Clerk's verification does.
    addresses = settings.ADMIN_EMAILS
    identity = getattr(user, "clerk_identity", None) if addresses else None
    return bool(identity and identity.email_verified and identity.email.lower() in addresses)
