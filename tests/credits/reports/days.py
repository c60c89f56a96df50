"""What tests of reports share: a day with rows and uses of every kind, and its sums."""

from datetime import UTC, date, datetime, timedelta

from credits.ledger import refund_charge, release_charge
from credits.models import Use, User
from credits.reports.rollup import Slicing, slices
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.factories import (
    make_charge,
    make_grant,
    make_model,
    make_reserve,
    make_token_price,
)
from tests.ledger import sql

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TENTH = NOON.date()


def totals(wanted: Slicing | None = None) -> dict[tuple[date, str], tuple[int, int]]:
    """(day, kind) → rows and credits."""
    found: dict[tuple[date, str], tuple[int, int]] = {}
    for one in slices(wanted or Slicing()):
        rows, credits_ = found.get((one.day, one.kind), (0, 0))
        found[one.day, one.kind] = (rows + one.rows, credits_ + one.credits)
    return found


def journal() -> dict[tuple[date, str], tuple[int, int]]:
    """The same, row by row from the journal."""
    found: dict[tuple[date, str], tuple[int, int]] = {}
    rows = sql("""SELECT created_at, operation_type, refund_of_id, credits_used,
        details ->> 'reason' FROM credits_usagehistory""")
    for at, operation, refund_of, used, reason in rows:
        other = operation.lower() if operation in {"GRANT", "ADJUSTMENT", "EXPIRY"} else ""
        back = "unused" if reason == "unused" else "refund"
        key = (at.astimezone(UTC).date(), other or (back if refund_of else "charge"))
        count, credits_ = found.get(key, (0, 0))
        found[key] = (count + 1, credits_ + used)
    return found


def a_day_of(user: User) -> None:
    """A grant that expires within the day, charges of both features, a refund, a released hold, a
    use by tokens and a failure of one."""
    now = Clock().now()
    make_grant(user, 50, expires_at=now + timedelta(hours=6))
    charge = make_charge(user, 3, details={"model": "m1"})
    refund_charge(charge_id=charge.id, reason="goodwill", idempotency_key=f"r{charge.id}", amount=2)
    held = make_charge(user, 5, hold=True, details={"model": "m2"})
    release_charge(charge_id=held.id, reason="provider_error")
    model = make_model()
    make_token_price(model, output=10**9)
    reserve = make_reserve(user, model)
    settle_use(charge_id=reserve.id, tokens=Tokens(10, 5, 0, 20, 1, Use.Source.PROVIDER))
    release_charge(charge_id=make_reserve(user, model).id, reason="provider_error")
