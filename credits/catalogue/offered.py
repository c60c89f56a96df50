"""The offered models as one user sees them, read by one plain statement: each message, image and
page asks for them, and the same query built by the ORM costs three milliseconds (`make bench`)."""

import json
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Model

from credits.catalogue.token_prices import give_price
from credits.features import FEATURE_CREDIT_COSTS
from credits.models import AIModel, PayerKind, Plan, Provider, TokenPrice
from credits.models.subscriptions import EARNING
from credits.sql import fetch_all

NAMES: dict[type[Model], list[str]] = {
    kind: [field.attname for field in kind._meta.concrete_fields]
    for kind in (AIModel, Provider, Plan, TokenPrice)
}


def _columns(alias: str, kind: type[Model]) -> str:
    return ", ".join(f"{alias}.{field.column}" for field in kind._meta.concrete_fields)


# A model is usable without a plan, or with one that brings as many credits a month. A canceled
# subscription holds to its end; an active one until Clerk says otherwise.
READ = f"""
SELECT {_columns("m", AIModel)}, {_columns("p", Provider)}, {_columns("least", Plan)},
    {_columns("f", AIModel)}, {_columns("fp", Provider)}, {_columns("price", TokenPrice)},
    credits_price(m.feature, (%(defaults)s::jsonb ->> m.feature)::bigint) * m.price_factor,
    m.least_plan_id IS NULL OR coalesce(least.credits <= (
        SELECT max(plan.credits) FROM credits_user u
        JOIN credits_subscriptionitem i ON i.payer_kind = %(user)s AND i.payer_id = u.clerk_id
        JOIN credits_plan plan ON plan.clerk_id = i.plan_id AND plan.active
        WHERE u.id = %(user_id)s AND i.status = ANY(%(earning)s)
            AND (i.status <> 'canceled' OR coalesce(i.period_end > %(now)s, true))), false)
FROM credits_aimodel m
JOIN credits_provider p ON p.id = m.provider_id
LEFT JOIN LATERAL credits_price_now(m.id, credits_now()) price ON true
LEFT JOIN credits_plan least ON least.id = m.least_plan_id
LEFT JOIN credits_aimodel f ON f.id = m.fallback_id
LEFT JOIN credits_provider fp ON fp.id = f.provider_id
WHERE m.active AND NOT m.unreachable
ORDER BY m.feature, m.position, m.id
"""  # noqa: S608 -- names of columns, from the models


def read_offered(*, user_id: int) -> list[AIModel]:
    """The offered models in their order, each with its provider, plan and fallback, its
    `token_price` or `cost`, and whether it is `usable` for this user."""
    values = {
        "defaults": json.dumps(FEATURE_CREDIT_COSTS),
        "user": PayerKind.USER.value,
        "user_id": user_id,
        "earning": sorted(EARNING),
        "now": int(time.time() * 1000),
    }
    return [_model_of(iter(row)) for row in fetch_all(READ, values)]


def _model_of(values: Iterator[Any]) -> AIModel:
    model = _instance(AIModel, values)
    model.provider = _instance(Provider, values)
    least_plan = _instance(Plan, values)
    model.least_plan = least_plan if model.least_plan_id else None
    fallback, its_provider = _instance(AIModel, values), _instance(Provider, values)
    if model.fallback_id:
        fallback.provider = its_provider
        model.fallback = fallback
    price = _instance(TokenPrice, values)
    model.cost, model.usable = values
    give_price(model, price if price.pk else None)
    return model


def _instance[M: Model](kind: type[M], values: Iterator[Any]) -> M:
    names = NAMES[kind]
    return kind.from_db(connection.alias, names, [next(values) for _ in names])
