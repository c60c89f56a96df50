"""Following a job to its end from any process. Nobody who follows holds a database connection while
waiting, and all wake at the end."""

import time
from collections.abc import Iterator
from itertools import groupby

from ai_chat.jobs.ending import load_job
from ai_chat.jobs.models import Job
from ai_chat.jobs.running import Run, find_run, released_connection
from ai_chat.providers.pieces import Alive, Piece, Reasoning, Text

#: At most ten pieces a second per viewer: about 5,000 a second are what one process can send.
FLUSH_SECONDS = 0.1
#: How often a viewer looks at the database when another process does the job.
POLL_SECONDS = 0.5


class Following[J: Job]:
    """The job's pieces from its beginning, as they come, neighbours of one kind joined; Alive()
    after `heartbeat` seconds without any. At the end `job` is as it ended, None when it is deleted;
    it is still running when its end could not be saved, so that its lease decides."""

    def __init__(self, job: J, *, heartbeat: float) -> None:
        self.job: J | None = job
        self.run: Run[J] | None = find_run(job.pk)
        self._heartbeat = heartbeat

    def __iter__(self) -> Iterator[Piece]:
        return self._from_run(self.run) if self.run else self._from_database()

    def _from_run(self, run: Run[J]) -> Iterator[Piece]:
        parts: list[Piece] = []
        seen, flush_at = 0, 0.0
        while not run.ended.is_set():
            parts, seen = run.wait(seen, self._heartbeat)
            if run.ended.wait(max(0.0, flush_at - time.monotonic())):
                break
            more, seen = run.wait(seen, 0)
            yield from _joined([*parts, *more]) or [Alive()]
            parts, flush_at = [], time.monotonic() + FLUSH_SECONDS
        yield from _joined([*parts, *run.wait(seen, 0)[0]])
        self.job = run.job or _load(run.work.job)

    def _from_database(self) -> Iterator[Piece]:
        """The same where another process does the job, or did."""
        seen, known = 0, self.job
        while known and (known := _load(known)):
            if more := known.output_text[seen:]:
                yield Text(more)
            elif known.is_running:
                yield Alive()
            if not known.is_running:
                break
            seen = max(seen, len(known.output_text))
            time.sleep(POLL_SECONDS)
        self.job = known


def _joined(parts: list[Piece]) -> list[Piece]:
    """The pieces with text, those of one kind in a row as one."""
    texts = [part for part in parts if isinstance(part, Text | Reasoning)]
    groups = [list(group) for _, group in groupby(texts, key=type)]
    return [type(group[0])("".join(part.text for part in group)) for group in groups]


def wait[J: Job](job: J) -> J | None:
    """Waits for the job's end; returns it as `Following` does."""
    if run := find_run(job.pk):
        run.ended.wait()
        return run.job or _load(job)
    while (known := _load(job)) and known.is_running:
        time.sleep(POLL_SECONDS)
    return known


def _load[J: Job](job: J) -> J | None:
    with released_connection():
        return load_job(type(job), pk=job.pk)
