"""Threads kept back. An open stream, or a call that waits for its end, is a thread; once all but a
reserve are taken, the next is refused before anything is charged, so that pages, short calls and
the probes are served."""

import threading
import weakref
from collections.abc import Callable
from functools import wraps
from itertools import count

from django.conf import settings
from django.http import HttpResponseBase

from ai_chat.jobs.errors import Busy

_lock = threading.Lock()
_numbers = count()
_taken: set[int] = set()


def most() -> int:
    """How many threads of this process may follow jobs at the same time."""
    return max(1, settings.WEB_THREADS - max(2, settings.WEB_THREADS // 8))


def keeps_its_thread[**P, R: HttpResponseBase](view: Callable[P, R]) -> Callable[P, R]:
    """A view that waits for a job, or streams it: counted until its response is closed. Raises Busy
    before the view is called."""

    @wraps(view)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        with _lock:
            if len(_taken) >= most():
                raise Busy
            number = next(_numbers)
            _taken.add(number)
        try:
            response = view(*args, **kwargs)
        except BaseException:
            _taken.discard(number)
            raise
        # Also when the response is thrown away unsent, because something after the view failed.
        give_back = weakref.finalize(response, _taken.discard, number)
        if response.streaming:
            # What `close` calls; Django has no other hook for it.
            closers: list[Callable[[], object]] = vars(response)["_resource_closers"]
            closers.append(give_back)
        else:
            give_back()
        return response

    return counted
