"""Making and changing local accounts without a letter (with one: `sign_ups`, `proofs`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from config.errors import DomainError
from credits.models import User
from credits.users import trail
from credits.users.limits import limit_sign_ups
from credits.users.notices import notify
from credits.users.sessions import end_sessions
from credits.users.welcome import grant_welcome_credits


class EmailTaken(DomainError):
    """Somebody has an account with this e-mail address."""

    status = 409
    code = "email_taken"


def sign_up(*, email: str, password: str, name: str = "", address: str = "") -> User:
    """A new account with its welcome credits, or neither. `address` is the client's. Raises
    TooManySignUps; EmailTaken, also when two sign-ups with one e-mail run at the same time."""
    limit_sign_ups(address)
    user = User(email=email, name=name, password=make_password(password))
    with unique_email(email), transaction.atomic():
        user.save()
        grant_welcome_credits(user_id=user.pk, address=email)
    return user


def change_profile(*, user: User, email: str, name: str, session_key: str | None = None) -> None:
    """A new address is not proved yet, and ends all sessions of the account but `session_key`.
    Raises EmailTaken; then nothing was changed."""
    is_new = email != user.email
    proved_at = None if is_new else user.email_proved_at
    with unique_email(email), transaction.atomic():
        User.objects.filter(pk=user.pk).update(email=email, name=name, email_proved_at=proved_at)
        if is_new:
            end_sessions(user_id=user.pk, but=session_key)
    user.email, user.name, user.email_proved_at = email, name, proved_at


@transaction.atomic
def password_was_set(*, user: User, request: HttpRequest, is_lost: bool = False) -> None:
    """After a new password: all other sessions of the account end, a new address that waits for
    proof is dropped, and the owner gets a letter. `is_lost`: it was set by a letter."""
    User.objects.filter(pk=user.pk).update(new_email=None)
    end_sessions(user_id=user.pk, but=None if is_lost else request.session.session_key)
    notify(user=user, what="The password of your account was changed.", request=request)
    kind = trail.Kind.PASSWORD_RESET if is_lost else trail.Kind.PASSWORD_CHANGED
    trail.record(kind, user=user, request=request)


@contextmanager
def unique_email(email: str | None) -> Iterator[None]:
    """Raises EmailTaken. The unique index decides: a check beforehand would leave a race."""
    try:
        yield
    except IntegrityError as error:
        if not User.objects.filter(email=email).exists():
            raise
        raise EmailTaken from error
