"""What the views of the API need of a request."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from config.errors import TooManyRequests
from credits.models import User


class ApiView(APIView):
    """The base of every call of the JSON API. OPTIONS is answered with 405."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]


def user_of(request: Request) -> User:
    """The user who is asking; for views whose permissions let nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def body_of(request: Request, serializer: type[BaseSerializer[Any]]) -> Any:
    """The request's body as the serializer has it. Raises ValidationError (400), and BodiesRefused
    (429) when too many of this user's bodies were refused lately: then it is not even read."""
    with _refused.counting(user_of(request).pk):
        return _validated(serializer(data=request.data))


class BodiesRefused(TooManyRequests):
    """Too many bodies of one user were no requests."""

    def __init__(self) -> None:
        many = settings.REQUESTS_PER_MINUTE
        sentence = f"{many} requests a minute could not be understood. Try again in a minute."
        super().__init__(sentence, retry_seconds=60)


class _Refusals:
    """How many bodies of each user this process refused in the last minute. Each counts from before
    it is judged until it is taken, so that many at once are no way around: what is taken is counted
    by what it asks for (REQUESTS_PER_MINUTE)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._counts: Counter[int] = Counter()
        self._minute = 0

    @contextmanager
    def counting(self, user_id: int) -> Iterator[None]:
        with self._lock:
            if self._minute != (minute := int(self._clock() // 60)):
                self._minute = minute
                self._counts.clear()
            if self._counts[user_id] >= settings.REQUESTS_PER_MINUTE:
                raise BodiesRefused
            self._counts[user_id] += 1
        yield
        with self._lock:
            if self._minute == minute:
                self._counts[user_id] -= 1


_refused = _Refusals()


def query_of(request: Request, serializer: type[BaseSerializer[Any]]) -> Any:
    """The request's query as the serializer has it. Raises ValidationError (400)."""
    return _validated(serializer(data=request.query_params.dict()))


def _validated(serializer: BaseSerializer[Any]) -> Any:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
