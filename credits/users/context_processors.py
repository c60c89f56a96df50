"""What every page shows."""

from functools import partial

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from credits.models import User
from credits.statement.meter import Meter, get_meter
from credits.users.permissions import is_admin


def meter(request: HttpRequest) -> dict[str, object]:
    """The meter of whoever is signed in; nothing is asked of the database until it is shown."""
    return {"meter": SimpleLazyObject(partial(_meter_of, request))}


def _meter_of(request: HttpRequest) -> Meter | None:
    user = getattr(request, "user", None)
    return get_meter(user_id=user.pk) if isinstance(user, User) else None


def desk(request: HttpRequest) -> dict[str, object]:
    """Whether to show the way to the admin desk."""
    user = getattr(request, "user", None)
    return {"is_admin": SimpleLazyObject(partial(is_admin, user))}
