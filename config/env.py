"""Reading the environment so that a wrong value stops the start with a sentence naming it."""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True)
FLAGS |= dict.fromkeys(("0", "false", "no", "off"), False)


def text(name: str, default: str = "") -> str:
    """The variable without surrounding blanks; unset and empty are the same."""
    return os.environ.get(name, "").strip() or default


def required(name: str, why: str) -> str:
    """A variable that must be set. Raises ImproperlyConfigured with the reason `why`."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} must be set: {why}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """1 or 0, also as true, yes, on and their opposites. Raises ImproperlyConfigured."""
    value = text(name).lower()
    if value and value not in FLAGS:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return FLAGS.get(value, default)


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included. Raises ImproperlyConfigured."""
    value = text(name, str(default))
    if not re.fullmatch("-?[0-9]{1,18}", value) or not low <= int(value) <= high:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {low} to {high}, not {value!r}."
        )
    return int(value)


def choice(name: str, default: str, choices: Collection[str]) -> str:
    """One of the choices, in whatever case it is written."""
    value = text(name, default).upper()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def listing(name: str, default: str = "") -> list[str]:
    """A comma-separated list; blanks and empty entries are dropped."""
    return [entry.strip() for entry in text(name, default).split(",") if entry.strip()]


def url(name: str, default: str = "") -> str:
    """An http(s) address without a trailing slash, or an empty string."""
    value = text(name, default)
    if value:
        _split(name, value, ("http", "https"), "be an http or https address")
    return value.rstrip("/")


def _split(name: str, value: str, schemes: Collection[str], must: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        complete = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        complete = False
    if not complete:
        raise ImproperlyConfigured(f"{name} must {must}.")
    return parts


def hosts(name: str, default: str = "") -> list[str]:
    """Host names without scheme, port or path; `*` and a leading dot as Django takes them."""
    names = listing(name, default)
    for host in names:
        if not re.fullmatch(r"\*|\.?[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]", host):
            raise ImproperlyConfigured(f"{name} takes bare host names, not {host!r}.")
    return names


class Model(NamedTuple):
    """A model on offer: the name people read, and how many times a feature's price it costs."""

    label: str
    multiplier: int


def models(name: str, default: str) -> dict[str, Model]:
    """`id=Label,id2=Label 2*3` as an ordered mapping: an entry without `=` is its own label, and
    `*3` after a label triples the price. Raises ImproperlyConfigured."""
    entries = [entry.partition("=") for entry in listing(name, default)]
    labels = {key.strip(): label.strip() or key.strip() for key, _, label in entries}
    if "" in labels or len(labels) != len(entries):
        raise ImproperlyConfigured(f"{name} must be `id=Label,…` with each id once.")
    if any("*" in key or len(key) > 120 for key in labels):
        raise ImproperlyConfigured(f"{name}: an id has at most 120 characters and no `*`.")
    return {key: _model(name, label) for key, label in labels.items()}


def _model(name: str, label: str) -> Model:
    shown, star, factor = (part.strip() for part in label.rpartition("*"))
    if not star:
        return Model(label, 1)
    if not shown or not re.fullmatch("[1-9][0-9]{0,2}", factor):
        raise ImproperlyConfigured(f"{name}: {label!r} must end in `*` and a factor from 1 to 999.")
    return Model(shown, int(factor))


def database(name: str) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?option=value` as Django's DATABASES entry."""
    value = text(name)
    parts: dict[str, Any] = {}
    if value.startswith(("postgres://", "postgresql://")):
        # libpq's own complaint would repeat the address, and the password in it.
        with suppress(psycopg.ProgrammingError):
            parts = {**conninfo_to_dict(value)}
    if not parts.get("dbname"):
        raise ImproperlyConfigured(
            f"{name} must look like postgresql://user:password@host:5432/database, with options"
            " that PostgreSQL knows."
        )
    parts["name"] = parts.pop("dbname")
    keys = ("name", "user", "password", "host", "port")
    entry = {key.upper(): str(parts.pop(key)) for key in keys if key in parts}
    return {"ENGINE": "config.postgresql", **entry, "OPTIONS": parts}


def mailer(name: str) -> dict[str, object]:
    """`smtp://user:password@host:587` (`smtps://` for TLS from the first byte) as a mailer; unset
    sends none, and writes none of it down."""
    value = text(name)
    if not value:
        return {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    parts = _split(name, value, ("smtp", "smtps"), "look like smtp://user:password@host:587")
    implicit_tls = parts.scheme == "smtps"
    options = {
        "host": parts.hostname,
        "port": parts.port or (465 if implicit_tls else 587),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_ssl": implicit_tls,
        "use_tls": not implicit_tls and bool(parts.username),
        "timeout": 20,
    }
    return {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}
