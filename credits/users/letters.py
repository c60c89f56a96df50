"""Letters to users: written from templates, sent by the worker, so that no request waits for a mail
server, and takes as long for an address without an account."""

from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from procrastinate.contrib.django import app


def send_later(*, template: str, subject: str, to: str, context: dict[str, Any]) -> None:
    """Has a worker send a letter after the commit. `template` stands in `credits/users/letters/`;
    `context` is JSON without secrets: a link with a token is made by the worker."""
    app.configure_task("users.send_letter", queue="default").defer(
        template=template, subject=subject, to=to, context=context
    )


def send(*, template: str, subject: str, to: str, context: dict[str, Any]) -> None:
    """Sends a letter now."""
    site = settings.SITE_URL
    body = render_to_string(f"credits/users/letters/{template}", {**context, "site": site})
    send_mail(subject, body, None, [to])
