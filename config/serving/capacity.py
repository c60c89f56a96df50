"""Limits on answers that keep a thread: streams, and calls that wait for a job. Once all threads
but a reserve are kept, the next such request is refused before anything is charged, so that pages
and short calls are still served; one user may keep a share of them in each process."""

import threading
import weakref
from collections import Counter
from collections.abc import Callable
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
        # Also when the response is thrown away unsent, because something after the view failed.
        give_back = weakref.finalize(response, _give_back, number)
        if response.streaming:
            # What `close` calls; Django has no other hook for it.
            closers: list[Callable[[], object]] = vars(response)["_resource_closers"]
            closers.append(give_back)
        else:
            give_back()
        return response

    return counted


#: For views that stream a generated file: one at a time for each user.
exports = partial(keeps_its_thread, viewers=1)


def _take(request: Any, viewers: int) -> int:
    user_id = request.user.pk
    path = request.path if request.method == "GET" else ""
    with _lock:
        if len(_taken) >= most():
            raise Busy
        # A copy: threads are given back without the lock, meanwhile.
        taken = _taken.copy().values()
        paths = Counter(path for owner, path in taken if owner == user_id)
        if paths.total() >= share() or (path and paths[path] >= viewers):
            raise TooManyOpen
        number = next(_numbers)
        _taken[number] = (user_id, path)
    return number


def _give_back(number: int) -> None:
    # Without the lock: a finalizer runs in any thread, also in one that has it.
    _taken.pop(number, None)
