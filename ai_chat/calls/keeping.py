"""For how long the log of calls is kept, and what is counted by day and key. What calls cost stays
in the journal."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone

from ai_chat.models import ApiCall
from credits.models import Hold

#: Rows that are deleted in one statement.
BATCH = 1000
ADD_UP = """
WITH old AS (DELETE FROM ai_chat_apicount WHERE day < %s RETURNING *)
INSERT INTO ai_chat_apicount AS known
    (day, api_key_id, endpoint, status, code, count, begun, first_seconds)
SELECT NULL, NULL, endpoint, status, code, sum(count), sum(begun), sum(first_seconds)
FROM old GROUP BY endpoint, status, code
ON CONFLICT (day, api_key_id, endpoint, status, code) DO UPDATE SET
    count = known.count + EXCLUDED.count, begun = known.begun + EXCLUDED.begun,
    first_seconds = known.first_seconds + EXCLUDED.first_seconds
"""


def kept_days() -> int:
    """Days for which a call stays in the log."""
    return settings.CALLS_KEPT_DAYS


def forget() -> int:
    """Deletes calls that are older, in batches; none that is going on. Adds up the counts of these
    days. Returns how many calls are gone."""
    before = timezone.now() - timedelta(days=kept_days())
    held = Exists(Hold.objects.filter(charge_id=OuterRef("charge_id")))
    old = ApiCall.objects.filter(~held, created_at__lt=before).order_by("created_at")
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += ApiCall.objects.filter(pk__in=ids).delete()[0]
    with connection.cursor() as cursor:
        cursor.execute(ADD_UP, [before.date()])
    return deleted
