"""Threads kept back. An open stream, or a call that waits for its end, is a thread; once all but a
reserve are taken, the next is refused before anything is charged, so that pages, short calls and
the probes are served."""

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import count
from typing import cast

from django.conf import settings
from django.http import HttpResponseBase, StreamingHttpResponse

from ai_chat.jobs.errors import Busy

_lock = threading.Lock()
_numbers = count()
_taken: set[int] = set()


class _Place:
    """One of the threads that may follow jobs. Raises Busy when all are taken."""

    def __init__(self) -> None:
        self._number = next(_numbers)
        with _lock:
            if len(_taken) >= most():
                raise Busy
            _taken.add(self._number)

    def close(self) -> None:
        # Without the lock: also called when a response that was never sent is thrown away, which
        # may be at any moment.
        _taken.discard(self._number)

    __del__ = close


class _Counted:
    """A response's content, which the server closes when it is sent or its reader is gone."""

    def __init__(self, content: Iterable[bytes], place: _Place) -> None:
        self._content, self._place = iter(content), place

    def __iter__(self) -> Iterator[bytes]:
        return self._content

    def close(self) -> None:
        self._place.close()


def most() -> int:
    """How many threads of this process may follow jobs at the same time."""
    return max(1, settings.WEB_THREADS - max(2, settings.WEB_THREADS // 8))


def keeps_its_thread[**P, R: HttpResponseBase](view: Callable[P, R]) -> Callable[P, R]:
    """A view that waits for a job, or streams it: counted until its response is closed. Raises Busy
    before the view is called."""

    @wraps(view)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        place = _Place()
        try:
            response = view(*args, **kwargs)
        except BaseException:
            place.close()
            raise
        if isinstance(response, StreamingHttpResponse):
            content = cast(Iterable[bytes], response.streaming_content)
            response.streaming_content = _Counted(content, place)
        else:
            place.close()
        return response

    return counted
