"""Announcing events: the message, its first attempts and the mail are written in the caller's
transaction, so what was announced is sent, and what was rolled back is not."""

from typing import Any, NamedTuple

from django.db import transaction
from procrastinate.contrib.django import app

from credits.kernel import database_time
from credits.models import User, WebhookAttempt, WebhookEndpoint, WebhookMessage
from credits.users.letters import send_later


class Letter(NamedTuple):
    """The mail of an event: its subject, what it says (whole sentences), and the path of the page
    on which something can be done about it."""

    subject: str
    text: str
    path: str


@transaction.atomic
def announce(
    *, account_id: int, kind: str, key: str, payload: dict[str, Any], letter: Letter | None = None
) -> bool:
    """Announces an event of an account: to its active webhooks, and by mail to its owner unless
    they turned that off. Once for each `key` of the account: again it does nothing and returns
    False (a key is known for 30 days, as long as its message). `kind` is the message's `type`, as
    `limit.threshold_reached`; `payload` its `data`, JSON in camelCase without secrets."""
    message, is_new = WebhookMessage.objects.get_or_create(
        account_id=account_id, key=key, defaults={"kind": kind, "payload": payload}
    )
    if not is_new:
        return False
    endpoints = WebhookEndpoint.objects.filter(account_id=account_id, active=True)
    send_to(message, list(endpoints))
    owner = User.objects.filter(pk=account_id, is_active=True, alerts_by_mail=True).first()
    if letter and owner:
        context = {"text": letter.text, "path": letter.path}
        send_later(template="alert.txt", subject=letter.subject, user=owner, context=context)
    return True


def send_to(message: WebhookMessage, endpoints: list[WebhookEndpoint]) -> None:
    """Has the worker send a new message to these endpoints after the commit."""
    now = database_time()
    rows = [WebhookAttempt(message=message, endpoint=each, due_at=now) for each in endpoints]
    WebhookAttempt.objects.bulk_create(rows)
    if rows:
        send_soon()


def send_soon(*, seconds: float = 0) -> None:
    """Has a worker look for what is due, after the commit and `seconds`. Without it a worker looks
    once a minute."""
    pause = {"seconds": seconds} if seconds else None
    app.configure_task("events.send", queue="default", schedule_in=pause).defer()
