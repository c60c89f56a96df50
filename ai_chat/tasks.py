"""Background work over users' content, found by `manage.py procrastinate worker`."""

from procrastinate.contrib.django import app

from ai_chat.attachments import keeping as attachments
from ai_chat.calls import keeping
from ai_chat.conversations import filing, title_model
from ai_chat.data import jobs, kept_responses
from ai_chat.sharing import services as sharing


@app.task(name="data.run")
def run_job(job_id: str) -> None:
    """Works on an archive, a deletion or an erasure."""
    jobs.run(job_id)


@app.task(name="chat.title")
def make_title(turn_id: str) -> None:
    """Asks the model that an admin named for the title of a chat."""
    title_model.make_title(turn_id)


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


@app.periodic(cron="41 * * * *")
@app.task(name="attachments.forget", queueing_lock="attachments.forget")
def forget_attachments(timestamp: int) -> None:
    """Deletes files that were never sent, or are older than an admin lets them become."""
    attachments.forget()


@app.periodic(cron="17 4 * * *")
@app.task(name="attachments.discard_left", queueing_lock="attachments.discard_left")
def discard_left_attachments(timestamp: int) -> None:
    """Deletes contents of files that killed processes left."""
    attachments.discard_left()


@app.periodic(cron="* * * * *")
@app.task(name="data.forget_answers", queueing_lock="data.forget_answers")
def forget_answers(timestamp: int) -> None:
    """Deletes answers of the API that were kept for clients that ask again."""
    kept_responses.forget_answers()


@app.periodic(cron="* * * * *")
@app.task(name="chats.forget", queueing_lock="chats.forget")
def forget_chats(timestamp: int) -> None:
    """Deletes temporary chats whose time is over."""
    filing.delete_expired()
