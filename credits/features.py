"""The features that cost credits. The settings page, the statement, the API and the health check
are derived from this table (CONTRIBUTING.md says how to add one)."""

from typing import NamedTuple

from django.db.models import TextChoices

from config.errors import DomainError

#: The largest price of one unit, in credits (issue 3; the database refuses more).
MAX_FEATURE_COST = 1_000_000
#: The keys of the features.
TEXT = "ai_text_chat"
IMAGE = "ai_image_generation"
EMBEDDING = "ai_embedding"


class OperationType(TextChoices):
    """What a row of the journal is about: a feature's use, or credits coming and going."""

    AI_TEXT_CHAT = "AI_TEXT_CHAT", "Text chat"
    AI_IMAGE_GENERATION = "AI_IMAGE_GENERATION", "Image"
    AI_EMBEDDING = "AI_EMBEDDING", "Embeddings"
    GRANT = "GRANT", "Grant"
    ADJUSTMENT = "ADJUSTMENT", "Adjustment"
    EXPIRY = "EXPIRY", "Expiry"


class Kind(TextChoices):
    """What a row of the journal is, for people."""

    CHARGE = "charge", "Charge"
    REFUND = "refund", "Refund"
    #: What a charge by tokens had reserved and did not use: no failure brought it back.
    UNUSED = "unused", "Not used"
    GRANT = "grant", "Grant"
    ADJUSTMENT = "adjustment", "Adjustment"
    EXPIRY = "expiry", "Expiry"


class Feature(NamedTuple):
    """One thing that is sold: its default cost is credits per unit; None: it is sold by tokens
    alone. `models_setting` names the setting with the models that the catalogue begins with."""

    key: str
    operation_type: OperationType
    default_cost: int | None
    label: str
    unit: str
    models_setting: str


_ALL = (
    Feature(TEXT, OperationType.AI_TEXT_CHAT, 1, "Text chat", "message", "AI_TEXT_MODELS"),
    Feature(
        IMAGE,
        OperationType.AI_IMAGE_GENERATION,
        5,
        "Image",
        "image",
        "AI_IMAGE_MODELS",
    ),
    Feature(EMBEDDING, OperationType.AI_EMBEDDING, None, "Embeddings", "request", ""),
)
ALL_FEATURES: dict[str, Feature] = {feature.key: feature for feature in _ALL}
FEATURE_CREDIT_COSTS: dict[str, int] = {
    key: f.default_cost for key, f in ALL_FEATURES.items() if f.default_cost is not None
}
#: The place of each among the others, for lists of their models.
PLACES: dict[str, int] = {key: place for place, key in enumerate(ALL_FEATURES)}
#: Those that have a cost per unit.
FEATURES: dict[str, Feature] = {key: ALL_FEATURES[key] for key in FEATURE_CREDIT_COSTS}
#: Those whose models can have a price by tokens.
TOKEN_FEATURES = (TEXT, EMBEDDING)
#: By the operation types of their charges.
FEATURES_BY_TYPE: dict[str, Feature] = {f.operation_type: f for f in ALL_FEATURES.values()}
CHARGE_TYPES = [feature.operation_type for feature in ALL_FEATURES.values()]


class UnknownFeature(DomainError):
    """No feature has this key."""


def to_operation_type(feature: str) -> OperationType:
    """The operation type under which a feature's charges are recorded. Raises UnknownFeature."""
    if feature not in ALL_FEATURES:
        raise UnknownFeature(f"There is no feature {feature!r}.")
    return ALL_FEATURES[feature].operation_type
