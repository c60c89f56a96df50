"""What every page shows."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from credits.models import User
from credits.statement.meter import Meter, get_meter
from credits.users.permissions import is_admin


def account(request: HttpRequest) -> dict[str, object]:
    """The meter of whoever is signed in, and whether to link to the admin pages. The database is
    not asked before they are shown."""
    user = getattr(request, "user", None)

    def meter() -> Meter | None:
        return get_meter(user_id=user.pk) if isinstance(user, User) else None

    return {"meter": SimpleLazyObject(meter), "is_admin": SimpleLazyObject(lambda: is_admin(user))}
