"""Answers of /v1 that are kept for clients that ask again (design: gateway, C.8)."""

import json
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from ai_chat.jobs.running import released_connection
from ai_chat.models import ApiCall, KeptAnswer
from config.serving.answers import has_left
from credits.models import User

logger = logging.getLogger(__name__)

#: Bytes of an answer beyond which it is not kept.
MAX_KEPT_BYTES = 30_000_000
#: Seconds between the end of a call and the moment from which its answer can be found.
KEEPING_SECONDS = 2.0
#: Where a request has the call that it began.
BEGUN = "tally.call"

#: Only what was delivered is kept, for accounts that want it.
KEEP = """
INSERT INTO ai_chat_keptanswer (call_id, unread, headers, content)
SELECT c.id, %(unread)s, %(headers)s, %(content)s
FROM ai_chat_apicall c JOIN credits_user u ON u.id = c.user_id
WHERE c.id = %(call)s AND c.state = 'done' AND u.keeps_answers AND u.closed_at IS NULL
ON CONFLICT DO NOTHING
"""


class Begun(NamedTuple):
    """The call that a request began, and whether it was sent under a key."""

    job: ApiCall
    has_key: bool


def keep_answer(http: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response to a request, whose answer is kept if the client may ask for it again: it sent
    a key, or has left before the whole answer was there."""
    begun: Begun | None = http.META.get(BEGUN)
    if begun is None or response.status_code != 200 or not settings.API_KEEP_ANSWERS:
        return response
    keep = partial(_keep, begun.job, dict(response.items()))
    if isinstance(response, StreamingHttpResponse):
        if begun.has_key:
            pieces: Iterable[bytes] = response.streaming_content  # type: ignore[assignment]
            response.streaming_content = _kept_at_end(pieces, keep)
    elif isinstance(response, HttpResponse):
        is_unread = has_left(http.META)
        if begun.has_key or is_unread:
            keep(response.content, unread=is_unread)
    return response


def _kept_at_end(pieces: Iterable[bytes], keep: Callable[[bytes], None]) -> Iterator[bytes]:
    sent = bytearray()
    for piece in pieces:
        sent += piece
        yield piece
    keep(bytes(sent))


def _keep(job: ApiCall, headers: dict[str, str], content: bytes, *, unread: bool = False) -> None:
    if len(content) > MAX_KEPT_BYTES:
        return
    values: dict[str, Any] = {
        "call": job.pk,
        "unread": unread,
        "headers": json.dumps(headers),
        "content": zlib.compress(content, 1),
    }
    with released_connection():
        try:
            with connection.cursor() as cursor:
                cursor.execute(KEEP, values)
        except AnyDatabaseError as error:
            # The answer itself is sent all the same.
            logger.warning("%s: the answer was not kept (%s)", job, type(error).__name__)


def find_answer(job: ApiCall) -> KeptAnswer | None:
    """The answer of a call that has ended. One that has just ended is being kept at this moment."""
    keeps = User.objects.filter(pk=job.user_id, keeps_answers=True)
    answers = KeptAnswer.objects.filter(call=job, created_at__gt=Now() - KeptAnswer.KEPT)
    with released_connection():
        if job.state != ApiCall.State.DONE or not keeps.exists():
            return None
    until = time.monotonic() + KEEPING_SECONDS
    while True:
        with released_connection():
            if kept := answers.first():
                return kept
            just = ApiCall.objects.filter(
                pk=job.pk, ended_at__gt=Now() - timedelta(seconds=KEEPING_SECONDS)
            )
            if time.monotonic() > until or not just.exists():
                return None
        time.sleep(0.1)


def replayed(kept: KeptAnswer, headers: Mapping[str, str]) -> HttpResponse:
    """A kept answer with its own headers and these."""
    headers = {**kept.headers, **headers, "X-Tally-Replayed": "true"}
    return HttpResponse(zlib.decompress(kept.content), headers=headers)
