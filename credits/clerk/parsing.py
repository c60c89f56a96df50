"""Clerk's JSON, of webhooks and of the Backend API, read leniently: what is missing, malformed or
too large becomes None or "", never an exception."""

from dataclasses import dataclass
from typing import Any, Self

from config.text import cut, is_blank
from credits.models import PayerKind

type Json = dict[str, Any]

#: Ids longer than this are taken for missing.
ID_LENGTH = 64
STATUS_LENGTH = 32
#: Below this a moment is in seconds, above in milliseconds.
SECONDS_BELOW, LATEST = 10**11, 10**14
ENDINGS = {"ended", "expired"}


def as_object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Json]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def as_id(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= ID_LENGTH else ""


def as_text(value: object, length: int) -> str:
    """A text that nobody can see is none."""
    text = cut(value, length, end="") if isinstance(value, str) else ""
    return "" if is_blank(text) else text


def as_address(value: object) -> str:
    """In lower case, which may be longer."""
    return as_text(value, 254).strip().lower()[:254]


def storable(value: Any) -> Any:
    """PostgreSQL keeps neither NUL nor half a surrogate pair in JSON: they become U+FFFD."""
    if isinstance(value, str):
        kept = value.replace("\0", "\ufffd")
        return kept.encode("utf-8", "surrogatepass").decode(errors="replace")
    if isinstance(value, dict):
        return {storable(key): storable(entry) for key, entry in value.items()}
    return [storable(entry) for entry in value] if isinstance(value, list) else value


def as_ms(value: object) -> int | None:
    """A moment in milliseconds; seconds are recognised by their size, and 0 and below are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LATEST:
        return None
    return int(value * 1000) if value < SECONDS_BELOW else int(value)


def as_amount(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**15:
        return None
    return value


@dataclass(frozen=True)
class Payer:
    """Who pays, a user or an organization at Clerk; without an id when nothing says who."""

    kind: str = ""
    id: str = ""
    email: str = ""
    name: str = ""

    @property
    def is_user(self) -> bool:
        return self.kind == PayerKind.USER

    @classmethod
    def of_user(cls, clerk_id: str, *, email: str = "", name: str = "") -> Self:
        return cls(PayerKind.USER, clerk_id, email, name) if clerk_id else cls()


def parse_payer(data: object) -> Payer:
    """An organization pays when one is named, whoever acted for it."""
    payer = as_object(data)
    email, name = as_address(payer.get("email")), _full_name(payer)
    if organization_id := as_id(payer.get("organization_id")):
        return Payer(PayerKind.ORGANIZATION, organization_id, email, name)
    return Payer.of_user(as_id(payer.get("user_id")), email=email, name=name)


@dataclass(frozen=True)
class Person:
    """A user at Clerk, with the primary address."""

    clerk_id: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    banned: bool = False
    locked: bool = False
    #: `updated_at` in milliseconds; 0 while only the id is known.
    version: int = 0


def parse_person(data: object) -> Person:
    user = as_object(data)
    primary, addresses = user.get("primary_email_address_id"), user.get("email_addresses")
    named = (a for a in as_objects(addresses) if primary and a.get("id") == primary)
    address = next(named, {})
    status = as_object(address.get("verification")).get("status")
    return Person(
        clerk_id=as_id(user.get("id")),
        email=as_address(address.get("email_address")),
        email_verified=status == "verified",
        name=_full_name(user) or as_text(user.get("username"), 150),
        banned=user.get("banned") is True,
        locked=user.get("locked") is True,
        version=as_ms(user.get("updated_at")) or as_ms(user.get("created_at")) or 1,
    )


def _full_name(data: Json) -> str:
    parts = (as_text(data.get(key), 80).strip() for key in ("first_name", "last_name"))
    return cut(" ".join(part for part in parts if part), 150, end="")


@dataclass(frozen=True)
class ItemVersion:
    """One version of a subscription item. Moments in milliseconds."""

    item_id: str
    instance_id: str
    payer: Payer
    plan_id: str
    plan_name: str
    status: str
    is_free: bool
    is_trial: bool
    annual: bool
    period_start: int | None
    period_end: int | None
    updated: int
    ended: int | None


def parse_item(data: object, *, payer: Payer, instance_id: str, seen: int) -> ItemVersion:
    """`payer` and `instance_id` are those of the surrounding event; without an instance, the item's
    own counts. `seen` replaces a missing `updated_at`."""
    item = as_object(data)
    plan, end = as_object(item.get("plan")), as_ms(item.get("period_end"))
    status = as_text(item.get("status"), STATUS_LENGTH)
    updated = as_ms(item.get("updated_at")) or seen
    costs_nothing = bool(plan) and (plan.get("is_default") is True or not _has_fee(plan))
    return ItemVersion(
        item_id=as_id(item.get("id")),
        instance_id=instance_id or as_id(item.get("instance_id")),
        payer=payer,
        plan_id=as_id(item.get("plan_id")) or as_id(plan.get("id")),
        plan_name=as_text(plan.get("name"), 150),
        status=status,
        is_free=end is None and costs_nothing,
        is_trial=item.get("is_free_trial") is True,
        annual=(item.get("interval") or item.get("plan_period")) == "annual",
        period_start=as_ms(item.get("period_start")),
        period_end=end,
        updated=updated,
        # Webhooks have no `ended_at`: the version with that status was made when it ended.
        ended=(as_ms(item.get("ended_at")) or updated) if status in ENDINGS else None,
    )


def _has_fee(plan: Json) -> bool:
    """Whether a plan costs something: webhooks write `amount` in cents, the Backend API `fee` as an
    object with an `amount`. Either may stand in the other's place, and numbers in quotes."""
    given = [plan.get(name) for name in ("amount", "fee")]
    amounts = [value.get("amount") if isinstance(value, dict) else value for value in given]
    amount = next((amount for amount in amounts if amount is not None), 0)
    try:
        return float(amount) != 0
    except (TypeError, ValueError):
        return True


@dataclass(frozen=True)
class PaymentVersion:
    """One version of a payment. The amount is in the currency's smallest unit."""

    payment_id: str
    payer: Payer
    status: str
    charge_type: str
    amount: int | None
    currency: str
    paid_at: int | None
    failed_at: int | None
    failed_code: str
    updated: int


def parse_payment(data: object, *, seen: int) -> PaymentVersion:
    payment = as_object(data)
    total = as_object(as_object(payment.get("totals")).get("grand_total"))
    return PaymentVersion(
        payment_id=as_id(payment.get("payment_id")),
        payer=parse_payer(payment.get("payer")),
        status=as_text(payment.get("status"), STATUS_LENGTH),
        charge_type=as_text(payment.get("charge_type"), 32),
        amount=as_amount(total.get("amount")),
        currency=as_text(total.get("currency"), 8),
        paid_at=as_ms(payment.get("paid_at")),
        failed_at=as_ms(payment.get("failed_at")),
        failed_code=as_id(as_object(payment.get("failed_reason")).get("code")),
        updated=as_ms(payment.get("updated_at")) or seen,
    )


@dataclass(frozen=True)
class PlanOffer:
    """A plan as Clerk has it; `amount` is the monthly fee in cents, None without a base fee."""

    clerk_id: str
    name: str
    slug: str
    amount: int | None
    currency: str
    is_default: bool


def parse_plan(data: object) -> PlanOffer:
    plan = as_object(data)
    fee = as_object(plan.get("fee"))
    return PlanOffer(
        clerk_id=as_id(plan.get("id")),
        name=as_text(plan.get("name"), 150),
        slug=as_text(plan.get("slug"), 150),
        amount=as_amount(fee.get("amount")),
        currency=as_text(fee.get("currency"), 8),
        is_default=plan.get("is_default") is True,
    )
