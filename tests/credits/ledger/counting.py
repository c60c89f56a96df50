"""What limits count, read in two ways, and whom they are for."""

from datetime import date
from typing import Any

from credits.amounts import PICO
from credits.models import AIModel, Hold, Membership, Use, User
from tests.factories import make_model, make_token_price
from tests.ledger import sql


def make_dear_model() -> AIModel:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written."""
    model = make_model()
    make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                     reasoning=2 * 10**9)  # fmt: skip
    return model


def add_member(account: User, member: User) -> None:
    Membership.objects.create(account_id=account.pk, user=member, role="owner")


def assert_counted(user: User) -> None:
    """The counters of the account are what its journal, holds and uses come to."""
    counters = sql(
        "SELECT member_id, api_key_id, day, spent, held FROM credits_spendday"
        " WHERE account_id = %s AND (spent, held) <> (0, 0) ORDER BY 1, 2, 3",
        user.pk,
    )
    expected = sql(
        "SELECT * FROM credits_spend_of(%s) WHERE (spent, held) <> (0, 0) ORDER BY 1, 2, 3", user.pk
    )
    assert counters == expected


def spent(user: User) -> int:
    """Pico-credits that the account has spent or holds, added up from the journal in Python."""
    total = 0
    holds = set(Hold.objects.values_list("charge_id", flat=True))
    for row in user.usage.filter(unit_cost__isnull=False):
        most = row.credits_used * PICO if row.bound is None else int(row.bound)
        if row.pk in holds:
            total += most
        elif row.bound is None:
            back = sum(user.usage.filter(refund_of=row).values_list("credits_used", flat=True))
            total += most + back * PICO
        else:
            total += int(Use.objects.get(charge=row).collected)
    return total


def counted(user: User) -> dict[date, tuple[Any, Any]]:
    """What PostgreSQL has counted, spent and held, for each day with anything."""
    rows = sql(
        "SELECT day, spent, held FROM credits_spendday"
        " WHERE account_id = %s AND (spent, held) <> (0, 0)",
        user.pk,
    )
    return {day: (spent, held) for day, spent, held in rows}
