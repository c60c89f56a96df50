"""People at Clerk and their accounts here. Every change of one person happens under that person's
lock, so that events about them cannot overtake each other halfway."""

from datetime import datetime
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from credits.clerk.models import Identity, SessionLink
from credits.clerk.parsing import Payer, Person
from credits.ledger import grant_credits
from credits.models import CreditGrant, User


def lock(ref: str) -> datetime:
    """Waits for everybody else who is changing this payer (`user:…`, `org:…`); until the end of the
    transaction. A transaction locks one payer only, so nobody waits in a circle. Returns the
    ledger's time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4)), credits_now()", [ref]
        )
        now: datetime = cursor.fetchone()[1]
    return now


# Nothing here catches what goes wrong inside: no savepoints beside the caller's transaction.
@transaction.atomic(savepoint=False)
def get_identity(*, clerk_id: str, payer: Payer | None = None) -> Identity:
    """The identity with this id; a new one begins as a stub that `user.*` events fill in, because a
    subscription may be heard of before its user."""
    if found := _find(clerk_id):
        return found
    lock(f"user:{clerk_id}")
    # The same person may have been created while we waited.
    return _find(clerk_id) or _create(
        Person(
            clerk_id=clerk_id,
            email=payer.email if payer else "",
            email_verified=False,
            name=payer.name if payer else "",
            banned=False,
            locked=False,
            version=0,
        )
    )


def _find(clerk_id: str) -> Identity | None:
    return Identity.objects.select_related("user").filter(clerk_id=clerk_id).first()


def _create(person: Person) -> Identity:
    user = User(clerk_id=person.clerk_id, name=person.name, is_active=not person.banned)
    user.set_unusable_password()
    _save_account(user, person.email)
    if settings.SIGNUP_CREDITS:
        grant_credits(
            user_id=user.pk,
            source=CreditGrant.Source.SIGNUP,
            amount=settings.SIGNUP_CREDITS,
            key=f"signup:{user.pk}",
        )
    return Identity.objects.create(
        clerk_id=person.clerk_id,
        user=user,
        email=person.email,
        email_verified=person.email_verified,
        banned=person.banned,
        version=person.version,
    )


def _save_account(user: User, email: str, *, fields: list[str] | None = None) -> None:
    """Saves the account with this address, or without one when another account has it: accounts are
    never joined by an address, because a local one never proved that it is theirs."""
    before, user.email = user.email, email or None
    if user.email in {None, before}:
        user.save(update_fields=fields)
        return
    try:
        with transaction.atomic():
            user.save(update_fields=fields)
    except IntegrityError:
        user.email = None
        user.save(update_fields=fields)


def _hand_on(email: str) -> None:
    """Gives an address that an account let go to whoever has it at Clerk now: they were heard of
    before it was free."""
    heirs = User.objects.filter(
        email=None, clerk_identity__email=email, clerk_identity__deleted_at=None
    )
    # Whoever is just being changed is passed over, not waited for: they may wait for this address.
    free = heirs.select_for_update(skip_locked=True, of=("self",))
    heir = free.order_by("-clerk_identity__version").first()
    if heir:
        _save_account(heir, email, fields=["email"])


@transaction.atomic(savepoint=False)
def upsert_person(person: Person) -> Identity:
    """Brings an identity and its account up to this version; an older version, and anybody who was
    deleted, stays as it is."""
    lock(f"user:{person.clerk_id}")
    identity = _find(person.clerk_id)
    if identity is None:
        identity = _create(person)
    elif identity.deleted_at or not identity.user or identity.version >= person.version:
        return identity
    else:
        _update(identity, identity.user, person)
    if person.banned or person.locked:
        end_sessions_of(person.clerk_id)
    return identity


def _update(identity: Identity, user: User, person: Person) -> None:
    fields, before = ["name", "email"], user.email
    user.name = person.name
    if identity.banned != person.banned:
        # Only a change of the ban: an admin here may have closed the account too.
        user.is_active = not person.banned
        fields.append("is_active")
    _save_account(user, person.email, fields=fields)
    identity.banned, identity.version = person.banned, person.version
    identity.email, identity.email_verified = person.email, person.email_verified
    identity.save(update_fields=["banned", "version", "email", "email_verified"])
    if before and before != user.email:
        _hand_on(before)


@transaction.atomic
def bury(clerk_id: str) -> Identity:
    """A user was deleted: the account closes and forgets name and address; the ledger and the
    conversations stay. Events that come late find the grave and change nothing."""
    lock(f"user:{clerk_id}")
    identity, _ = Identity.objects.select_related("user").get_or_create(
        clerk_id=clerk_id, defaults={"deleted_at": Now()}
    )
    if identity.user:
        User.objects.filter(pk=identity.user.pk).update(is_active=False, name="", email=None)
        Identity.objects.filter(pk=identity.pk, deleted_at=None).update(deleted_at=Now())
        Identity.objects.filter(pk=identity.pk).update(email="", email_verified=False)
        if identity.user.email:
            _hand_on(identity.user.email)
    end_sessions_of(clerk_id)
    return identity


# --- Sessions ----------------------------------------------------------------------------------


def end_session(*, sid: str, clerk_id: str) -> None:
    """Ends the Django session that stands for this Clerk session, and any that would come."""
    SessionLink.objects.get_or_create(sid=sid, defaults={"clerk_id": clerk_id})
    _end(SessionLink.objects.filter(sid=sid))


def end_sessions_of(clerk_id: str) -> None:
    _end(SessionLink.objects.filter(clerk_id=clerk_id, ended_at=None))


@transaction.atomic
def _end(chosen: QuerySet[SessionLink]) -> None:
    # Locked: a sign-in that is just being made is either seen here, or sees the end.
    links = list(chosen.select_for_update())
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    for link in links:
        for key in link.session_keys:
            store(key).delete()
    SessionLink.objects.filter(pk__in=[link.pk for link in links]).update(ended_at=Now())
