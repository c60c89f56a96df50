"""Making and changing local accounts."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import IntegrityError, transaction

from config.errors import DomainError, TooManyRequests
from credits.models import User
from credits.rate_limits import LONGEST, take
from credits.users.welcome import grant_welcome_credits


class EmailTaken(DomainError):
    """Somebody has an account with this e-mail address."""

    status = 409
    code = "email_taken"


class TooManySignUps(TooManyRequests):
    """SIGNUPS_PER_HOUR accounts came from one place."""


def sign_up(
    *, email: str, password: str, name: str = "", place: str = "", welcome: bool = True
) -> User:
    """A new account, with its welcome credits if `welcome`, or neither. `place` is where it comes
    from, which is limited to SIGNUPS_PER_HOUR. Raises TooManySignUps; EmailTaken, also when two
    sign-ups with one address run at the same time."""
    seconds = take(f"sign-up:{place}", limit=settings.SIGNUPS_PER_HOUR, window=LONGEST)
    if seconds:
        minutes = math.ceil(seconds / 60)
        message = f"Try again in {minutes} minute{'s' if minutes != 1 else ''}."
        raise TooManySignUps(message, retry_seconds=60 * minutes)
    with _unique_email(email), transaction.atomic():
        user = User.objects.create_user(email, password, name=name)
        if welcome:
            grant_welcome_credits(user_id=user.pk, address=email)
    return user


def change_profile(*, user: User, email: str, name: str) -> None:
    """A new address is not proved yet. Raises EmailTaken; then nothing was changed."""
    proved_at = user.email_proved_at if email == user.email else None
    with _unique_email(email), transaction.atomic():
        User.objects.filter(pk=user.pk).update(email=email, name=name, email_proved_at=proved_at)
    user.email, user.name, user.email_proved_at = email, name, proved_at


@contextmanager
def _unique_email(email: str) -> Iterator[None]:
    """Raises EmailTaken. The unique index decides: a check beforehand would leave a race."""
    try:
        yield
    except IntegrityError as error:
        if not User.objects.filter(email=email).exists():
            raise
        raise EmailTaken from error


def may_mail(*, email: str) -> bool:
    """Whether one more mail may go to this address now, of RESET_MAILS_PER_HOUR."""
    return not take(f"mail:{email}", limit=settings.RESET_MAILS_PER_HOUR, window=LONGEST)
