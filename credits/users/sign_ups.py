"""Signing up where mail is configured: the account is made when the letter to its address is
answered. Until then no answer shows whether the address has an account already."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from credits.models import SignUp, User
from credits.users import letters
from credits.users.limits import limit_sign_ups, may_mail
from credits.users.services import EmailTaken, unique_email
from credits.users.welcome import grant_welcome_credits


class SignUpTokens(PasswordResetTokenGenerator):
    """Tokens for a sign-up, valid for PASSWORD_RESET_TIMEOUT or until the account is made."""

    key_salt = "credits.users.sign_ups"

    def _make_hash_value(self, sign_up: SignUp, timestamp: int) -> str:  # type: ignore[override]
        return f"{sign_up.pk} {sign_up.email} {sign_up.password} {timestamp}"


tokens = SignUpTokens()


def ask_for_account(*, email: str, password: str, name: str = "", address: str = "") -> SignUp:
    """Stores a sign-up, and has a worker send the letter to its address, unless several letters
    went there lately. Raises TooManySignUps."""
    limit_sign_ups(address)
    hashed = make_password(password)
    with transaction.atomic():
        sign_up = SignUp.objects.create(email=email, password=hashed, name=name)
        if may_mail(email=email):
            job = app.configure_task("users.send_sign_up", queue="default")
            job.defer(sign_up_id=sign_up.pk)
    return sign_up


def send_sign_up(*, sign_up_id: int) -> None:
    """Sends the letter with the link; if the address has an account, one that says that somebody
    tried to sign up with it."""
    sign_up = SignUp.objects.filter(pk=sign_up_id).first()
    if sign_up is None:
        return
    if User.objects.filter(email=sign_up.email).exists():
        subject = "You have an account at Tally"
        letters.send(template="sign_up_taken.txt", subject=subject, to=sign_up.email, context={})
        return
    context = {
        "link": letters.link_to("sign-up-confirm", sign_up, tokens),
        "credits": settings.SIGNUP_CREDITS,
    }
    subject = "Your address for Tally"
    letters.send(template="sign_up.txt", subject=subject, to=sign_up.email, context=context)


def sign_up_of(*, uidb64: str, token: str) -> SignUp | None:
    """The sign-up of a link; None if the link is not valid any more."""
    return letters.row_of_link(SignUp, uidb64, token, tokens)


def make_account(*, sign_up: SignUp) -> User | None:
    """The account of a sign-up whose link was opened, with a proved address and its welcome
    credits. None if it was made before, or somebody else has the address by now."""
    email = sign_up.email
    user = User(
        email=email,
        name=sign_up.name,
        password=sign_up.password,
        email_proved_at=timezone.now(),
    )
    try:
        with unique_email(email), transaction.atomic():
            # Locks the row: of two who open the link at once the second finds none.
            if not SignUp.objects.filter(pk=sign_up.pk).delete()[0]:
                return None
            user.save()
            SignUp.objects.filter(email=email).delete()
            grant_welcome_credits(user_id=user.pk, address=email)
    except EmailTaken:
        return None
    return user


def forget_sign_ups() -> int:
    """Deletes sign-ups whose link is too old; returns how many."""
    ended = timezone.now() - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    return SignUp.objects.filter(created_at__lt=ended).delete()[0]
