"""Proving an address of a local account, by a link in a letter: the present one, before welcome
credits come, or a new one, before it takes effect. Only where mail is configured."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from procrastinate.contrib.django import app

from credits.ledger import Grant
from credits.models import User
from credits.users import letters, trail
from credits.users.limits import may_mail
from credits.users.notices import notify
from credits.users.services import EmailTaken, unique_email
from credits.users.sessions import end_sessions
from credits.users.welcome import grant_welcome_credits, has_welcome_credits


class ProofTokens(PasswordResetTokenGenerator):
    """Tokens for an account, its present address and the requested one. One is valid until that is
    proved, another is requested, or PASSWORD_RESET_TIMEOUT is over. A new password ends it too: who
    knew the old one may have requested it. Signing in does not, unlike Django's own token."""

    key_salt = "credits.users.proofs"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        addresses = f"{user.email} {user.new_email} {user.email_proved_at}"
        return f"{user.pk} {addresses} {user.password} {timestamp}"


tokens = ProofTokens()


@dataclass(frozen=True)
class Proof:
    """The result of proving an address: whether it replaced another one, and the welcome credits,
    if any were granted."""

    is_new: bool
    grant: Grant | None


def proves_addresses() -> bool:
    """Whether welcome credits are granted only when an address is proved."""
    return bool(settings.MAIL_CONFIGURED and settings.SIGNUP_CREDITS)


def lacks_proof(user: User) -> bool:
    """Whether this user gets welcome credits for proving their address."""
    return (
        proves_addresses()
        and user.clerk_id is None
        and user.email_proved_at is None
        and bool(user.email)
        and not has_welcome_credits(user_id=user.pk)
    )


def address_to_prove(user: User) -> str | None:
    """The address that this user requested; else the present one, unless it is proved."""
    return user.new_email or (None if user.email_proved_at else user.email)


def ask_for_proof(*, user: User) -> bool:
    """Has a worker send the letter, if one more may go to this address now."""
    if not may_mail(email=address_to_prove(user) or ""):
        return False
    app.configure_task("users.send_proof", queue="default").defer(user_id=user.pk)
    return True


@transaction.atomic
def ask_for_address(*, user: User, email: str) -> bool:
    """Stores the address that this user requests, and has a worker send the letter to it. The
    worker looks up whether it is taken, so that neither time nor answer shows it here. False when
    several letters went to that address lately; then nothing was changed."""
    before, user.new_email = user.new_email, email
    if not ask_for_proof(user=user):
        user.new_email = before
        return False
    user.save(update_fields=["new_email"])
    return True


def send_proof(*, user_id: int) -> None:
    """Sends the letter, unless the address was proved meanwhile; to the owner of an address that is
    taken, one that says so."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    address = address_to_prove(user) if user else None
    if not user or not address:
        return
    if User.objects.filter(email=address).exclude(pk=user.pk).exists():
        subject = "Your address is in use at Tally"
        letters.send(template="address_taken.txt", subject=subject, to=address, context={})
        return
    context = {
        "link": letters.link_to("prove", user, tokens),
        "is_new": bool(user.new_email),
        "credits": settings.SIGNUP_CREDITS if lacks_proof(user) else 0,
    }
    letters.send(
        template="prove.txt", subject="Your address for Tally", to=address, context=context
    )


def user_of(*, uidb64: str, token: str) -> User | None:
    """The user whose address a link proves; None if the link is not valid any more."""
    user = letters.row_of_link(User, uidb64, token, tokens)
    return user if user and user.is_active else None


def prove(*, user: User, token: str, request: HttpRequest) -> Proof | None:
    """Proves the address, which a link does once. A new one takes effect with it: all other
    sessions of the account end, and the former address gets a letter. None if the link is not
    valid any more, or another account has the address by now."""
    try:
        with unique_email(address_to_prove(user)), transaction.atomic():
            return _prove(user.pk, token, request)
    except EmailTaken:
        return None


def _prove(user_id: int, token: str, request: HttpRequest) -> Proof | None:
    # The balance comes before a lock of the row that a spend's foreign keys would wait for.
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    if not tokens.check_token(user, token):
        return None
    new = user.new_email
    grant = grant_welcome_credits(user_id=user.pk, address=new or user.email or "")
    if new:
        end_sessions(user_id=user.pk, but=request.session.session_key)
        what = "Your account has another address from now on, and this one opens it no more."
        notify(user=user, what=what, request=request)  # To the former address.
        trail.record(trail.Kind.ADDRESS_CHANGED, user=user, request=request)
    user.email, user.new_email, user.email_proved_at = new or user.email, None, timezone.now()
    user.save(update_fields=["email", "new_email", "email_proved_at"])
    trail.record(trail.Kind.ADDRESS_PROVED, user=user, request=request)
    return Proof(bool(new), grant)
