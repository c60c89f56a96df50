"""E-mail to users, made from templates and sent by the worker: no request waits for a mail server,
and the time that it takes does not show whether an address has an account."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import send_mail
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from procrastinate.contrib.django import app

from credits.models import User


def send_later(
    *, template: str, subject: str, user: User, context: Mapping[str, Any] | None = None
) -> None:
    """Has a worker send a letter to a user after the commit, where mail is configured. `template`
    stands in `credits/users/letters/`; `context` is JSON without secrets: a link with a token is
    made by the worker. A user without an address gets none."""
    if settings.MAIL_CONFIGURED and user.email:
        # The id finds it when the account is closed, also after the address has changed.
        letter: dict[str, Any] = {"template": template, "subject": subject, "to": user.email}
        job = app.configure_task("users.send_letter", queue="default")
        job.defer(**letter, user_id=user.pk, context=dict(context or {}))


def send(*, template: str, subject: str, to: str, context: Mapping[str, Any]) -> None:
    """Sends a letter now. Its template has the `site`, the `hours` for which a link is valid, and
    the address (`to`). It must not show a user's name: anybody can sign up with somebody else's
    address and any text as a name."""
    common = {"site": settings.SITE_URL, "hours": settings.PASSWORD_RESET_TIMEOUT // 3600, "to": to}
    body = render_to_string(f"credits/users/letters/{template}", {**common, **context})
    send_mail(subject, body, None, [to])


def link_to(route: str, row: Model, tokens: PasswordResetTokenGenerator) -> str:
    """The address of a page with a token for this row. Short: mail programs break lines that are
    longer than 78 characters."""
    token = tokens.make_token(row)  # type: ignore[arg-type]
    uid = urlsafe_base64_encode(force_bytes(row.pk))
    return settings.SITE_URL + reverse(route, kwargs={"uidb64": uid, "token": token})


def row_of_link[M: Model](
    kind: type[M], uidb64: str, token: str, tokens: PasswordResetTokenGenerator
) -> M | None:
    """The row that a link names; None if the link is not valid any more."""
    try:
        key = int(urlsafe_base64_decode(uidb64))
    except ValueError:
        return None
    if not 0 < key < 2**63:
        return None
    row = kind._default_manager.filter(pk=key).first()
    return row if tokens.check_token(row, token) else None  # type: ignore[arg-type]
