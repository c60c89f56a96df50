"""Why credits come back: the codes that refunds carry in the journal, and their words."""

from django.db.models import TextChoices


class Reason(TextChoices):
    """A reason of a refund; the label finishes a sentence. The receipt of an answer and the line of
    the statement say the same."""

    PROVIDER_ERROR = "provider_error", "the provider failed"
    TIMEOUT = "provider_timeout", "the provider took too long"
    REFUSED = "provider_refused", "the provider refused the request"
    EMPTY_ANSWER = "empty_answer", "the answer was empty"
    STOPPED_EARLY = "stopped_before_first_token", "stopped before the answer began"
    EMPTY_RESULT = "empty_result", "the provider sent fewer images than asked for"
    INVALID_IMAGE = "invalid_image", "what came back was no usable image"
    STORAGE_FAILED = "storage_failed", "the image could not be kept on our side"
    NOT_STARTED = "not_started", "the site was too busy to begin"
    LEASE_EXPIRED = "lease_expired", "interrupted on our side"


def words_of(reason: object) -> str:
    """A refund's reason in words; an unknown code is its own words."""
    code = str(reason or "")
    return Reason(code).label if code in Reason else code.replace("_", " ")
