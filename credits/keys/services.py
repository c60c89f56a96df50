"""Making, changing, rolling and revoking API keys. A key's row is locked before its account's
balance, as PostgreSQL does when a key ends (`credits/sql/keys.sql`)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from credits import audit, rate_limits
from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.fields import KEY_FIELDS, KEY_OVERLAP_DAYS, problems_of
from credits.catalogue.models import listed_models
from credits.kernel import database_time
from credits.keys.exceptions import (
    KeyRevoked,
    NoSuchKey,
    RolledLately,
    TooManyKeys,
    TooManySecrets,
)
from credits.keys.secrets import digest_of, hint_of, new_secret
from credits.limits.setting import remove_limit, remove_limits_of_key, set_limit
from credits.models import Account, ApiKey, ApiKeySecret, Limit, User
from credits.models.keys import PUBLIC_ID
from credits.signals import key_revoked
from credits.users.letters import send_later
from credits.users.notices import particulars_of
from credits.users.trail import Kind, record

#: Keys of an account that are not revoked.
MOST = 50
#: Secrets of an account that are made in an hour.
SECRETS_PER_HOUR = 30


class WithSecret(NamedTuple):
    """A key with its new secret, which is shown this once."""

    key: ApiKey
    secret: str


def find_key(*, public_id: str, account_id: int | None = None) -> ApiKey:
    """The key of this name, whatever the text; of this account, if one is given. Raises
    NoSuchKey."""
    keys = ApiKey.objects.select_related("member")
    if account_id is not None:
        keys = keys.filter(account_id=account_id)
    key = keys.filter(public_id=public_id).first() if PUBLIC_ID.fullmatch(public_id) else None
    if key is None:
        raise NoSuchKey
    return key


@transaction.atomic
def make_key(
    *,
    actor: User,
    account_id: int,
    name: str,
    limits: Mapping[str, int] | None = None,
    models: Sequence[str] | None = None,
    scopes: Sequence[str] = (ApiKey.Scope.INFERENCE,),
    expires_at: datetime | None = None,
    calls_per_minute: int | None = None,
    request: HttpRequest | None = None,
) -> WithSecret:
    """Makes a key for a member of an account, with a hard limit in credits for each period of
    `limits`; `models` are names, None: all. `calls_per_minute` counts beside
    API_CALLS_PER_MINUTE. The member is told by mail. Raises InvalidValue, TooManyKeys,
    TooManySecrets, TooManyLimits."""
    values = _checked(
        name=name,
        models=models,
        scopes=list(scopes),
        expires_at=expires_at,
        calls_per_minute=calls_per_minute,
    )
    # Locked, so that two at once are counted one after the other.
    Account.objects.select_for_update(no_key=True).get(pk=account_id)
    if ApiKey.objects.filter(account_id=account_id, revoked_at=None).count() >= MOST:
        raise TooManyKeys(MOST)
    key = ApiKey.objects.create(account_id=account_id, member=actor, **values)
    secret = _add_secret(key)
    _set_limits(actor, key, limits or {})
    record(Kind.KEY_MADE, user=actor, request=request)
    _send_mail(actor, key, secret, "An API key was made for your account", request)
    return WithSecret(key, secret)


@transaction.atomic
def change_key(
    *, actor: User, key: ApiKey, limits: Mapping[str, int] | None = None, **values: Any
) -> ApiKey:
    """Changes `name`, `models`, `scopes`, `expires_at` or `calls_per_minute`, and with `limits` the
    limits that the account set for the key: there is one for each of these periods then, and no
    other. Raises InvalidValue, KeyRevoked, TooManyLimits."""
    key = _locked(key)
    if values.get("expires_at") == key.expires_at:
        values.pop("expires_at", None)  # It may be over.
    for name, value in _checked(**values).items():
        setattr(key, name, value)
    key.save(update_fields=["name", "only_models", "scopes", "expires_at", "calls_per_minute"])
    if limits is not None:
        _set_limits(actor, key, limits)
    return key


@transaction.atomic
def roll_key(
    *, actor: User, key: ApiKey, overlap_days: int, request: HttpRequest | None = None
) -> WithSecret:
    """A new secret; the present one works for `overlap_days` more (0: no more from now on), and so
    do limits, history and name of the key. The member is told by mail. Raises InvalidValue,
    KeyRevoked, RolledLately, TooManySecrets."""
    if not KEY_OVERLAP_DAYS.accepts(overlap_days):
        raise InvalidValue(KEY_OVERLAP_DAYS.sentence, "overlapDays")
    key, now = _locked(key), database_time()
    key.secrets.filter(valid_until__lte=now).delete()
    former = key.secrets.exclude(valid_until=None).first()
    if overlap_days and former and former.valid_until:
        raise RolledLately(former.valid_until)
    key.secrets.update(valid_until=now + timedelta(days=overlap_days))
    secret = _add_secret(key)
    record(Kind.KEY_ROLLED, user=actor, request=request)
    _send_mail(actor, key, secret, "An API key of your account has a new secret", request)
    return WithSecret(key, secret)


@transaction.atomic
def revoke_key(
    *,
    actor: User,
    key: ApiKey,
    stop: bool = False,
    request: HttpRequest | None = None,
    by_admin: bool = False,
    reason: str = "",
) -> ApiKey:
    """Ends a key for good: once this has returned, nothing more is charged in its name. What is
    going on ends as it would, or with `stop` is stopped (`key_revoked`); asked again, that too.
    Its limits go. `by_admin` is recorded, with a `reason`."""
    key = ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    if key.revoked_at is None:
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
        key.refresh_from_db()
        remove_limits_of_key(key_id=key.pk)
        if by_admin:
            audit.record(
                actor=actor,
                action="key.revoke",
                target=key.public_id,
                user_id=key.account_id,
                after={"stop": stop},
                reason=reason,
            )
        else:
            record(Kind.KEY_REVOKED, user=actor, request=request)
    key_revoked.send(sender=ApiKey, key_id=key.pk, account_id=key.account_id, stop=stop)
    return key


def forget_keys(*, user_id: int, **_: Any) -> None:
    """Receiver of `account_closed`: deletes the secrets of the account's keys, and their names.
    They are not revoked: that waits for the balance, which waits for rows of users that whoever
    closes an account has locked. A closed account is charged nothing."""
    ApiKeySecret.objects.filter(key__account_id=user_id).delete()
    ApiKey.objects.filter(account_id=user_id).update(name="")


def _locked(key: ApiKey) -> ApiKey:
    """The key, locked. Raises KeyRevoked."""
    key = ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    if key.revoked_at:
        raise KeyRevoked
    return key


#: The names that JSON has for what differs here.
NAMES = {"expires_at": "expiresAt", "calls_per_minute": "callsPerMinute"}


def _checked(**values: Any) -> dict[str, Any]:
    """The values by the names of their columns. Raises InvalidValue."""
    given = {name: values[name] for name in values if name != "expires_at"}
    for field, sentence in problems_of(given, KEY_FIELDS).items():
        raise InvalidValue(sentence, NAMES.get(field, field))
    if models := values.get("models"):
        known = set(listed_models().filter(name__in=models).values_list("name", flat=True))
        for place, name in enumerate(models):
            if name not in known:
                raise InvalidValue("There is no such model.", "models", place)
    end = values.get("expires_at")
    if end and end <= database_time():
        raise InvalidValue("Must be in the future.", NAMES["expires_at"])
    columns = {"models": "only_models"}
    return {columns.get(name, name): value for name, value in values.items()}


def _add_secret(key: ApiKey) -> str:
    most, window = SECRETS_PER_HOUR, rate_limits.LONGEST
    if seconds := rate_limits.take(f"keys:{key.account_id}", limit=most, window=window):
        raise TooManySecrets(most, seconds)
    secret = new_secret()
    key.secrets.create(digest=digest_of(secret), hint=hint_of(secret))
    return secret


def _set_limits(actor: User, key: ApiKey, limits: Mapping[str, int]) -> None:
    """Makes `limits` (credits by period) all that the account has set for the key."""
    account = key.account_id
    own = Limit.objects.filter(api_key=key, by_admin=False).filter(~Q(period__in=limits))
    for limit in own:
        remove_limit(actor=actor, account_id=account, limit_id=limit.pk)
    for period, credits in limits.items():
        set_limit(actor=actor, account_id=account, key_id=key.pk, period=period, credits=credits)


def _send_mail(
    actor: User, key: ApiKey, secret: str, what: str, request: HttpRequest | None
) -> None:
    """Mails the member, without the key's name: we would send text of anybody's choice."""
    path = reverse("key", kwargs={"public_id": key.public_id})
    sentence = f"{what}: …{hint_of(secret)}."
    context = particulars_of(what=sentence, path=path, request=request)
    send_later(template="key_made.txt", subject=what, user=actor, context=context)
