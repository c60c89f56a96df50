"""Following a job to its end from any process. Nobody who follows holds a database connection while
waiting, and all wake at the end."""

import time
from collections.abc import Generator

from ai_chat.jobs.ending import load_job
from ai_chat.jobs.models import Job
from ai_chat.jobs.running import find_run, released_connection

#: At most ten pieces a second per viewer: about 5,000 a second are what one process can send.
FLUSH_SECONDS = 0.1
#: How often a viewer looks at the database when another process does the job.
POLL_SECONDS = 0.5


def follow[J: Job](
    job: J, *, heartbeat: float, elsewhere: bool = True
) -> Generator[str, None, J | None]:
    """The job's text from its beginning, as it comes; an empty string after `heartbeat` seconds
    without any. Returns the job as it ended, or None when it is deleted; it is still running when
    its end could not be saved, so that its lease decides, and when it is done `elsewhere` and that
    is not to be followed."""
    run = find_run(job.pk)
    if run is None:
        return (yield from _follow_database(job, to_the_end=elsewhere))
    seen, flush_at = 0, 0.0
    while not run.ended.is_set():
        text, seen = run.wait(seen, heartbeat)
        pause = flush_at - time.monotonic()
        if pause > 0 and not run.ended.wait(pause):
            more, seen = run.wait(seen, 0)
            text += more
        flush_at = time.monotonic() + FLUSH_SECONDS
        if text or not run.ended.is_set():
            yield text
    if rest := run.wait(seen, 0)[0]:
        yield rest
    return run.job or _load(job)


def _follow_database[J: Job](job: J, *, to_the_end: bool) -> Generator[str, None, J | None]:
    """The same, read from the database: another process does the job, or did."""
    seen = 0
    while True:
        known = _load(job)
        text = known.text if known else ""
        if known is None or known.is_running or text[seen:]:
            yield text[seen:]
        seen = max(seen, len(text))
        if known is None or not known.is_running or not to_the_end:
            return known
        time.sleep(POLL_SECONDS)


def wait[J: Job](job: J) -> J | None:
    """Waits for the job's end; returns what `follow` does."""
    run = find_run(job.pk)
    if run:
        run.ended.wait()
        return run.job or _load(job)
    while (known := _load(job)) and known.is_running:
        time.sleep(POLL_SECONDS)
    return known


def _load[J: Job](job: J) -> J | None:
    with released_connection():
        return load_job(type(job), pk=job.pk)
