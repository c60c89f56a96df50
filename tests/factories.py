"""Things that tests need before they begin. Credits come through the ledger's own door."""

import time
from datetime import datetime
from itertools import count
from typing import Any

from django.utils import timezone
from django_otp.oath import hotp
from django_otp.plugins.otp_totp.models import TOTPDevice

from credits.catalogue.models import default_provider
from credits.catalogue.token_prices import prices_of
from credits.kernel import call_kernel
from credits.keys.secrets import digest_of, hint_of, new_secret
from credits.ledger import Charge, Grant, deduct_credits_for_feature, grant_credits
from credits.models import (
    AdminSettings,
    AIModel,
    ApiKey,
    ApiKeySecret,
    Approval,
    CreditGrant,
    Limit,
    Plan,
    TokenPrice,
    User,
)
from credits.models.catalogue import forget_labels
from credits.models.rollup import LedgerCheck
from credits.models.tokens import BUCKETS
from credits.uses import Asked, Reserve, reserve_credits

PASSWORD = "correct horse battery staple"
_numbers = count(1)


def make_user(email: str = "", *, credits: int = 0, **fields: Any) -> User:
    """A local account with PASSWORD, and a pack of `credits`; with 0 it has no balance row yet."""
    email = email or f"user{next(_numbers)}@example.com"
    user = User.objects.create_user(email, PASSWORD, **fields)
    if credits:
        make_grant(user, credits)
    return user


def add_second_factor(user: User) -> TOTPDevice:
    """An app of the user's that has shown no code yet (`code_of`)."""
    user.second_factor_at = timezone.now()
    user.save(update_fields=["second_factor_at"])
    return TOTPDevice.objects.create(user=user, name="app")


def code_of(key: str, *, steps: int = 0) -> str:
    """What an app with this secret (hexadecimal) shows, so many steps of 30 seconds from now."""
    return f"{hotp(bytes.fromhex(key), int(time.time()) // 30 + steps):06}"


def make_admin(email: str = "", *, credits: int = 0, **fields: Any) -> User:
    return make_user(email, credits=credits, is_staff=True, **fields)


def make_grant(
    user: User,
    amount: int,
    *,
    source: CreditGrant.Source = CreditGrant.Source.PACK,
    key: str = "",
    expires_at: datetime | None = None,
    priority: int | None = None,
) -> Grant:
    return grant_credits(
        user_id=user.pk,
        source=source,
        amount=amount,
        key=key or f"factory:{user.pk}:{next(_numbers)}",
        expires_at=expires_at,
        priority=priority,
    )


def make_charge(user: User, quantity: int = 1, **fields: Any) -> Charge:
    """A charge for text chat; `hold=True` leaves it open."""
    return deduct_credits_for_feature(
        user_id=user.pk, feature="ai_text_chat", quantity=quantity, **fields
    )


def make_plan(clerk_id: str = "", *, credits: int = 100, active: bool = True) -> Plan:
    clerk_id = clerk_id or f"cplan_{next(_numbers)}"
    return Plan.objects.create(clerk_id=clerk_id, name="Pro", credits=credits, active=active)


def make_model(name: str = "", *, feature: str = "ai_text_chat", **fields: Any) -> AIModel:
    """An active model of the catalogue, its own label, after those that are there. It belongs to
    the provider that the settings configure unless `provider` is given."""
    name = name or f"model-{next(_numbers)}"
    if "provider" not in fields:
        fields["provider"] = default_provider()
    standard = {"label": name, "provider_model": name, "position": AIModel.objects.count()}
    model = AIModel.objects.create(name=name, feature=feature, **{**standard, **fields})
    forget_labels()
    return model


def make_token_price(model: AIModel, **prices: Any) -> TokenPrice:
    """A price by tokens from now on: 1 credit per 1,000,000 tokens of each kind, unless `prices`
    (micro-credits per 1,000,000 tokens) say otherwise."""
    valid_from = prices.pop("valid_from", None) or sql_now()
    buckets = dict.fromkeys(BUCKETS, 10**6)
    return TokenPrice.objects.create(model=model, valid_from=valid_from, **{**buckets, **prices})


def sql_now() -> datetime:
    """The moment by the ledger's clock."""
    moment: datetime = call_kernel("credits_now").credits_now
    return moment


def make_reserve(user: User, model: AIModel, **fields: Any) -> Reserve:
    """A reserve for a call of at most 1,000 tokens in and 1,000 out, unless `fields` say
    otherwise."""
    asked = Asked(fields.pop("input_bound", 1000), fields.pop("output", 1000),
                  fields.pop("least", 1), fields.pop("named", True))  # fmt: skip
    return reserve_credits(
        user_id=user.pk, feature=model.feature, model=model.name, asked=asked, **fields
    )


def make_limit(user: User, credits: int, period: str = "day", **fields: Any) -> Limit:
    """A hard limit of the user's account since today."""
    fields = {"since": sql_now().date(), **fields}
    return Limit.objects.create(account_id=user.pk, credits=credits, period=period, **fields)


def make_key(user: User, member: User | None = None, **fields: Any) -> ApiKey:
    """A key of the user's account without a secret (`make_secret`)."""
    fields = {"member": member or user, "name": "key", **fields}
    return ApiKey.objects.create(account_id=user.pk, **fields)


def make_secret(key: ApiKey, **fields: Any) -> str:
    """A new secret of the key, as programs send it."""
    secret = new_secret()
    made = {"digest": digest_of(secret), "hint": hint_of(secret)}
    ApiKeySecret.objects.create(key=key, **made, **fields)
    return secret


def set_price(feature: str, cost: int) -> None:
    """An admin's price for one feature; the others stay as they are."""
    settings, _ = AdminSettings.objects.get_or_create(id=1)
    settings.feature_costs = {**settings.feature_costs, feature: cost}
    settings.save()


def make_adjustment_request(
    user: User, *, delta: int | None = None, target: int | None = None, asked_by: User | None = None
) -> Approval:
    """A large adjustment that waits for a second admin."""
    return Approval.objects.create(
        kind="adjustment", user=user, delta=delta, target=target, balance_then=0,
        credits=abs(delta or target or 1), reason="A large gift", asked_by=asked_by or make_admin(),
        key=f"factory:{next(_numbers)}",
    )  # fmt: skip


def make_check(**fields: Any) -> LedgerCheck:
    """A run of the ledger's checks as it was kept: a clean one of the whole, just now."""
    defaults: dict[str, Any] = {
        "whole": True, "ok": True, "checks": 1, "rows": 1, "last_row": 0, "horizon": 3,
        "cluster": 1, "seconds": 1, "started_at": timezone.now(),
    }  # fmt: skip
    return LedgerCheck.objects.create(**{**defaults, **fields})


def price_in_force(model: AIModel, at: datetime | None = None) -> TokenPrice | None:
    """The model's price by tokens at a moment from now on; None: it costs its feature's price."""
    prices = prices_of([model])[model.pk]
    row = prices.row_at(at or prices.moment)
    return row if row and row.is_by_tokens else None
