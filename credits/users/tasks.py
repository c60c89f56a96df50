"""Background work of local accounts: letters, and deleting old rows
(settings.PROCRASTINATE_IMPORT_PATHS)."""

from smtplib import SMTPException
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from credits.users import letters, proofs, resets, sign_ups, trail
from credits.users.session_list import forget_sessions

LATER = RetryStrategy(max_attempts=6, exponential_wait=4, retry_exceptions={SMTPException, OSError})


@app.task(name="users.send_proof", retry=LATER)
def send_proof(user_id: int) -> None:
    """Sends the letter by which an address is proved."""
    proofs.send_proof(user_id=user_id)


@app.task(name="users.send_sign_up", retry=LATER)
def send_sign_up(sign_up_id: int) -> None:
    """Sends the letter by which an account is made."""
    sign_ups.send_sign_up(sign_up_id=sign_up_id)


@app.task(name="users.send_reset", retry=LATER)
def send_reset(email: str, address: str, device: str) -> None:
    """Sends the letter with which a new password is chosen."""
    resets.send_reset(email=email, address=address, device=device)


@app.task(name="users.send_letter", retry=LATER)
def send_letter(
    template: str, subject: str, to: str, context: dict[str, Any], user_id: int
) -> None:
    """Sends a letter that a request left to the worker."""
    letters.send(template=template, subject=subject, to=to, context=context)


@app.periodic(cron="23 * * * *")
@app.task(name="users.forget", queueing_lock="users.forget")
def forget(timestamp: int) -> None:
    """Deletes ended sessions, events older than AUTHENTICATION_DAYS, and unanswered sign-ups."""
    forget_sessions()
    trail.forget()
    sign_ups.forget_sign_ups()
