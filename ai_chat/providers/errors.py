"""How a provider fails: one error, with the reason that the refund, the log, the metrics and the
desk name."""

import re

from credits.reasons import Reason

#: The provider cannot answer anybody: another model may take over.
DOWN = {
    Reason.PROVIDER_ERROR,
    Reason.UNREACHABLE,
    Reason.BUSY,
    Reason.ACCESS,
    Reason.QUOTA,
    Reason.UNKNOWN_MODEL,
    Reason.REDIRECTED,
    Reason.TIMEOUT,
    Reason.CUT_OFF,
    Reason.UNKNOWN_END,
}
#: It will go on until somebody who runs the site mends it.
FOR_THE_OPERATOR = {
    Reason.ACCESS,
    Reason.QUOTA,
    Reason.UNKNOWN_MODEL,
    Reason.REDIRECTED,
    Reason.UNREACHABLE,
    Reason.IMAGE_ADDRESS,
    Reason.NOT_ACCEPTED,
}
#: The longest wait that is passed on, in seconds: clients give up on more.
MAX_RETRY_SECONDS = 60
MAX_CODE_CHARACTERS = 60
MAX_MESSAGE_CHARACTERS = 500
#: What is not passed on of a message: it may be a key, say whose account the provider bills, or
#: where it is.
PRIVATE = re.compile(
    r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.-]+"
    r"|\b(?:sk|pk|rk|key|org|proj|user|acct|req|AIza)[-_][\w*.-]{4,}|\bAIza[\w-]{10,}"
    r"|(?=[^\s\"']*\d)[\w+/=*.-]{32,}"
)
#: The keys of this process's providers: no code that holds one is passed on.
known_keys: set[str] = set()


class ProviderError(Exception):
    """A call that failed. `status` is that of its HTTP answer, `code` what the provider calls the
    failure (any text; kept are at most 60 harmless ASCII characters, for the log, the desk and
    metrics), `message` its sentence, for whoever made the request (never logged: it may quote
    that; kept are at most 500 characters without secrets), `retry_seconds` when it asks to be
    called again."""

    def __init__(
        self,
        reason: Reason,
        *,
        status: int | None = None,
        code: str = "",
        message: str = "",
        retry_seconds: int | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.status = status
        self.code = clean_code(code)
        self.message = clean_message(message)
        self.retry_seconds = retry_seconds

    def __str__(self) -> str:
        details = [self.reason.value, str(self.status or ""), self.code]
        return " ".join(filter(None, details))


def clean_code(text: str) -> str:
    """What may be logged and shown of a code that somebody else chose: never a provider's key."""
    if any(key in text for key in known_keys):
        return ""
    return re.sub(r"[^A-Za-z0-9_.:-]+", "", text)[:MAX_CODE_CHARACTERS]


def clean_message(text: str) -> str:
    """What may be shown of a provider's sentence: no key, no account and no address."""
    for key in known_keys:
        text = text.replace(key, "...")
    return " ".join(PRIVATE.sub("...", text).split())[:MAX_MESSAGE_CHARACTERS]
