"""Why credits come back: the codes that refunds carry in the journal, and their words."""

from django.db.models import TextChoices


class Reason(TextChoices):
    """A reason of a refund; the label finishes a sentence. The receipt of an answer and the line of
    the statement say the same."""

    PROVIDER_ERROR = "provider_error", "the provider failed"
    UNREACHABLE = "provider_unreachable", "the provider could not be reached"
    BUSY = "provider_busy", "the provider has too much to do"
    ACCESS = "provider_access", "the provider does not accept this site's key"
    QUOTA = "provider_quota", "this site's account at the provider is used up"
    UNKNOWN_MODEL = "provider_unknown_model", "the provider does not know this model"
    REDIRECTED = "provider_redirected", "the provider's address has moved"
    NOT_ACCEPTED = "provider_not_accepted", "the provider did not accept the request"
    TIMEOUT = "provider_timeout", "the provider took too long"
    CUT_OFF = "provider_cut_off", "the connection broke before the end"
    UNREADABLE = "provider_unreadable", "what the provider sent could not be read"
    UNKNOWN_END = "provider_unknown_end", "the provider broke the answer off"
    REFUSED = "provider_refused", "the provider refused the request"
    CONTEXT_TOO_LONG = "context_too_long", "the conversation is too long for this model"
    EMPTY_ANSWER = "empty_answer", "the answer was empty"
    LENGTH_USED_UP = "length_used_up", "the model used up its length before answering"
    STOPPED_EARLY = "stopped_before_first_token", "stopped early"
    #: No refund: what the job says that was charged for a stop.
    STOPS_USED_UP = (
        "early_stops_used_up",
        "stopped before the answer began; free stops of this hour are used up",
    )
    #: The same of an answer that comes to nothing, although something of it was shown.
    ANSWERS_USED_UP = (
        "free_answers_used_up",
        "nothing came of what was asked; free answers of this hour are used up",
    )
    EMPTY_RESULT = "empty_result", "the provider sent fewer images than asked for"
    INVALID_IMAGE = "invalid_image", "what came back was no usable image"
    IMAGE_ADDRESS = "image_address", "the provider sent an address instead of an image"
    #: Of a charge by tokens: what was reserved and not used.
    UNUSED = "unused", "reserved and not used"
    STORAGE_FAILED = "storage_failed", "the image could not be kept on our side"
    NOT_STARTED = "not_started", "the site was too busy to begin"
    LEASE_EXPIRED = "lease_expired", "interrupted on our side"

    @property
    def is_stop(self) -> bool:
        """Whether the user stopped the work before anything was delivered."""
        return self in {Reason.STOPPED_EARLY, Reason.STOPS_USED_UP}

    @property
    def by_payer(self) -> bool:
        """Whether the payer's own doing brought the credits back."""
        return self in {Reason.STOPPED_EARLY, Reason.REFUSED, Reason.UNUSED}


#: What a job says of whose charge nothing came back.
CHARGED = frozenset({"", Reason.STOPS_USED_UP, Reason.ANSWERS_USED_UP})


def is_by_payer(reason: str) -> bool:
    """Whether credits that come back for this reason do so by the payer's own doing; a code that is
    none of ours is not."""
    return reason in Reason and Reason(reason).by_payer


def words_of(reason: object) -> str:
    """A refund's reason in words; an unknown code is its own words."""
    code = str(reason or "")
    return Reason(code).label if code in Reason else code.replace("_", " ")
