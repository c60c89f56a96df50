"""For how long the log of calls is kept. What they cost stays in the journal."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from ai_chat.models import ApiCall
from credits.models import Hold

#: Rows that are deleted in one statement.
BATCH = 1000


def kept_days() -> int:
    """Days for which a call stays in the log."""
    return settings.CALLS_KEPT_DAYS


def forget() -> int:
    """Deletes calls that are older, in batches; none that is going on. Returns how many."""
    before = timezone.now() - timedelta(days=kept_days())
    held = Exists(Hold.objects.filter(charge_id=OuterRef("charge_id")))
    old = ApiCall.objects.filter(~held, created_at__lt=before).order_by("created_at")
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += ApiCall.objects.filter(pk__in=ids).delete()[0]
    return deleted
