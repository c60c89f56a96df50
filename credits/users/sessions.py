"""Django's sessions in the database, read by one plain statement: it is the first thing of every
request, and building the same query anew cost a millisecond of it (docs/performance.md)."""

from typing import Any

from django.contrib.sessions.backends import db
from django.db import connection

LOAD = """
SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > now()
"""


class SessionStore(db.SessionStore):
    def load(self) -> dict[str, Any]:
        """What the session holds; nothing, and no key, when there is none or it has expired."""
        with connection.cursor() as cursor:
            cursor.execute(LOAD, [self.session_key])
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        data: dict[str, Any] = self.decode(row[0])
        return data

    def _validate_session_key(self, key: str | None) -> bool:
        # Django makes letters and digits; a cookie can hold what PostgreSQL refuses (a NUL).
        return bool(key) and str(key).isalnum() and bool(super()._validate_session_key(key))  # type: ignore[misc]
