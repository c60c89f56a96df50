"""Reading the record of what admins did: pages, the actions there are, and cells of a file."""

import json
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse

from adminpanel.differences import Difference, differences
from config.pagination import Page, paginate
from credits.models import AuditEntry
from credits.statement.csv_file import Columns

PAGE = 50

# A loose index scan: one probe for each action, however many entries there are.
ACTIONS = """
WITH RECURSIVE known AS (
    (SELECT action FROM credits_auditentry ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT e.action FROM credits_auditentry e WHERE e.action > k.action
            ORDER BY e.action LIMIT 1)
    FROM known k WHERE k.action IS NOT NULL
)
SELECT action FROM known WHERE action IS NOT NULL
"""

#: The page of what an entry's target names, by the target's first word.
PAGES_OF = {
    "request": "admin-approval",
    "delivery": "admin-webhook",
    "sync": "admin-sync-job",
    "batch": "admin-code-batch",
}


class Line(NamedTuple):
    """An entry, what differs by it, and the page of what it was done to, if there is one."""

    entry: AuditEntry
    differences: list[Difference]
    href: str


def actions() -> list[str]:
    """Every kind of action that was ever recorded."""
    with connection.cursor() as cursor:
        cursor.execute(ACTIONS)
        return [action for (action,) in cursor.fetchall()]


def get_page(rows: QuerySet[AuditEntry], **place: Any) -> Page[Line]:
    """A page of entries, newest first; `place` is that of a PageForm."""

    def lines(entries: list[AuditEntry]) -> list[Line]:
        # Without values that are empty before and after; the file has them.
        return [
            Line(
                entry, [each for each in changes if each.before or each.after], _href(entry.target)
            )
            for entry in entries
            for changes in [differences(entry.before, entry.after)]
        ]

    rows = rows.select_related("user", "approved_by")
    return paginate(rows, size=PAGE, **place).map(lines)


def _href(target: str) -> str:
    kind, _, rest = target.partition(" ")
    name = rest.partition(" ")[0]
    if kind == "row":
        return reverse("admin-usage", query={"row": name})
    try:
        return reverse(PAGES_OF[kind], args=[name])
    except (KeyError, NoReverseMatch):
        return ""


def _json(value: Any) -> Any:
    """Numbers stay numbers; null is an empty cell."""
    if value is None or type(value) in {int, float}:
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


COLUMNS: Columns[AuditEntry] = {
    "Entry": lambda entry: entry.pk,
    "Time (UTC)": lambda entry: entry.created_at,
    "Who": lambda entry: entry.actor_name,
    "Who (id)": lambda entry: entry.actor_id,
    "Action": lambda entry: entry.action,
    "Target": lambda entry: entry.target,
    "User (id)": lambda entry: entry.user_id,
    "Credits": lambda entry: entry.credits or None,
    "Row": lambda entry: entry.usage_id,
    "Approved by (id)": lambda entry: entry.approved_by_id,
    "Before": lambda entry: _json(entry.before),
    "After": lambda entry: _json(entry.after),
    "Reason": lambda entry: entry.reason,
    "From where": lambda entry: entry.origin,
}
