"""Counting requests that are not charged."""

from datetime import timedelta

from django.conf import settings

from config.errors import TooManyRequests
from credits import rate_limits

#: Under which the account's messages and image requests are counted (`ai_chat.jobs.start`).
REQUESTS = "requests"


def count_request(
    *, user_id: int, kind: str = REQUESTS, name: str = "request", most: int | None = None
) -> None:
    """Counts a request of an account, which people call `name`: with those that are charged, or as
    a `kind` of its own. Raises TooManyRequests beyond `most` a minute; REQUESTS_PER_MINUTE unless
    given."""
    many: int = settings.REQUESTS_PER_MINUTE if most is None else most
    minute = timedelta(minutes=1)
    if seconds := rate_limits.take(f"{kind}:{user_id}", limit=many, window=minute):
        plural = "s" if many != 1 else ""
        raise TooManyRequests(
            f"You can make {many} {name}{plural} a minute. Try again in {seconds} "
            f"second{'s' if seconds != 1 else ''}.",
            retry_seconds=seconds,
        )
