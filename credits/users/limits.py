"""Limits on sign-ups, letters and passwords. Each use is counted before anything is looked up or
hashed, so that simultaneous requests cannot exceed a limit."""

import math
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from config.addresses import client_address
from config.errors import TooManyRequests
from credits import rate_limits
from credits.models import AuthenticationEvent, RateLimit, User
from credits.rate_limits import LONGEST
from credits.users import trail

WINDOW = timedelta(minutes=15)
#: Wrong passwords in any WINDOW: for a name from one client address, so that nobody can lock others
#: out; and for a name from all of them together, save those where it has signed in before.
WRONG_FROM_ADDRESS, WRONG_FROM_ALL = 5, 50


class TooManyFromHere(TooManyRequests):
    """One client address reached a limit."""

    what = "Too much came from where you are."

    def __init__(self, seconds: int) -> None:
        self.minutes = math.ceil(seconds / 60)
        plural = "s" if self.minutes != 1 else ""
        message = f"{self.what} Try again in {self.minutes} minute{plural}."
        super().__init__(message, retry_seconds=seconds)


class TooManySignUps(TooManyFromHere):
    """SIGNUPS_PER_HOUR sign-ups came from one client address."""

    what = "Many accounts were made from where you are."


class LockedOut(TooManyFromHere):
    """Too many wrong passwords for one name."""

    code = "locked_out"
    template = "credits/users/locked_out.html"


def limit_sign_ups(address: str) -> None:
    """Counts a sign-up from a client address, even if it is refused afterwards. Raises
    TooManySignUps."""
    if seconds := rate_limits.take(
        f"sign-up:{address}", limit=settings.SIGNUPS_PER_HOUR, window=LONGEST
    ):
        raise TooManySignUps(seconds)


def limit_letters(request: HttpRequest) -> None:
    """Counts a request for a letter, of which LETTERS_PER_HOUR may come from one client address.
    Raises TooManyFromHere."""
    key = f"letters:{client_address(request)}"
    if seconds := rate_limits.take(key, limit=settings.LETTERS_PER_HOUR, window=LONGEST):
        raise TooManyFromHere(seconds)


def may_mail(*, email: str) -> bool:
    """Counts a letter to this address, unless RESET_MAILS_PER_HOUR have gone there: then False."""
    return not rate_limits.take(
        f"mail:{hashed(email)}", limit=settings.RESET_MAILS_PER_HOUR, window=LONGEST
    )


class Guess:
    """One attempt at the password of a name, from a client address. The name is stored as a keyed
    hash: it may be the address of somebody who has no account."""

    def __init__(self, name: str, request: HttpRequest) -> None:
        self.name = name.strip().lower()
        self.request = request
        self.address = client_address(request)
        self.from_all = _key(self.name)
        self.from_address = f"{self.from_all}{self.address}"

    def judge[T](self, ask: Callable[[], T | None]) -> T | None:
        """What `ask` answers, which is nothing where the password is wrong. It is counted first.
        Raises TooManyFromHere, LockedOut, and whatever `ask` does."""
        self.count()
        try:
            answer = ask()
        except Exception:
            self.take_back()
            raise
        if answer is None:
            self.was_wrong()
        else:
            self.was_right()
        return answer

    def count(self) -> None:
        """Counts the attempt before the password is checked. Raises TooManyFromHere
        (PASSWORDS_PER_HOUR, right ones included: each costs a hash) or LockedOut; then it does not
        count for the name."""
        key, at_most = f"passwords:{self.address}", settings.PASSWORDS_PER_HOUR
        if seconds := rate_limits.take(key, limit=at_most, window=LONGEST):
            raise TooManyFromHere(seconds)
        if seconds := rate_limits.take(self.from_address, limit=WRONG_FROM_ADDRESS, window=WINDOW):
            raise LockedOut(seconds)
        seconds = rate_limits.take(self.from_all, limit=WRONG_FROM_ALL, window=WINDOW)
        if seconds and not self._is_known_address():
            rate_limits.give_back(self.from_address)
            raise LockedOut(seconds)

    def _is_known_address(self) -> bool:
        """Whether this name has signed in from this address before: guesses from elsewhere do not
        lock it out here."""
        signed_in = AuthenticationEvent.objects.filter(
            user__email=self.name, kind=trail.Kind.SIGNED_IN, address=self.address
        )
        return signed_in.exists()

    def take_back(self) -> None:
        """Takes the count back: the password was not checked."""
        rate_limits.give_back(self.from_address)
        rate_limits.give_back(self.from_all)

    def was_right(self) -> None:
        """Takes the count back, and deletes those of wrong passwords from this client address."""
        RateLimit.objects.filter(pk=self.from_address).delete()
        rate_limits.give_back(self.from_all)

    def was_wrong(self) -> None:
        """Records a wrong password. Raises LockedOut when the limit is reached with it."""
        user = User.objects.filter(email=self.name).first()
        trail.record(trail.Kind.WRONG_PASSWORD, user=user, request=self.request)
        seconds = rate_limits.seconds_to_wait(
            self.from_address, limit=WRONG_FROM_ADDRESS, window=WINDOW
        )
        if seconds:
            trail.record(trail.Kind.LOCKED_OUT, user=user, request=self.request)
            raise LockedOut(seconds)


def forgive(name: str) -> None:
    """Deletes the counts of wrong passwords for a name, whose owner was verified by a letter."""
    RateLimit.objects.filter(pk__startswith=_key(name)).delete()


def hashed(name: str) -> str:
    """A keyed hash of a name or address, for what is counted."""
    return str(salted_hmac("credits.users.limits", name, algorithm="sha256").hexdigest())


def _key(name: str) -> str:
    return f"guess:{hashed(name)}:"
