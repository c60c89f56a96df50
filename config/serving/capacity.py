"""Limits on answers that keep a thread: streams, and calls that wait for a job. Once all threads
but a reserve are kept, the next such request is refused before anything is charged, so that pages
and short calls are still served; one user may keep a share of them in each process."""

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from itertools import count
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase

from config.errors import Busy, TooManyRequests

#: Simultaneous streams or downloads of the same address by one user, in several tabs.
VIEWERS = 4
RETRY_SECONDS = 5

_lock = threading.Lock()
_numbers = count()
#: Kept threads: the id of the user, and the path that is read.
_taken: dict[int, tuple[int | None, str]] = {}


class TooManyOpen(TooManyRequests):
    """One user has too much open in this process."""

    def __init__(self) -> None:
        sentence = "Too much of yours is open already. Close some of it; nothing was charged."
        super().__init__(sentence, retry_seconds=RETRY_SECONDS)


def most() -> int:
    """Threads of this process that may be kept at the same time."""
    return max(1, settings.WEB_THREADS - max(2, settings.WEB_THREADS // 8))


def share() -> int:
    """Threads of this process that one user may keep."""
    return max(2, most() // 4)


def keeps_its_thread[**P, R: HttpResponseBase](
    view: Callable[P, R], *, viewers: int = VIEWERS
) -> Callable[P, R]:
    """A view that waits for a job or streams its answer: counted until its response is closed, for
    the user of its request. Raises Busy and TooManyOpen before the view is called."""

    @wraps(view)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        number = _take(args[0], viewers)
        try:
            response = view(*args, **kwargs)
        except BaseException:
            _give_back(number)
            raise
        if response.streaming:
            return Kept(number).by(response)
        _give_back(number)
        return response

    return counted


class Kept:
    """A thread that is kept by a request, until it is given back or the response that has it is
    closed."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.is_handed_on = False

    def by[R: HttpResponseBase](self, response: R) -> R:
        """The response, which gives the thread back when it is closed or thrown away."""
        give_back = weakref.finalize(response, _give_back, self._number)
        # What `close` calls; Django has no other hook for it.
        closers: list[Callable[[], object]] = vars(response)["_resource_closers"]
        closers.append(give_back)
        self.is_handed_on = True
        return response


@contextmanager
def keeps_a_thread(user_id: int) -> Iterator[Kept]:
    """As `keeps_its_thread`, for a call by an API key: its account may keep half of all threads.
    Raises Busy and TooManyOpen."""
    number = _keep(user_id, "", viewers=0, most_of_one=max(2, most() // 2))
    kept = Kept(number)
    try:
        yield kept
    finally:
        if not kept.is_handed_on:
            _give_back(number)


#: For views that stream a generated file: one at a time for each user.
exports = partial(keeps_its_thread, viewers=1)


def _take(request: Any, viewers: int) -> int:
    path = request.path if request.method == "GET" else ""
    return _keep(request.user.pk, path, viewers=viewers, most_of_one=share())


def _keep(user_id: int | None, path: str, *, viewers: int, most_of_one: int) -> int:
    with _lock:
        if len(_taken) >= most():
            raise Busy
        # A copy: threads are given back without the lock, meanwhile.
        taken = _taken.copy().values()
        paths = Counter(path for owner, path in taken if owner == user_id)
        if paths.total() >= most_of_one or (path and paths[path] >= viewers):
            raise TooManyOpen
        number = next(_numbers)
        _taken[number] = (user_id, path)
    return number


def _give_back(number: int) -> None:
    # Without the lock: a finalizer runs in any thread, also in one that has it.
    _taken.pop(number, None)
