"""Moving the ledger's clock. `credits_now()` in the test's database is replaced, so every process
connected to it sees the same time."""

from datetime import datetime, timedelta

from django.db import connection

REAL = "clock_timestamp()"


class Clock:
    """The clock of the test's database; `tests/conftest.py` sets it right after each test."""

    def install(self) -> None:
        """Puts a clock that can be moved in the place of the real one. It is written in PL/pgSQL,
        which looks at each call whether it was replaced; the SQL of the real one is copied into
        the plans of its callers, where it stays for the rest of a transaction."""
        self._replace(REAL)

    def now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT credits_now()")
            moment: datetime = cursor.fetchone()[0]
        return moment

    def move(self, **by: float) -> datetime:
        """Moves by `days=`, `hours=`, `seconds=` … (as timedelta takes them) from where it stands:
        a frozen clock stays frozen, a running one runs on. Returns the new time."""
        self._replace(f"{self._expression()} + interval '{_microseconds(**by)} microseconds'")
        return self.now()

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stops the clock at a moment (the present one unless given), until `move` or `reset`."""
        moment = at or self.now()
        self._replace(f"timestamptz '{moment.isoformat()}'")
        return moment

    def count(self, sequence: str, start: datetime) -> None:
        """Makes each look at the clock a second later than the last, counted by a sequence."""
        looks = f"nextval('{sequence}') * interval '1 second'"
        self._replace(f"timestamptz '{start.isoformat()}' + {looks}")

    def reset(self) -> None:
        """Real time again."""
        if self._expression() != REAL:
            self._replace(REAL)

    def _expression(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE oid = 'credits_now'::regproc")
            source: str = cursor.fetchone()[0]
        return source.removeprefix("BEGIN RETURN ").removesuffix("; END")

    def _replace(self, expression: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION credits_now() RETURNS timestamptz LANGUAGE plpgsql"
                f" VOLATILE AS $$BEGIN RETURN {expression}; END$$"
            )


def _microseconds(**by: float) -> int:
    return timedelta(**by) // timedelta(microseconds=1)
