"""Charges by tokens: credits are reserved for the most that a call can cost, and its use settles
them (`credits/sql/tokens.sql`). Tokens are whole numbers, amounts of one use pico-credits."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings

from credits.features import to_operation_type
from credits.kernel import call_kernel, check_amount, check_key
from credits.ledger import Balance, Details, call_spend
from credits.reasons import Reason, is_by_payer
from credits.refusals import refusal_of

#: No call has more tokens.
MAX_TOKENS = 10**9


class Asked(NamedTuple):
    """The size of a call by tokens: the most tokens it can read, the most it may write in each of
    `choices` answers, and what it must be able to write to be worth while. `named` says that the
    caller has chosen the length itself."""

    input_bound: int
    output: int
    least: int
    named: bool = False
    choices: int = 1


class Reserve(NamedTuple):
    """A charge for the most that a call can cost, held. `output_granted` tokens of output are paid
    for; `limit_id` is the limit that let it be no more. Of a charge per message that a repeated
    key finds, price and output are None."""

    id: int
    credits: int
    price_id: int | None
    output_granted: int | None
    balance: int
    replayed: bool
    held: bool
    limit_id: int | None


def reserve_credits(
    *,
    user_id: int,
    feature: str,
    model: str,
    asked: Asked,
    agreed_price_id: int | None = None,
    most: int | None = None,
    idempotency_key: str | None = None,
    fingerprint: str | None = None,
    lease_seconds: int | None = None,
    details: Details | None = None,
    member_id: int | None = None,
    key_id: int | None = None,
) -> Reserve:
    """Reserves credits for a call by tokens, in one round trip, until `settle_use`,
    `release_charge` or the end of its lease (HOLD_LEASE_SECONDS unless given). Less output than
    asked for is granted where the balance, a limit or `most` (credits) pays for no more.
    `agreed_price_id` is the price that the caller was told. Raises what
    `deduct_credits_for_feature` raises, and InputTooLong."""
    for what, value in (("Input", asked.input_bound), ("Output", asked.output * asked.choices)):
        check_amount(what, value, 0, MAX_TOKENS)
    check_key(idempotency_key)
    row = call_spend(
        "credits_reserve",
        owner=user_id,
        member=member_id,
        key_id=key_id,
        operation=to_operation_type(feature),
        feature=feature,
        model=model,
        input_bound=asked.input_bound,
        output_asked=asked.output,
        output_least=asked.least,
        output_named=asked.named,
        choices=asked.choices,
        agreed_price=agreed_price_id,
        most=most,
        request_key=idempotency_key,
        fingerprint=fingerprint,
        lease=timedelta(seconds=lease_seconds or settings.HOLD_LEASE_SECONDS),
        extra=json.dumps(details or {}),
    )
    return Reserve(
        row.charge_id,
        row.total,
        row.price_id,
        row.output_granted,
        row.available,
        row.outcome == "replayed",
        row.held,
        row.limit_id,
    )


class Quote(NamedTuple):
    """What a call would be granted now: `credits` would be reserved for `bound` pico-credits, which
    pay for `output_granted` tokens of output; `limit_id` is the limit that lets it be no more.
    `likely` are the pico-credits that such a call usually costs the account, None while too few of
    its uses say so. `refusal` is why it would be refused, of `credits` for the least output, if it
    would. `price_id` is None for a model without a price by tokens."""

    credits: int
    price_id: int | None
    output_granted: int
    bound: int
    limit_id: int | None
    likely: int | None
    refusal: Exception | None


def quote_credits(
    *,
    user_id: int,
    feature: str,
    model: str,
    asked: Asked,
    balance: Balance,
    agreed_price_id: int | None = None,
    most: int | None = None,
    member_id: int | None = None,
    key_id: int | None = None,
) -> Quote:
    """What `reserve_credits` would do with this balance of the account. Charges nothing."""
    row = call_kernel(
        "credits_quote",
        owner=user_id,
        member=member_id,
        key_id=key_id,
        feature=feature,
        model=model,
        input_bound=asked.input_bound,
        output_asked=asked.output,
        output_least=asked.least,
        output_named=asked.named,
        choices=asked.choices,
        agreed_price=agreed_price_id,
        most=most,
        available=balance.remaining,
        counted=balance.counted,
    )
    is_granted = row.outcome == "charged"
    return Quote(
        row.total or 0,
        row.price_id,
        row.output_granted or 0,
        int(row.bound or 0),
        row.limit_id,
        None if row.likely is None else int(row.likely),
        None if is_granted else refusal_of(row, {"agreed_price": agreed_price_id, "most": most}),
    )


class Tokens(NamedTuple):
    """What a call used: all tokens that were read, of which `cached` and `cache_write`; all that
    were written, of which `reasoning`; and whose count that is (`Use.Source`)."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    source: str


class UseEnding(NamedTuple):
    """How a charge by tokens ended: `settled`, or `ended` when it had ended before. Credits that
    came back and that were kept; pico-credits that the use costs, and that were collected of it:
    never more than was reserved."""

    outcome: str
    refund_id: int | None
    refunded: int
    cost: int
    collected: int
    kept: int


def settle_use(
    *,
    charge_id: int,
    tokens: Tokens,
    flags: Sequence[str] = (),
    reason: str = Reason.UNUSED,
    details: Details | None = None,
) -> UseEnding:
    """Ends the hold of a charge by tokens: what was used is kept, in whole credits beyond what is
    paid ahead, and the rest comes back for `reason`. `flags` say what is odd about the counts. A
    late caller changes nothing (I6)."""
    ending = call_kernel(
        "credits_settle_use",
        charge_id=charge_id,
        **tokens._asdict(),
        flags=[*flags],
        reason=reason,
        by_payer=is_by_payer(reason),
        extra=json.dumps(details or {}),
    )
    return UseEnding(
        ending.outcome,
        ending.refund_id,
        ending.refunded or 0,
        int(ending.cost or 0),
        int(ending.collected or 0),
        ending.kept or 0,
    )
