"""Moving the ledger's clock. `credits_now()` in the test's database is replaced, so every process
connected to it sees the same time."""

from datetime import datetime, timedelta

from django.db import connection

SIGNATURE = "credits_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
REAL = "SELECT clock_timestamp()"


class Clock:
    """The clock of the test's database; `tests/conftest.py` sets it right after each test."""

    def now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT credits_now()")
            moment: datetime = cursor.fetchone()[0]
        return moment

    def move(self, **by: float) -> datetime:
        """Moves by `days=`, `hours=`, `seconds=` … (as timedelta takes them) from where it stands:
        a frozen clock stays frozen, a running one runs on. Returns the new time."""
        self._replace("%s + interval '%s microseconds'", self._source(), _microseconds(**by))
        return self.now()

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stops the clock at a moment (the present one unless given), until `move` or `reset`."""
        moment = at or self.now()
        self._replace("SELECT timestamptz '%s'", moment.isoformat())
        return moment

    def count(self, sequence: str, start: datetime) -> None:
        """Makes each look at the clock a second later than the last, counted by a sequence."""
        self._replace(
            "SELECT timestamptz '%s' + nextval('%s') * interval '1 second'",
            start.isoformat(),
            sequence,
        )

    def reset(self) -> None:
        """Real time again."""
        if self._source() != REAL:
            self._replace(REAL)

    def _source(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE oid = 'credits_now'::regproc")
            return str(cursor.fetchone()[0]).strip()

    def _replace(self, body: str, *values: object) -> None:
        with connection.cursor() as cursor:
            source = body % values if values else body
            cursor.execute(f"CREATE OR REPLACE FUNCTION {SIGNATURE} AS $$ {source} $$")


def _microseconds(**by: float) -> int:
    return timedelta(**by) // timedelta(microseconds=1)
