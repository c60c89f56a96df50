"""Who is asking: the session and its user by one statement, against Django's own two queries."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db

from credits.models import Session
from credits.users.sessions import AccountBackend, SessionStore
from tests.bench.measure import Prepare, in_turn, rate, ratio, row
from tests.factories import make_user
from tests.live import session_of


class TwoQueries(db.SessionStore):
    """Django's store of sessions, on the same table."""

    key_salt = SessionStore().key_salt  # It depends on the class's name.

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session


def bench_who_is_asking(_: Path) -> None:
    """Within this process, without HTTP. Our statement reads the meter's version besides."""
    key = session_of(make_user("asking@example.com", credits=500))
    figures = in_turn(
        {
            "statement": partial(rate, _calling(lambda: _by_one_statement(key))),
            "django": partial(rate, _calling(lambda: _by_two_queries(key))),
        }
    )
    ours, django = (1000 / max(figures[name]) for name in ("statement", "django"))
    note = f"{ours:.2f} ms against {django:.2f} ms at best"
    what = "who is asking, times a second: one statement / Django's two queries"
    row(what, ratio(figures, "statement", "django"), "> 1", note)


def _calling(call: Callable[[], Any]) -> Prepare:
    return lambda _: call


def _by_one_statement(key: str) -> None:
    assert AccountBackend().get_user(int(SessionStore(key)[SESSION_KEY]))


def _by_two_queries(key: str) -> None:
    assert ModelBackend().get_user(int(TwoQueries(key)[SESSION_KEY]))
