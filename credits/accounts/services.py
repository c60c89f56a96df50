"""Making local accounts."""

from django.conf import settings
from django.db import IntegrityError, transaction

from credits.ledger import grant_credits
from credits.models import CreditGrant, User


class EmailTaken(Exception):
    """Somebody has an account with this e-mail address."""


def sign_up(*, email: str, password: str, name: str = "") -> User:
    """A new account with its welcome credits, or neither.

    Raises EmailTaken, also when two sign-ups with one address run at the same time.
    """
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
            if settings.SIGNUP_CREDITS:
                grant_credits(
                    user_id=user.pk,
                    source=CreditGrant.Source.SIGNUP,
                    amount=settings.SIGNUP_CREDITS,
                    key=f"signup:{user.pk}",
                )
    except IntegrityError as error:
        # The unique index is the judge: a look beforehand would let a race through.
        if User.objects.filter(email=email.strip().lower()).exists():
            raise EmailTaken from error
        raise
    return user
