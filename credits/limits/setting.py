"""Setting and removing limits. A user's own and an admin's stand beside each other: a spend keeps
to both. The account's balance is locked before a limit changes, as it is while a spend looks at
limits: once a change has returned, no spend is let through by what was before."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from config.errors import DomainError
from credits import audit
from credits.catalogue.exceptions import InvalidValue
from credits.catalogue.fields import LIMIT_FIELDS, problems_of
from credits.catalogue.history import check_version, version_of
from credits.exceptions import OwnAccount
from credits.kernel import call_kernel, database_time
from credits.limits.alerts import record_alerts
from credits.models import ApiKey, Limit, Membership, User

#: Limits of an account that its user sets, those of keys among them; and as many that admins set.
MOST = 250
#: At how many percent an account is told, unless it says otherwise.
ALERT_AT = (80, 100)
#: As `expected_version`: there is no such limit yet.
NEW = ""


class LimitExists(DomainError):
    """There is a limit for this period already; it can be changed."""

    status = 409
    code = "duplicate"

    def __init__(self, limit: Limit) -> None:
        period = limit.get_period_display()
        super().__init__(f"There is a limit for what is spent {period} already.", limit=limit.pk)


class TooManyLimits(DomainError):
    """The account has MOST limits."""

    status = 409
    code = "too_many_limits"

    def __init__(self) -> None:
        super().__init__(f"There are {MOST} limits. Remove one first.", most=MOST)


class NoSuchLimit(DomainError):
    """The account has no such limit, key or member."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing here.")


def values_of(limit: Limit) -> dict[str, Any]:
    """A limit as the audit has it, and as its version is made of."""
    return {
        "period": limit.period,
        "credits": limit.credits,
        "hard": limit.hard,
        "alertAt": limit.alert_at,
        "since": f"{limit.since}",
        "keyId": limit.api_key_id,
        "memberId": limit.member_id,
    }


def limit_version(limit: Limit) -> str:
    """Differs for two states of a limit: for `expected_version`."""
    return version_of(values_of(limit))


@transaction.atomic
def set_limit(
    *,
    actor: User,
    account_id: int,
    period: str,
    credits: int,
    hard: bool | None = None,
    alert_at: Sequence[int] | None = None,
    member_id: int | None = None,
    key_id: int | None = None,
    restart: bool = False,
    expected_version: str | None = None,
    by_admin: bool = False,
    reason: str = "",
) -> Limit:
    """Sets the limit of an account, or of one member or key of it, for a period: there is one, and
    one that admins set (`by_admin`, with a `reason`). `hard` and `alert_at` stay as they are unless
    given; a new limit is hard and tells at ALERT_AT. A limit in all counts from the day on which it
    was set first, or with `restart` from today; the others count their whole present period. One
    that is below what is spent refuses from then on. `expected_version` is what the caller was
    shown (NEW: there was none).

    Raises InvalidValue, LimitExists, TooManyLimits, NoSuchLimit, ChangedMeanwhile, OwnAccount."""
    _lock(actor, account_id, by_admin=by_admin)
    given = {"period": period, "credits": credits}
    given |= {} if hard is None else {"hard": hard}
    given |= {} if alert_at is None else {"alertAt": list(alert_at)}
    for field, sentence in problems_of(given, LIMIT_FIELDS).items():
        raise InvalidValue(sentence, field)
    scope = {
        "account_id": account_id,
        "member_id": member_id,
        "api_key_id": key_id,
        "by_admin": by_admin,
        "period": period,
    }
    limit = _limit_of(scope)
    before = values_of(limit) if limit else None
    if limit is None:
        check_version(NEW, expected_version)
        limit = _new(scope)
    elif expected_version == NEW:
        raise LimitExists(limit)
    else:
        check_version(limit_version(limit), expected_version)
    limit.credits, limit.set_by, limit.updated_at = credits, actor, database_time()
    limit.hard = limit.hard if hard is None else hard
    limit.alert_at = sorted(limit.alert_at if alert_at is None else alert_at)
    limit.since = _first_day(period) if restart else limit.since
    limit.save()
    if by_admin:
        _record(actor, limit, before, values_of(limit), reason=reason)
    # What is reached already is on the page that set it; a user whose limit an admin set is told.
    record_alerts(account_id=account_id, limit_id=limit.pk, tell=by_admin)
    return limit


@transaction.atomic
def remove_limit(
    *,
    actor: User,
    account_id: int,
    limit_id: int,
    expected_version: str | None = None,
    by_admin: bool = False,
    reason: str = "",
) -> None:
    """Removes a limit of the account that its user set, or with `by_admin` one that admins set.
    Raises NoSuchLimit, ChangedMeanwhile, OwnAccount."""
    _lock(actor, account_id, by_admin=by_admin)
    _lock_rows(Limit.objects.filter(account_id=account_id))
    limit = find_limit(account_id=account_id, limit_id=limit_id, by_admin=by_admin)
    check_version(limit_version(limit), expected_version)
    if by_admin:
        _record(actor, limit, values_of(limit), None, reason=reason)
    limit.delete()


@transaction.atomic
def remove_all(*, user_id: int, **_: Any) -> None:
    """Receiver of `account_closed`: removes the limits, with what was told of them."""
    _lock_rows(Limit.objects.filter(account_id=user_id))
    Limit.objects.filter(account_id=user_id).delete()


@transaction.atomic
def remove_limits_of_key(*, key_id: int) -> None:
    """Removes the limits of a key that was revoked, whoever set them: it charges nothing more."""
    limits = Limit.objects.filter(api_key_id=key_id)
    _lock_rows(limits)
    limits.delete()


def find_limit(*, account_id: int, limit_id: int, by_admin: bool = False) -> Limit:
    """A limit of the account that its user set, or with `by_admin` one that admins set. Raises
    NoSuchLimit."""
    limits = Limit.objects.select_related("api_key", "member")
    limit = limits.filter(pk=limit_id, account_id=account_id, by_admin=by_admin).first()
    if limit is None:
        raise NoSuchLimit
    return limit


def _lock(actor: User, account_id: int, *, by_admin: bool) -> None:
    if by_admin and actor.pk == account_id:
        raise OwnAccount
    call_kernel("credits_lock", owner=account_id)


def _lock_rows(limits: QuerySet[Limit]) -> None:
    """Before limits are deleted: whoever records a threshold of one has done so, or fails as it is
    gone. An alert that came after the other alerts were deleted would keep its limit."""
    list(limits.select_for_update().order_by("pk"))


def _limit_of(scope: dict[str, Any]) -> Limit | None:
    """The limit that is for just this."""
    return Limit.objects.filter(
        *(Q(**{f"{name}__isnull": True}) for name in scope if scope[name] is None),
        **{name: value for name, value in scope.items() if value is not None},
    ).first()


def _new(scope: dict[str, Any]) -> Limit:
    """An unsaved limit. Raises TooManyLimits, NoSuchLimit."""
    account_id, member_id, key_id = (
        scope[name] for name in ("account_id", "member_id", "api_key_id")
    )
    keys = ApiKey.objects.filter(pk=key_id, account_id=account_id, revoked_at=None)
    members = Membership.objects.filter(account_id=account_id, user_id=member_id, until=None)
    if (key_id and not keys.exists()) or (member_id and not members.exists()):
        raise NoSuchLimit
    if key_id and member_id:
        raise InvalidValue("A limit is for a key or for a member, not for both.", "memberId")
    own = Limit.objects.filter(account_id=account_id, by_admin=scope["by_admin"])
    if own.count() >= MOST:
        raise TooManyLimits
    return Limit(**scope, since=_first_day(scope["period"]), alert_at=list(ALERT_AT))


def _first_day(period: str) -> date:
    """The first day of the period that is now (UTC); of a limit in all it is today."""
    today = database_time().date()
    match period:
        case Limit.Period.WEEK:
            return today - timedelta(days=today.weekday())
        case Limit.Period.MONTH:
            return today.replace(day=1)
    return today


def _record(actor: User, limit: Limit, before: Any, after: Any, *, reason: str) -> None:
    audit.record(
        actor=actor,
        action="limit.remove" if after is None else "limit.set",
        target=f"limit {limit.get_period_display()}",
        user_id=limit.account_id,
        before=before,
        after=after,
        reason=reason,
    )
