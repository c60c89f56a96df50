"""The second factor of local accounts: codes of an authenticator app (TOTP, RFC 6238), and recovery
codes in case it is lost. django-otp stores and checks both; each code is counted before it is
checked, and valid once (docs/decisions.md)."""

import re
from base64 import b32encode
from dataclasses import dataclass

import segno
from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from rest_framework.request import Request

from config.addresses import client_address
from config.errors import DomainError
from credits import audit
from credits.models import User
from credits.rate_limits import LONGEST, take
from credits.users.limits import TooManyFromHere
from credits.users.notices import notify
from credits.users.sessions import end_sessions
from credits.users.trail import Kind, record

#: The key in the session for the second factor that it has passed (`User.second_factor_at`).
PASSED = "second_factor"
RECOVERY_CODES = 10
#: Seconds for which an offered secret is valid.
OFFER_SECONDS = 3600


class TooManyCodes(TooManyFromHere):
    """CODES_PER_HOUR of a user, or CODES_PER_HOUR_AND_ADDRESS from one address, were checked."""

    code = "too_many_codes"
    what = "Too many codes were tried."


class WrongCode(DomainError):
    """The code does not belong to the secret, or was used before."""

    code = "wrong_code"


class HasSecondFactor(DomainError):
    """The account has a second factor already."""

    status = 409
    code = "has_second_factor"


@dataclass(frozen=True)
class Offer:
    """A new secret for an app: signed for the form, and as the QR code and text for the user. It is
    not stored before it is set up."""

    signed: str
    text: str
    uri: str

    @property
    def qr_code(self) -> SafeString:
        """The QR code as SVG, without attributes that the content security policy refuses. The
        library writes all of it: nothing of the address stands in it as text."""
        code = segno.make(self.uri, error="m", micro=False)
        return SafeString(code.svg_inline(omitsize=True, dark="#000", light="#fff", border=4))


def offer(user: User, *, signed: str = "") -> Offer:
    """The offer of the `signed` secret that the form sent back; a new one if that is missing or
    old."""
    key = secret_of(user, signed)
    if key is None:
        key = default_key()
        signed = signing.dumps(key, salt=_salt(user))
    text = b32encode(bytes.fromhex(key)).decode()
    groups = " ".join(re.findall(".{1,4}", text))
    return Offer(signed, groups, TOTPDevice(user=user, key=key).config_url)


def secret_of(user: User, signed: str) -> str | None:
    """The signed secret, in hexadecimal; None if it is not this user's, or older than
    OFFER_SECONDS."""
    try:
        return str(signing.loads(signed, salt=_salt(user), max_age=OFFER_SECONDS))
    except signing.BadSignature:
        return None


def _salt(user: User) -> str:
    return f"credits.users.second_factor.{user.pk}"


@transaction.atomic
def set_up(*, user: User, secret: str, code: str, request: HttpRequest) -> list[str]:
    """Sets up an app that shows the right code, and returns new recovery codes. All other sessions
    of the user end: they have not passed it. Raises WrongCode, HasSecondFactor."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    if locked.second_factor_at:
        raise HasSecondFactor("There is a second factor already.")
    device = TOTPDevice(user=user, name="app", key=secret)
    if not device.verify_token(_digits(code)):  # Saves it; what is raised takes that back.
        raise WrongCode
    _change(user, request, exists=True)
    record(Kind.SECOND_FACTOR_ADDED, user=user, request=request)
    notify(user=user, what="A second factor was added to your account.", request=request)
    return make_recovery_codes(user=user, request=request)


@transaction.atomic
def remove(*, user: User, request: HttpRequest | None = None) -> None:
    """Removes the app and the recovery codes. All other sessions of the user end."""
    User.objects.select_for_update().get(pk=user.pk)
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    _change(user, request, exists=False)
    record(Kind.SECOND_FACTOR_REMOVED, user=user, request=request)
    notify(user=user, what="The second factor of your account was removed.", request=request)


@transaction.atomic
def reset(*, email: str) -> bool:
    """Removes the second factor of somebody who lost it, on the audit record; False when there is
    none. Raises User.DoesNotExist."""
    user = User.objects.get_by_natural_key(email)
    if not user.second_factor_at:
        return False
    remove(user=user)
    audit.record(
        actor=None, action="second_factor.reset", target=f"user {user.pk}", user_id=user.pk
    )
    return True


def _change(user: User, request: HttpRequest | None, *, exists: bool) -> None:
    user.second_factor_at = timezone.now() if exists else None
    User.objects.filter(pk=user.pk).update(second_factor_at=user.second_factor_at)
    end_sessions(user_id=user.pk, but=request.session.session_key if request else None)
    if request:
        mark_passed(request, user)


@transaction.atomic
def make_recovery_codes(*, user: User, request: HttpRequest) -> list[str]:
    """Replaces the recovery codes, each valid once, and returns the new ones. They are stored as
    keyed hashes."""
    User.objects.select_for_update().get(pk=user.pk)
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(
        [StaticToken(device=device, token=_hashed(user, code)) for code in codes]
    )
    record(Kind.RECOVERY_CODES_MADE, user=user, request=request)
    return [f"{code[:4]}-{code[4:]}" for code in codes]


def recovery_codes_left(user: User) -> int:
    """How many recovery codes were not used yet."""
    return int(StaticToken.objects.filter(device__user=user).count())


def check_code(*, user: User, code: str, request: HttpRequest) -> bool:
    """Whether this is the app's present code, or a recovery code, and unused. It is counted before
    it is checked, so that simultaneous guesses cannot exceed the limit. Raises TooManyCodes."""
    _count(user, request)
    with transaction.atomic():
        if _is_right(user, code, request):
            return True
    record(Kind.WRONG_CODE, user=user, request=request)
    return False


def _count(user: User, request: HttpRequest) -> None:
    limits = {
        f"code:{user.pk}": settings.CODES_PER_HOUR,
        f"code-from:{client_address(request)}": settings.CODES_PER_HOUR_AND_ADDRESS,
    }
    for key, limit in limits.items():
        if seconds := take(key, limit=limit, window=LONGEST):
            _notify_of_guesses(user, request)
            raise TooManyCodes(seconds)


def _notify_of_guesses(user: User, request: HttpRequest) -> None:
    """Once an hour: who can try codes knows the password."""
    if not take(f"guesses-told:{user.pk}", limit=1, window=LONGEST):
        record(Kind.LOCKED_OUT, user=user, request=request)
        what = "Somebody who knows your password tried many wrong codes."
        notify(user=user, what=what, request=request)


def _is_right(user: User, code: str, request: HttpRequest) -> bool:
    # Locked: of two requests with the same code the second sees that it was used.
    if digits := _digits(code):
        app = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=True).first()
        return bool(app and app.verify_token(digits))
    recovery = StaticDevice.objects.select_for_update().filter(user=user).first()
    word = re.sub(r"[\s-]", "", code).lower()
    if recovery is None or not recovery.verify_token(_hashed(user, word)):
        return False
    record(Kind.RECOVERY_CODE_USED, user=user, request=request)
    notify(user=user, what="A recovery code of your account was used.", request=request)
    return True


def _digits(code: str) -> str:
    """The six digits of an app's code, which may be written in groups; else nothing."""
    digits = re.sub(r"\s", "", code)
    return digits if re.fullmatch("[0-9]{6}", digits) else ""


def _hashed(user: User, code: str) -> str:
    salt, secret = "credits.users.recovery", settings.IDENTITY_KEY
    digest = salted_hmac(salt, f"{user.pk}:{code}", secret=secret, algorithm="sha256")
    return str(digest.hexdigest()[:16])  # As long as django-otp's column.


def mark_passed(request: HttpRequest, user: User) -> None:
    """Notes in the session that it has passed the user's second factor, if there is one."""
    if user.second_factor_at:
        request.session[PASSED] = user.second_factor_at.isoformat()
    else:
        request.session.pop(PASSED, None)


def lacks_second_factor(request: HttpRequest | Request) -> bool:
    """Whether an admin's request is to be refused for want of a second factor: the session has not
    passed the user's, or there is none and ADMIN_SECOND_FACTOR requires one. In a session of
    Clerk's the second factor there counts."""
    user = request.user
    if getattr(request, "clerk_second_factor", False) or not isinstance(user, User):
        return False
    if user.second_factor_at:
        return bool(request.session.get(PASSED) != user.second_factor_at.isoformat())
    return bool(settings.ADMIN_SECOND_FACTOR)
