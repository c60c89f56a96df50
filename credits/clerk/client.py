"""Clerk's Backend API: the few reads we need, typed, with bounded waits and retries."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import httpx
from django.conf import settings

from config.errors import DomainError
from credits.clerk.parsing import (
    Json,
    PlanOffer,
    as_amount,
    as_id,
    as_ms,
    as_object,
    as_objects,
    parse_plan,
    storable,
)

VERSION = "2025-11-10"
TIMEOUT = httpx.Timeout(10, connect=3)
TRIES = 6
#: Seconds: the first pause, which doubles, and the longest, also when Retry-After wants more.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
PAGE = 500
#: Pages of one list, 5 million rows: a list that never ends is not read for ever.
MOST_PAGES = 10_000


class ClerkError(DomainError):
    """Clerk did not answer as documented. The message names the call and the status, no data."""

    status = 502
    code = "clerk_unavailable"

    @property
    def body(self) -> dict[str, Any]:
        return {**super().body, "message": f"Clerk did not answer: {self}"}


class ClerkUnavailable(ClerkError):
    """Clerk did not answer any of several tries."""


class NotAtClerk(ClerkError):
    """Clerk has no such object, or none to give: `answered` is 404, 403 or 422."""

    def __init__(self, message: str, answered: int) -> None:
        super().__init__(message)
        self.answered = answered


class ClerkClient:
    """A connection to the Backend API; use it as a context. `sleep` waits between tries."""

    def __init__(self, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=settings.CLERK_API_URL,
            headers={
                "Authorization": f"Bearer {settings.CLERK_SECRET_KEY}",
                "Clerk-API-Version": VERSION,
            },
            timeout=TIMEOUT,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def count_users(self) -> int:
        return _total(as_object(self._get("/users/count")))

    def user(self, clerk_id: str) -> Json:
        """A user as `parsing.parse_person` reads it. Raises NotAtClerk."""
        return as_object(self._get(f"/users/{clerk_id}"))

    def user_pages(self, *, after: str = "", size: int = PAGE) -> Iterator[list[Json]]:
        """Every user, oldest first, page by page; goes on behind the user `after`."""
        for _ in range(MOST_PAGES):
            query: dict[str, Any] = {"limit": size, "order_by": "+created_at"}
            page = _rows(self._get("/users", query | ({"starting_after": after} if after else {})))
            if page:
                yield page
            if len(page) < size:
                return
            after = last_id(page)
            if not after:  # Else it would begin again, and again.
                raise ClerkError("GET /users: a page without ids")

    def changed_users(self, since: int, *, size: int = PAGE) -> Iterator[list[Json]]:
        """Users whose newest version is of this moment (milliseconds) or later, newest first."""
        for number in range(MOST_PAGES):
            query = {"limit": size, "offset": number * size, "order_by": "-updated_at"}
            page = _rows(self._get("/users", query))
            # A user without a version does not say how far the list has come.
            changed = [u for u in page if (as_ms(u.get("updated_at")) or since) >= since]
            if changed:
                yield changed
            if len(changed) < size:
                return

    def subscription_items(self, clerk_id: str) -> list[Json]:
        """The current and upcoming items of a user; none without a subscription."""
        try:
            answer = self._get(f"/users/{clerk_id}/billing/subscription")
        except NotAtClerk:
            return []
        return as_objects(as_object(answer).get("subscription_items"))

    def item_pages(
        self, status: str, *, free: bool, offset: int = 0, size: int = PAGE
    ) -> Iterator[tuple[int, list[Json]]]:
        """Users' items of one status, newest first: the total, and the items of a page."""
        query = {
            "status": status,
            "payer_type": "user",
            "include_free": str(free).lower(),
            "paginated": "true",
            "limit": size,
        }
        for _ in range(MOST_PAGES):
            answer = as_object(self._get("/billing/subscription_items", query | {"offset": offset}))
            page = _rows(answer.get("data"))
            if page:
                yield _total(answer), page
            if len(page) < size:
                return
            offset += len(page)

    def plans(self) -> list[PlanOffer]:
        """Every plan for users."""
        query = {"payer_type": "user", "paginated": "true", "limit": PAGE, "offset": 0}
        answer = as_object(self._get("/billing/plans", query))
        return [plan for plan in map(parse_plan, as_objects(answer.get("data"))) if plan.clerk_id]

    def _get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        """Raises ClerkUnavailable, NotAtClerk, ClerkError."""
        pause, answer = FIRST_PAUSE, None
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._http.get(path, params=query)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in {429, 500, 502, 503, 504}:
                return _body_of(answer, path)
            if attempt < TRIES:
                self._sleep(_pause(answer, pause))
                pause = min(pause * 2, LONGEST_PAUSE)
        status = answer.status_code if answer is not None else "no answer"
        raise ClerkUnavailable(f"GET {_shape(path)}: {status} after {TRIES} tries")


def _pause(answer: httpx.Response | None, planned: float) -> float:
    """Retry-After, or the planned pause with some jitter, so that workers do not synchronize."""
    wanted = answer.headers.get("Retry-After", "") if answer is not None else ""
    if wanted.isdecimal():
        return min(float(wanted[:6]), LONGEST_PAUSE)
    return planned * random.uniform(0.8, 1.2)


def _body_of(answer: httpx.Response, path: str) -> Any:
    if answer.status_code in {403, 404, 422}:
        raise NotAtClerk(f"GET {_shape(path)}: {answer.status_code}", answer.status_code)
    if answer.status_code != 200:
        raise ClerkError(f"GET {_shape(path)}: {answer.status_code}")
    try:
        return storable(answer.json())
    except (ValueError, RecursionError):
        raise ClerkError(f"GET {_shape(path)}: no JSON") from None


def _rows(value: object) -> list[Json]:
    """A page as long as Clerk sent it (a short one is the last), with objects only."""
    return [as_object(row) for row in value] if isinstance(value, list) else []


def last_id(page: list[Json]) -> str:
    """The user after whom the next page begins; "" when the page has no ids."""
    return next((known for user in reversed(page) if (known := as_id(user.get("id")))), "")


def _shape(path: str) -> str:
    """The path without ids, for messages."""
    return "/".join(
        "…" if "_" in part and "items" not in part else part for part in path.split("/")
    )


def _total(answer: Json) -> int:
    return max(as_amount(answer.get("total_count")) or 0, 0)
