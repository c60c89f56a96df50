"""Letters of local accounts (settings.PROCRASTINATE_IMPORT_PATHS)."""

from smtplib import SMTPException

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from credits.users import proofs

LATER = RetryStrategy(max_attempts=6, exponential_wait=4, retry_exceptions={SMTPException, OSError})


@app.task(name="users.send_proof", retry=LATER)
def send_proof(user_id: int, site: str) -> None:
    """Sends the letter by which an address is proved."""
    proofs.send_proof(user_id=user_id, site=site)
