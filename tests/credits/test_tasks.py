"""Background work of the ledger."""

import pytest
from django.core.management import call_command

from credits.tasks import forget_jobs
from tests.ledger import sql
from tests.parallel import in_background


@pytest.mark.django_db(transaction=True)
def test_jobs_that_are_long_done_are_forgotten_and_failed_ones_kept() -> None:
    for hours, status in ((80, "succeeded"), (80, "failed"), (1, "succeeded")):
        [(job,)] = sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
            " VALUES ('default', %s, %s::procrastinate_job_status) RETURNING id",
            f"{status} {hours} h ago", status,
        )  # fmt: skip
        sql("DELETE FROM procrastinate_events WHERE job_id = %s", job)
        sql("INSERT INTO procrastinate_events (job_id, type, at) VALUES"
            " (%s, %s::procrastinate_job_event_type, now() - make_interval(hours => %s))",
            job, status, hours)  # fmt: skip
    forget_jobs.configure().defer(timestamp=0)
    # In a thread: behind a test with a browser this one has an event loop.
    in_background(lambda: call_command("procrastinate", "worker", "--one-shot")).result()
    left = {name for (name,) in sql("SELECT task_name FROM procrastinate_jobs")}
    assert {"failed 80 h ago", "succeeded 1 h ago"} <= left
    assert "succeeded 80 h ago" not in left
