"""Replacing a lost password by a link in a letter. The request looks nothing up, so neither answer
nor time shows whether there is such an account."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest
from procrastinate.contrib.django import app

from credits.models import User
from credits.users import letters, trail
from credits.users.limits import may_mail


def ask_for_reset(*, email: str, request: HttpRequest) -> None:
    """Has a worker send the letter, if there is such an account, and unless several letters went to
    this address lately."""
    if may_mail(email=email):
        job = app.configure_task("users.send_reset", queue="default")
        job.defer(email=email, **trail.origin_of(request))


def send_reset(*, email: str, address: str, device: str) -> None:
    """Sends the letter, if an account with this address has a local password."""
    user = User.objects.filter(email=email, is_active=True).first()
    if user is None or not user.has_usable_password() or not settings.MAIL_CONFIGURED:
        return
    link = letters.link_to("password-reset-confirm", user, default_token_generator)
    subject = "Your new password for Tally"
    letters.send(template="reset.txt", subject=subject, to=email, context={"link": link})
    trail.write(trail.Kind.RESET_ASKED, user=user, address=address, device=device)
