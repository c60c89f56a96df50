"""What was announced in a test, and what was sent of it."""

from collections.abc import Callable

from credits.events.announcing import announce
from credits.models import User, WebhookAttempt, WebhookMessage


def tell(user: User, key: str = "1") -> WebhookMessage:
    announce(account_id=user.pk, kind="test.happened", key=key, payload={"text": "ä"})
    return WebhookMessage.objects.get(account_id=user.pk, key=key)


def attempts() -> list[tuple[int, str, int | None, str]]:
    rows = WebhookAttempt.objects.order_by("message", "endpoint", "number")
    return [(row.number, row.state, row.status, row.failure) for row in rows]


def pending() -> WebhookAttempt:
    return WebhookAttempt.objects.get(ended_at=None)


def is_delivered(message: WebhookMessage) -> Callable[[], bool]:
    return lambda: message.attempts.filter(ended_at__isnull=False, failure="").exists()
