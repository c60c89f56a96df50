"""Letters of local accounts (settings.PROCRASTINATE_IMPORT_PATHS)."""

from smtplib import SMTPException
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from credits.users import letters, proofs, trail
from credits.users.session_list import forget_sessions

LATER = RetryStrategy(max_attempts=6, exponential_wait=4, retry_exceptions={SMTPException, OSError})


@app.task(name="users.send_proof", retry=LATER)
def send_proof(user_id: int, site: str) -> None:
    """Sends the letter by which an address is proved."""
    proofs.send_proof(user_id=user_id, site=site)


@app.task(name="users.send_letter", retry=LATER)
def send_letter(template: str, subject: str, to: str, context: dict[str, Any]) -> None:
    """Sends a letter that a request left to the worker."""
    letters.send(template=template, subject=subject, to=to, context=context)


@app.periodic(cron="23 * * * *")
@app.task(name="users.forget", queueing_lock="users.forget")
def forget(timestamp: int) -> None:
    """Deletes sessions that are over, and events older than AUTHENTICATION_DAYS."""
    forget_sessions()
    trail.forget()
