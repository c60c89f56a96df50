"""Proving the address of a local account: by a link in a letter, before welcome credits come. Only
where mail is configured."""

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from procrastinate.contrib.django import app

from credits.ledger import Grant
from credits.models import User
from credits.users.services import may_mail
from credits.users.welcome import grant_welcome_credits, has_welcome_credits


class ProofTokens(PasswordResetTokenGenerator):
    """Of an account and its present address, until that is proved or PASSWORD_RESET_TIMEOUT is
    over. Signing in does not spend it, as it does a link to a new password."""

    key_salt = "credits.users.proofs"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk} {user.email} {user.email_proved_at} {timestamp}"


tokens = ProofTokens()


def proves_addresses() -> bool:
    """Whether welcome credits wait until an address is proved."""
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


def ask_for_proof(*, user: User, site: str) -> bool:
    """Has a worker send the letter, if one more may go to this address now. `site` is where the
    link leads: scheme and host."""
    if not may_mail(email=user.email or ""):
        return False
    app.configure_task("users.send_proof", queue="default").defer(user_id=user.pk, site=site)
    return True


def send_proof(*, user_id: int, site: str) -> None:
    """Sends the letter, unless the address was proved meanwhile."""
    user = User.objects.filter(pk=user_id, is_active=True, email_proved_at=None).first()
    if user is None or not user.email:
        return
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    link = reverse("prove", kwargs={"uidb64": uid, "token": tokens.make_token(user)})
    context = {
        "email": user.email,
        "link": f"{site}{link}",
        "site": site,
        "credits": settings.SIGNUP_CREDITS,
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    body = render_to_string("credits/users/prove_mail.txt", context)
    send_mail("Your address for Tally", body, None, [user.email])


def user_of(*, uidb64: str, token: str) -> User | None:
    """Whose address a link proves; None if it is spent."""
    try:
        user_id = int(urlsafe_base64_decode(uidb64))
    except ValueError:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return user if tokens.check_token(user, token) else None


@transaction.atomic
def prove(*, user: User, token: str) -> tuple[bool, Grant | None]:
    """Whether this has proved the address, which it does once; and the welcome credits, unless the
    address has had them before."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    if not tokens.check_token(locked, token):
        return False, None
    User.objects.filter(pk=locked.pk).update(email_proved_at=timezone.now())
    return True, grant_welcome_credits(user_id=locked.pk, address=locked.email or "")
