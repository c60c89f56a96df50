"""Users at Clerk and their accounts here. Every change of a user happens under that user's lock, so
that events about the same user are handled one after the other."""

from datetime import datetime
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from procrastinate.contrib.django import app

from credits.clerk import conf
from credits.clerk.changes import Change, change
from credits.clerk.parsing import Payer, Person
from credits.models import Identity, SessionLink, User
from credits.signals import account_suspended
from credits.users.closing import close
from credits.users.welcome import grant_welcome_credits


def lock(payer_id: str) -> datetime:
    """Locks a payer until the commit; a transaction locks one only. Returns the ledger's time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4)), credits_now()", [payer_id]
        )
        now: datetime = cursor.fetchone()[1]
    return now


def pull_later(clerk_id: str) -> None:
    """Has a worker read this user after the commit; does nothing without a secret key."""
    if conf.has_backend():
        app.configure_task("clerk.pull", queue="default").defer(clerk_id=clerk_id)


# Nothing here catches what goes wrong inside: no savepoints beside the caller's transaction.
@transaction.atomic(savepoint=False)
def get_identity(payer: Payer) -> tuple[Identity, list[Change]]:
    """The identity of a user, and what changed: a new one begins with what the payer's data says,
    until `user.*` events fill it in, because a subscription's event may come before its user's."""
    identity = _find(payer.id)
    if identity is None:
        lock(payer.id)
        identity = _find(payer.id)  # It may have been created while we waited.
    if identity:
        return identity, []
    return _create(Person(clerk_id=payer.id, email=payer.email, name=payer.name))


def _find(clerk_id: str) -> Identity | None:
    return Identity.objects.select_related("user").filter(clerk_id=clerk_id).first()


def _create(person: Person) -> tuple[Identity, list[Change]]:
    user = User(clerk_id=person.clerk_id, name=person.name, is_active=not person.banned)
    user.set_unusable_password()
    _save_account(user, person.email)
    changes = [change("account", user.pk, done="created", fields=[])]
    changes += _welcome(user, person)
    identity = Identity.objects.create(
        clerk_id=person.clerk_id,
        user=user,
        email=person.email,
        email_verified=person.email_verified,
        banned=person.banned,
        version=person.version,
    )
    return identity, changes


def _welcome(user: User, person: Person) -> list[Change]:
    """Welcome credits, for an address that Clerk has verified."""
    address = person.email if person.email_verified else ""
    grant = grant_welcome_credits(user_id=user.pk, address=address)
    return [change("grant", grant.id)] if grant else []


def _save_account(user: User, email: str, *, fields: list[str] | None = None) -> None:
    """Saves the account with this address, or without one when another account has it: accounts are
    never joined by an address, because a local one never proved that it is theirs."""
    before, user.email = user.email, email or None
    if user.email not in {None, before}:
        try:
            with transaction.atomic():
                user.save(update_fields=fields)
        except IntegrityError:
            user.email = None
        else:
            return
    user.save(update_fields=fields)


def _reassign_email(email: str) -> None:
    """Gives a freed address to the user who has it at Clerk, whose event came before."""
    waiting = User.objects.filter(
        email=None, clerk_identity__email=email, clerk_identity__deleted_at=None
    )
    # Whoever is being changed just now is skipped: they may be waiting for this address.
    free = waiting.select_for_update(skip_locked=True, of=("self",))
    if user := free.order_by("-clerk_identity__version").first():
        _save_account(user, email, fields=["email"])


@transaction.atomic(savepoint=False)
def upsert_person(person: Person) -> tuple[Identity, list[Change]]:
    """Updates an identity and its account, unless the version is old or the user deleted."""
    lock(person.clerk_id)
    identity = _find(person.clerk_id)
    if identity is None:
        identity, changes = _create(person)
    elif identity.deleted_at or not identity.user or identity.version >= person.version:
        return identity, []
    else:
        changes = _update(identity, identity.user, person)
    if person.banned or person.locked:
        _end_sessions(clerk_id=person.clerk_id, ended_at=None)
        account_suspended.send(sender=User, user_id=identity.user_id)
    return identity, changes


def _details(identity: Identity) -> dict[str, Any]:
    """What admins are shown when it changes."""
    details: dict[str, Any] = {"email_verified": identity.email_verified, "banned": identity.banned}
    if user := identity.user:
        details |= {"name": user.name, "email": user.email, "is_active": user.is_active}
    return details


def _updated(identity: Identity, before: dict[str, Any]) -> list[Change]:
    """The change of an account from these details to its present ones."""
    fields = [name for name, value in _details(identity).items() if before[name] != value]
    return [change("account", identity.user_id, done="updated", fields=fields)] if fields else []


def _update(identity: Identity, user: User, person: Person) -> list[Change]:
    # First: a new address locks the user's row, which a spend that has the balance waits for.
    welcome = _welcome(user, person)
    fields, email, before = ["name", "email"], user.email, _details(identity)
    user.name = person.name
    if identity.banned != person.banned:
        # Only a change of the ban: an admin here may have closed the account too.
        user.is_active = not person.banned
        fields.append("is_active")
    _save_account(user, person.email, fields=fields)
    identity.banned, identity.version = person.banned, person.version
    identity.email, identity.email_verified = person.email, person.email_verified
    identity.save(update_fields=["banned", "version", "email", "email_verified"])
    if email and email != user.email:
        _reassign_email(email)
    return [*_updated(identity, before), *welcome]


@transaction.atomic
def mark_deleted(clerk_id: str) -> list[Change]:
    """A user was deleted at Clerk: closes the account, erases name and address, and has the content
    erased; the ledger stays. Later events change nothing. Returns what changed."""
    lock(clerk_id)
    identity, is_new = Identity.objects.select_related("user").get_or_create(
        clerk_id=clerk_id, defaults={"deleted_at": Now()}
    )
    is_deletion, changes = is_new or identity.deleted_at is None, list[Change]()
    if user := identity.user:
        before, email = _details(identity), user.email
        close(user)
        Identity.objects.filter(pk=identity.pk, deleted_at=None).update(deleted_at=Now())
        identity.email, identity.email_verified = "", False
        identity.save(update_fields=["email", "email_verified"])
        changes = _updated(identity, before)
        if email:
            _reassign_email(email)
    _end_sessions(clerk_id=clerk_id, ended_at=None)
    if is_deletion:
        return [change("account", identity.user_id, done="deleted", fields=[])]
    return changes


def end_session(*, sid: str, clerk_id: str) -> list[Change]:
    """Ends the Django sessions of this Clerk session, and prevents new ones."""
    link, _ = SessionLink.objects.get_or_create(sid=sid, defaults={"clerk_id": clerk_id})
    _end_sessions(sid=sid)
    return [] if link.ended_at else [change("session", sid)]


@transaction.atomic
def _end_sessions(**of: str | None) -> None:
    # Locked: a concurrent sign-in is either seen here, or sees the end.
    links = list(SessionLink.objects.select_for_update().filter(**of))
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    for link in links:
        for key in link.session_keys:
            store(key).delete()
    SessionLink.objects.filter(pk__in=[link.pk for link in links]).update(ended_at=Now())
