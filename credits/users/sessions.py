"""The session in the cookie and its user, read by one plain statement at the start of every
request: two queries built by the ORM cost a millisecond each (docs/performance.md; `make bench`
measures it as "who is asking"). Everything else is Django's."""

from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from credits.features import FEATURE_CREDIT_COSTS
from credits.features import TEXT as METER_FEATURE
from credits.models import Session, SessionLink, User
from credits.users.limits import Guess

#: The user that came with the session which was read last.
_user_of_session: ContextVar[User | None] = ContextVar("user_of_session", default=None)
USER_FIELDS = [field.attname for field in User._meta.concrete_fields]
# Names of columns, from the model.
READ = f"""
SELECT session_data, is_stale, meter_version,
    {", ".join(f"(person).{name}" for name in USER_FIELDS)}
FROM credits_session(%s, %s, %s, %s, %s)
"""  # noqa: S608


class SessionStore(db.SessionStore):
    """Django's sessions in the database. A session that was read knows the `meter_version` as which
    its user's meter is drawn now."""

    meter_version: str | None = None
    #: Where the request comes from, and the program that sends it (`OriginMiddleware`).
    address = device = ""
    #: Whether the last use is to be written: it is minutes old.
    is_stale = False

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        """What the session holds; nothing, and no key, when there is none or it has expired."""
        default_cost = FEATURE_CREDIT_COSTS[METER_FEATURE]
        with connection.cursor() as cursor:
            longest: Any = timedelta(seconds=settings.SESSION_COOKIE_AGE)
            values = [self.session_key, METER_FEATURE, default_cost, settings.SESSION_IDLE, longest]
            cursor.execute(READ, values)
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        encoded, self.is_stale, self.meter_version, *person = row
        user = User.from_db(connection.alias, USER_FIELDS, person) if person[0] else None
        _user_of_session.set(user)
        data: dict[str, Any] = self.decode(encoded)
        return data

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = cast(Session, super().create_model_instance(data))
        session.user_id = data.get(SESSION_KEY)
        session.address, session.device = self.address, self.device
        return session

    def write_use(self) -> None:
        """Writes that the session is used now and from here, if that was last written minutes ago.
        One that has ended meanwhile stays ended."""
        if self.is_stale and self.session_key:
            used = {"used_at": Now(), "address": self.address, "device": self.device}
            Session.objects.filter(pk=self.session_key).update(**used)
            self.is_stale = False

    def _validate_session_key(self, key: str | None) -> bool:
        # Django makes letters and digits; a cookie can hold what PostgreSQL refuses (a NUL).
        return bool(key) and str(key).isalnum() and bool(super()._validate_session_key(key))  # type: ignore[misc]


def end_sessions(*, user_id: int, but: str | None = None) -> int:
    """Signs a user out everywhere, `but` in the session with this key; returns how many ended."""
    return end(Session.objects.filter(user_id=user_id).exclude(pk=but or ""))


@transaction.atomic
def end(sessions: QuerySet[Session]) -> int:
    """Ends sessions, and returns how many. One that stands for a session of Clerk's ends that here
    too: its token would at once make a new one."""
    keys = list(sessions.values_list("pk", flat=True))
    SessionLink.objects.filter(session_keys__overlap=keys, ended_at=None).update(ended_at=Now())
    ended, _ = Session.objects.filter(pk__in=keys).delete()
    return ended


class AccountBackend(ModelBackend):
    """Authenticates users with local passwords. Every check of one (signing in, a new address or
    password, an admin's confirmation) is counted first."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> User | None:
        """The user whose name and password these are. Raises TooManyFromHere, LockedOut; HttpError
        (503) when too many passwords are being hashed."""
        if request is None or not username or password is None:
            return None
        ask = partial(super().authenticate, request, username, password, **credentials)
        return Guess(username, request).judge(ask)

    def get_user(self, user_id: int) -> User | None:
        """The user, unless they are gone or deactivated. Django asks right after it has read the
        session; all its checks are made, only the second read of the user is saved."""
        user = _user_of_session.get()
        _user_of_session.set(None)  # Good for this request alone.
        if user is None or user.pk != user_id:
            return super().get_user(user_id)
        return user if self.user_can_authenticate(user) else None
