"""Calls that are sent again: under a key of the client's, or by an SDK that got no answer in time.
They are answered from the first, which is paid once (design: gateway, C.8)."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse

from ai_chat.gateway.errors import ApiError
from ai_chat.gateway.headers import rate_headers
from ai_chat.gateway.kept_answers import BEGUN, Begun, find_answer, replayed
from ai_chat.jobs.ending import load_job
from ai_chat.jobs.following import POLL_SECONDS
from ai_chat.jobs.running import find_run, released_connection, stop_job
from ai_chat.models import ApiCall, KeptAnswer
from config.serving.answers import has_left, watch_client
from credits.api.idempotency import read_key
from credits.idempotency import namespaced
from credits.kernel import ledger_now
from credits.keys.lookup import Caller
from credits.models import Hold

#: Seconds for which the stop of the try before is waited for.
STOP_SECONDS = 5.0


class AnsweredBefore(Exception):
    """A call that need not be made: `response` is the answer of the one that it repeats."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


def start_once(
    http: HttpRequest,
    caller: Caller,
    *,
    request: str,
    start: Callable[[str | None], tuple[ApiCall, bool]],
) -> ApiCall:
    """The call that `start` begins under a key of the ledger (None: one of its own), unless it
    repeats another; `start` says whether the call is new, `request` is the fingerprint of what is
    asked. Raises AnsweredBefore, ApiError, and what `start` raises."""
    key = _key_of(http, caller)
    watch_client(http.META)
    if key is None:
        if _is_further_try(http):
            _answer_from_first(http, caller, request)
        job, _ = start(None)
    else:
        job = _start_under(key, start)
    http.META[BEGUN] = Begun(job, key is not None)
    return job


def _key_of(http: HttpRequest, caller: Caller) -> str | None:
    """What the client's Idempotency-Key is called in the ledger: keys of two API keys never meet.
    Raises InvalidInput."""
    value = read_key(http)
    return None if value is None else namespaced(f"v1:{caller.key_id}", value)


def _start_under(key: str, start: Callable[[str | None], tuple[ApiCall, bool]]) -> ApiCall:
    job, is_new = start(key)
    while not is_new:
        if job.is_running:
            message = "A call with this Idempotency-Key is being answered."
            raise ApiError(409, "idempotency_in_progress", message, retry_seconds=2)
        if not job.is_free:
            raise _repeated(job)
        # It failed, and nothing was paid: SDKs try again under the same key.
        job, is_new = start(f"{key}:{job.charge_id}")
    return job


def _repeated(job: ApiCall) -> Exception:
    if kept := find_answer(job):
        return AnsweredBefore(replayed(kept, rate_headers(job.rate)))
    message = f"This was answered before (charge {job.charge_id}); the answer is not kept any more."
    return ApiError(409, "idempotency_answer_gone", message, charge=job.charge_id)


def _is_further_try(http: HttpRequest) -> bool:
    """Whether an SDK of OpenAI's or Anthropic's says that it has given up on the try before."""
    count = http.headers.get("x-stainless-retry-count", "")
    return count.isascii() and count.isdigit() and int(count[:4]) > 0


def _answer_from_first(http: HttpRequest, caller: Caller, request: str) -> None:
    """Raises AnsweredBefore when the try before has an answer that nobody read, and ApiError when
    the client leaves meanwhile. A streamed one is stopped, so that its credits are back: what was
    delivered of it, if anything, cannot be sent again."""
    calls = ApiCall.objects.filter(api_key=caller.key_id, fingerprint=request)
    recent = calls.filter(created_at__gt=Now() - KeptAnswer.KEPT)
    first = recent.select_related("charge").order_by("-created_at").first()
    if first is None:
        return
    if first.streamed:
        if first.is_running:
            stop_job(first)
            _wait(http, first, until=time.monotonic() + STOP_SECONDS)
        return
    ended = _wait(http, first)
    kept = find_answer(ended) if ended.state == ApiCall.State.DONE else None
    if kept and kept.unread:
        raise AnsweredBefore(replayed(kept, {}))


def _wait(http: HttpRequest, job: ApiCall, until: float = float("inf")) -> ApiCall:
    """The call once it has ended, or as it is `until` then (time.monotonic) or when the process
    that did it has died. Raises ApiError when the client leaves."""
    current: ApiCall | None = job
    while current and current.is_running and time.monotonic() < until:
        if _is_abandoned(current):
            break
        if has_left(http.META):
            raise ApiError(499, "client_left", "The client has left.")
        if run := find_run(job.pk):
            run.ended.wait(POLL_SECONDS)
        else:
            time.sleep(POLL_SECONDS)
        with released_connection():
            current = load_job(ApiCall, pk=job.pk)
    return current or job


def _is_abandoned(job: ApiCall) -> bool:
    """Whether the process that does the call has died: it lengthens the lease of its hold after
    each third of it."""
    if find_run(job.pk):
        return False
    lease = timedelta(seconds=settings.HOLD_LEASE_SECONDS)
    is_lengthened = lease.total_seconds() <= settings.API_CALL_SECONDS
    least = lease / 2 if is_lengthened else timedelta()
    holds = Hold.objects.filter(charge_id=job.charge_id, lease_until__gt=ledger_now() + least)
    with released_connection():
        return not holds.exists()
