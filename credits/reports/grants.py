"""Grants of one account, and the journal rows by which grants came in."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, Subquery, Sum

from credits.models import CreditGrant, UsageHistory

#: Grants of one list; the rest are counted.
GRANTS = 50


@dataclass(frozen=True)
class Grants:
    """Some grants, each with `row_id` (its row of the journal); `total` and `credits` are of
    all."""

    shown: list[Any]
    total: int
    credits: int

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.total - len(self.shown)


def get_grants(*, user_id: int, live: bool) -> Grants:
    """What still holds credits, in the order in which it is burnt; or what is spent or expired,
    newest first."""
    grants = CreditGrant.objects.filter(account_id=user_id, has_credits=live)
    sums = grants.aggregate(total=Count("pk"), credits=Sum("remaining", default=0))
    rows = _incoming().filter(grant=OuterRef("pk"))
    grants = grants.annotate(row_id=Subquery(rows.values("pk")[:1]))
    order = [F("priority"), F("expires_at").asc(nulls_last=True), F("pk")] if live else ["-pk"]
    return Grants(list(grants.order_by(*order)[:GRANTS]), sums["total"], sums["credits"])


def incoming_rows(grant_ids: Collection[int]) -> dict[int, int]:
    """The journal's row by which each of these grants came in."""
    rows = _incoming().filter(grant_id__in=grant_ids)
    return {grant_id: pk for grant_id, pk in rows.values_list("grant_id", "pk") if grant_id}


def _incoming() -> Any:
    return UsageHistory.objects.filter(credits_used__lt=0)
