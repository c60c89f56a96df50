"""Models whose calls use more than is reserved for them, at the operator's loss."""

import logging

from config.errors import DomainError
from credits.catalogue.model_changes import change_model
from credits.sql import fetch_all

logger = logging.getLogger(__name__)

#: Uses in 24 hours after which a model is retired.
TIMES = 3
# Since the model was changed last: one that an admin offers again is not retired for what was.
OFTEN = """
SELECT m.name FROM credits_aimodel m
WHERE m.active AND (
    SELECT count(*) FROM credits_use s
    JOIN credits_usagehistory c ON c.id = s.charge_id
    JOIN credits_tokenprice p ON p.id = c.price_id
    WHERE s.cost > s.collected AND p.model_id = m.id AND s.created_at > m.updated_at
        AND s.created_at > credits_now() - interval '24 hours') >= %s
ORDER BY m.id
"""


def retire_uncollected() -> list[str]:
    """Retires each model that TIMES in 24 hours used more than was reserved for it; in the history
    nobody has done it. Returns their names. A model that takes over for another one stays: the log
    says so."""
    retired = []
    for (name,) in fetch_all(OFTEN, [TIMES]):
        reason = f"{TIMES} uses in 24 hours cost more than was reserved for them"
        try:
            change_model(actor=None, name=name, changes={"active": False}, reason=reason)
        except DomainError as error:
            logger.warning("the model %s cannot be retired: %s", name, error)
        else:
            logger.warning("the model %s is retired: %s", name, reason)
            retired.append(name)
    return retired
