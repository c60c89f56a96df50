"""A row of the journal as people read it: the statement, the admin pages, CSV and the API all show
this line."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef
from django.db.models.functions import JSONObject

from credits.features import FEATURES, OperationType
from credits.models import UsageHistory
from credits.statement.history import Kind, Rows, kind_of
from credits.statement.wording import note_of, what_of

FEATURE_KEYS = {feature.operation_type: key for key, feature in FEATURES.items()}


def with_refunds(rows: Rows) -> Rows:
    """Each row with what `Line.refunds` reads."""
    refunds = UsageHistory.objects.filter(refund_of=OuterRef("pk")).order_by("pk")
    refund = JSONObject(id="pk", credits=-F("credits_used"))
    return rows.annotate(refund_rows=ArraySubquery(refunds.values(json=refund)))


@dataclass(frozen=True)
class Line:
    """One line; amounts are whole credits. `row` comes from `history.statement`. What came back of
    a charge is known of rows that went through `with_refunds`."""

    row: UsageHistory

    @property
    def id(self) -> int:
        return self.row.pk

    @property
    def at(self) -> datetime:
        return self.row.created_at

    @property
    def kind(self) -> Kind:
        return kind_of(self.row)

    @property
    def what(self) -> str:
        """What happened: `2 images`."""
        return what_of(self.row)

    @property
    def note(self) -> str:
        """The rest in words: model and price, or the reason, or until when."""
        return note_of(self.row)

    @property
    def feature(self) -> str | None:
        """The key of the feature that was paid for."""
        return FEATURE_KEYS.get(OperationType(self.row.operation_type))

    @property
    def model(self) -> str | None:
        """The id of the model that a charge paid for."""
        return self._detail("model")

    @property
    def reason(self) -> str | None:
        """Why credits came back or were adjusted: a code, or an admin's words."""
        return self._detail("reason")

    @property
    def actor(self) -> str | None:
        """The admin who adjusted or refunded."""
        return self._detail("actor")

    def _detail(self, name: str) -> str | None:
        detail: str | None = self.row.details.get(name)
        return detail

    @property
    def used(self) -> int:
        """The change, signed as in the journal: what is positive left the balance."""
        return self.row.credits_used

    @property
    def out(self) -> int:
        return max(self.used, 0)

    @property
    def into(self) -> int:
        return max(-self.used, 0)

    @property
    def balance(self) -> int:
        """The balance after this row."""
        return self.row.balance_after

    @property
    def held(self) -> bool:
        """Whether the work that a charge pays for is still going on."""
        held: bool = self.row.is_held  # type: ignore[attr-defined]
        return held

    @property
    def refund_of(self) -> int | None:
        """The charge that a refund returns."""
        return self.row.refund_of_id

    @property
    def refunds(self) -> list[dict[str, int]]:
        """The refunds of a charge, oldest first: `id` and `credits` of each."""
        refunds: list[dict[str, int]] = self.row.refund_rows  # type: ignore[attr-defined]
        return refunds

    @property
    def refunded(self) -> int:
        """What came back of a charge so far."""
        return sum(refund["credits"] for refund in self.refunds)

    @property
    def left(self) -> int:
        """What of a charge has not come back; 0 for other rows."""
        return self.used - self.refunded if self.kind == Kind.CHARGE else 0

    @property
    def refundable(self) -> int:
        """What of a charge can be returned now: nothing while its work is going on."""
        return 0 if self.held else self.left


def lines_of(rows: Iterable[UsageHistory]) -> list[Line]:
    return [Line(row) for row in rows]
