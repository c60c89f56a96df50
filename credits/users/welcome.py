"""Welcome credits: once per mailbox, whatever the account. The grant's key is a keyed hash of the
address; grants are never deleted, so it outlasts the account."""

import re
import unicodedata
from contextlib import suppress

from django.conf import settings
from django.db.models import Q
from django.utils.crypto import salted_hmac

from credits.exceptions import IdempotencyConflict
from credits.ledger import Grant, grant_credits
from credits.models import CreditGrant

#: One mail provider under two names, which ignores dots.
GMAIL = {"gmail.com", "googlemail.com"}
QUOTED = re.compile(r'"((?:[^"\\]|\\.)+)"', re.DOTALL)


def normalise(address: str) -> str:
    """The address of a mailbox, of whose spellings there are many: in lower case, without quotes
    (RFC 5321, 4.1.2: `"a"@` and `"\\a"@` are `a@`) and `+tag`, the domain in ASCII, and for Gmail
    without dots and by one name."""
    name, _, domain = unicodedata.normalize("NFKC", address).strip().lower().rpartition("@")
    while quoted := QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    name, domain = name.partition("+")[0] or name, domain.rstrip(".")
    with suppress(UnicodeError):  # Else the domain is no name of a host, and stays as it is.
        domain = domain.encode("idna").decode()
    if domain in GMAIL:
        name, domain = name.replace(".", "") or name, "gmail.com"
    return f"{name}@{domain}"


def _grant_key(address: str) -> str:
    digest = salted_hmac(
        "credits.welcome", normalise(address), secret=settings.IDENTITY_KEY, algorithm="sha256"
    )
    return f"signup:{digest.hexdigest()}"


def has_welcome_credits(*, user_id: int) -> bool:
    """Whether this account ever had them."""
    source = CreditGrant.Source.SIGNUP
    return CreditGrant.objects.filter(account_id=user_id, source=source).exists()


def grant_welcome_credits(*, user_id: int, address: str, amount: int | None = None) -> Grant | None:
    """Grants SIGNUP_CREDITS (or `amount`) to whoever proved this address. None if there are none to
    grant, or this account or this address has had them, be it for an account that is gone."""
    amount = settings.SIGNUP_CREDITS if amount is None else amount
    if not amount or not address:
        return None
    source, key = CreditGrant.Source.SIGNUP, _grant_key(address)
    had = Q(key=key) | Q(account_id=user_id, source=source)
    if CreditGrant.objects.filter(had).exists():
        return None
    try:
        return grant_credits(user_id=user_id, source=source, amount=amount, key=key)
    except IdempotencyConflict:  # Another account proved this address in the same moment.
        return None
