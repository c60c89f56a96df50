"""The list of a user's sessions, each of which they can end."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from credits.models import Session, User
from credits.users.sessions import end


@dataclass(frozen=True)
class Listed:
    """A session as its user sees it. `id` names it without being its key, which signs in."""

    session: Session
    is_this: bool

    @property
    def id(self) -> str:
        return _id_of(self.session)


def list_sessions(*, user: User, this: str | None) -> list[Listed]:
    """The sessions of a user that have not ended, the one with the key `this` first."""
    listed = [Listed(row, row.pk == this) for row in _current(user).order_by("-used_at")]
    return sorted(listed, key=lambda row: not row.is_this)


def end_session(*, user: User, session_id: str) -> bool:
    """Ends one session of a user; False when the user has none with this id."""
    keys = [row.pk for row in _current(user) if _id_of(row) == session_id]
    return bool(keys) and bool(end(Session.objects.filter(pk__in=keys)))


def _current(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user).exclude(_ended())


def _ended() -> Q:
    """The condition for ended sessions, as in `credits_session`."""
    now, longest = timezone.now(), timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return (
        Q(expire_date__lte=now)
        | Q(used_at__lte=now - settings.SESSION_IDLE)
        | Q(created_at__lte=now - longest)
    )


def forget_sessions() -> int:
    """Deletes the sessions that have ended, and returns how many."""
    deleted, _ = Session.objects.filter(_ended()).delete()
    return deleted


def _id_of(session: Session) -> str:
    key = str(session.pk)
    return str(salted_hmac("credits.users.session_list", key, algorithm="sha256").hexdigest()[:32])
