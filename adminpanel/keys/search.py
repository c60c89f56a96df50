"""Finding API keys."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from credits.kernel import ledger_now
from credits.keys.states import State
from credits.models import ApiKey, ApiKeySecret, User

_OVER = Q(expires_at__lte=ledger_now())
STATES = {
    State.ACTIVE: Q(revoked_at=None) & (Q(expires_at=None) | ~_OVER),
    State.EXPIRED: Q(revoked_at=None) & _OVER,
    State.REVOKED: Q(revoked_at__isnull=False),
}


def find_keys(
    *, user: User | int | None = None, search: str = "", state: str = ""
) -> QuerySet[ApiKey]:
    """Keys with their members: of one user's account, in a state, and with `search` in the name, as
    the id, or as the last characters of a secret."""
    keys = ApiKey.objects.select_related("member")
    if user:
        keys = keys.filter(account_id=user.pk if isinstance(user, User) else user)
    if state:
        keys = keys.filter(STATES[State(state)])
    if search:
        ends_so = Exists(ApiKeySecret.objects.filter(key=OuterRef("pk"), hint=search))
        keys = keys.filter(Q(name__icontains=search) | Q(public_id=search) | ends_so)
    return keys
