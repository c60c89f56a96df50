"""Rows of the journal in words, for people."""

from django.conf import settings
from django.utils.dateformat import format as format_date

from credits.features import FEATURES, OperationType
from credits.models import CreditGrant, UsageHistory
from credits.reasons import words_of
from credits.statement.history import Kind, kind_of

LABELS = {feature.operation_type: feature for feature in FEATURES.values()}


def what_of(row: UsageHistory) -> str:
    """What happened: `Text chat`, `2 images`, `Refund`, `Welcome credits`."""
    match kind_of(row):
        case Kind.CHARGE:
            feature = LABELS[OperationType(row.operation_type)]
            many = (row.quantity or 1) > 1
            return f"{row.quantity} {feature.unit}s" if many else feature.label
        case Kind.GRANT:
            return source_label(row.grant)
        case kind:
            return str(kind.label)


def note_of(row: UsageHistory) -> str:
    """The rest of the line: the model, the reason, until when."""
    match kind_of(row):
        case Kind.CHARGE:
            each = f"{row.unit_cost} each" if (row.quantity or 1) > 1 else ""
            return " · ".join(filter(None, [model_label(row.details.get("model")), each]))
        case Kind.REFUND:
            return words_of(row.details.get("reason"))
        case Kind.GRANT:
            expires_at = row.grant and row.grant.expires_at
            return f"until {format_date(expires_at, 'j M Y')}" if expires_at else ""
        case Kind.ADJUSTMENT:
            reason, actor = row.details.get("reason", ""), row.details.get("actor")
            return f"{reason}, by {actor}" if actor else str(reason)
        case Kind.EXPIRY:
            return source_label(row.grant)


def model_label(model: object) -> str:
    """What a model is called on this site; its id when it is no longer offered."""
    offered = {**settings.AI_TEXT_MODELS, **settings.AI_IMAGE_MODELS}.get(str(model))
    return str(offered.label if offered else model or "")


def source_label(grant: CreditGrant | None) -> str:
    return str(grant.get_source_display()) if grant else "Credits"
