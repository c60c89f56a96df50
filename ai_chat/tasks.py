"""Background work over users' content, found by `manage.py procrastinate worker`."""

from procrastinate.contrib.django import app

from ai_chat.calls import keeping
from ai_chat.data import jobs, kept_responses
from ai_chat.sharing import services as sharing


@app.task(name="data.run")
def run_job(job_id: str) -> None:
    """Works on an archive, a deletion or an erasure."""
    jobs.run(job_id)


@app.periodic(cron="* * * * *")
@app.task(name="data.resume", queueing_lock="data.resume")
def resume(timestamp: int) -> None:
    """Queues jobs again whose worker died, or that failed."""
    jobs.resume()


@app.periodic(cron="29 * * * *")
@app.task(name="data.forget", queueing_lock="data.forget")
def forget(timestamp: int) -> None:
    """Deletes archives, links, calls of the log and kept responses that are old."""
    jobs.forget()
    sharing.forget()
    keeping.forget()
    kept_responses.forget()


@app.periodic(cron="* * * * *")
@app.task(name="data.forget_answers", queueing_lock="data.forget_answers")
def forget_answers(timestamp: int) -> None:
    """Deletes answers of the API that were kept for clients that ask again."""
    kept_responses.forget_answers()
