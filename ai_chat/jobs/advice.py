"""What somebody can do after a job has failed: a sentence beside the failure's words."""

from ai_chat.jobs.models import Job
from ai_chat.providers.errors import FOR_THE_OPERATOR
from credits.reasons import Reason


def next_step(job: Job) -> str:
    """A sentence for whoever asked; empty where there is nothing to do but ask again. It names
    neither status nor code: those are for the operator."""
    match job.failure:
        case Reason.CONTEXT_TOO_LONG:
            return "Start a new chat, or ask again: less of the conversation is sent."
        case Reason.LENGTH_USED_UP:
            return "Ask for less at once, or choose another model."
        case Reason.BUSY if job.retry_seconds:
            plural = "s" if job.retry_seconds != 1 else ""
            return f"Try again in {job.retry_seconds} second{plural}."
        case Reason.BUSY:
            return "Try again in a moment."
        case reason if reason in FOR_THE_OPERATOR:
            return "You did nothing wrong: whoever runs this site has to mend it."
    return ""
