"""Who calls with an API key. It is the first thing of every call of `/v1`: one statement with a
plain cursor, as `credits.users.sessions` reads a session."""

import logging
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from config.errors import DomainError
from credits.keys.secrets import digest_of, is_well_formed

READ = "SELECT * FROM credits_caller(%s)"
# Whoever comes first writes. The others, and a call while the key is being rolled, do not wait.
WRITE_USE = """
UPDATE credits_apikeysecret SET last_used_at = now() WHERE id = (
    SELECT id FROM credits_apikeysecret
    WHERE id = %s AND (last_used_at < now() - interval '1 minute') IS NOT FALSE
    FOR UPDATE SKIP LOCKED)
"""
logger = logging.getLogger(__name__)


class InvalidApiKey(DomainError):
    """The secret opens nothing: there is none like it, its key has expired or was revoked, or its
    account or member is closed. Which of these it is is not said."""

    status = 401
    code = "invalid_api_key"

    def __init__(self, *, is_missing: bool = False) -> None:
        problem = (
            "No API key came with the call: send Authorization: Bearer and the key."
            if is_missing
            else "This API key is not valid: there is none like it, it has expired or was revoked."
        )
        super().__init__(f"{problem} Your keys are at {settings.SITE_URL}/account/keys.")


class Caller(NamedTuple):
    """Whom a call with a key acts for, and what the key may do."""

    key_id: int
    public_id: str
    account_id: int
    member_id: int
    scopes: Sequence[str]
    #: Names of models; None: all.
    only_models: Sequence[str] | None
    #: The version of the catalogue; None before it was ever filled.
    catalogue: UUID | None = None
    #: The key's own rate; None: API_CALLS_PER_MINUTE.
    calls_per_minute: int | None = None
    #: Whether answers may be kept for programs that go on from them.
    keeps_answers: bool = True


def find_caller(secret: str) -> Caller:
    """Who calls with this secret. Raises InvalidApiKey; without asking the database for what is no
    secret by its form. The kernel checks the key again under its lock when the call is charged."""
    if not is_well_formed(secret):
        raise InvalidApiKey
    with connection.cursor() as cursor:
        cursor.execute(READ, [digest_of(secret)])
        row = cursor.fetchone()
    if row is None:
        raise InvalidApiKey
    *caller, secret_id, is_stale = row
    if is_stale:
        _write_use(secret_id)
    return Caller(*caller)


def _write_use(secret_id: int) -> None:
    """Writes that a secret is used now. The call does not fail where that does."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(WRITE_USE, [secret_id])
    except DatabaseError as error:
        logger.warning("The use of an API key was not written: %s", type(error).__name__)
