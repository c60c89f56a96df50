"""Background work of webhooks (settings.PROCRASTINATE_IMPORT_PATHS)."""

from procrastinate.contrib.django import app

from credits.events import sending


@app.task(name="events.send")
def send() -> None:
    """Sends what is due: something was announced, or failed a moment ago."""
    sending.send_due()


@app.periodic(cron="* * * * *")
@app.task(name="events.resume", queueing_lock="events.resume")
def resume(timestamp: int) -> None:
    """The same each minute: retries are due, and what a killed worker had taken up."""
    sending.send_due()


@app.periodic(cron="51 4 * * *")
@app.task(name="events.forget", queueing_lock="events.forget")
def forget(timestamp: int) -> None:
    """Deletes messages that are old."""
    sending.forget()
