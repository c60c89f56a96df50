"""What every page shows."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from config.zones import zone_name
from credits.models import User
from credits.roles import is_admin
from credits.statement.meter import Meter, get_meter
from credits.users.proofs import lacks_proof


def account(request: HttpRequest) -> dict[str, object]:
    """The meter of whoever is signed in, whether to link to the admin pages, the credits that
    proving an address would bring, and the zone of the times. They are read from the
    database when a template uses them."""
    user = getattr(request, "user", None)

    def meter() -> Meter | None:
        return get_meter(user_id=user.pk) if isinstance(user, User) else None

    def unproved() -> bool:
        return isinstance(user, User) and lacks_proof(user)

    return {
        "meter": SimpleLazyObject(meter),
        "is_admin": SimpleLazyObject(lambda: is_admin(user)),
        "unproved": SimpleLazyObject(unproved),
        "proof_credits": settings.SIGNUP_CREDITS,
        "zone": zone_name(),
    }
