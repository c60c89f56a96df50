"""For how long the log of calls is kept, and what is counted by day and key. What calls cost stays
in the journal."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from ai_chat.calls.counts import add_up
from ai_chat.models import ApiCall
from config.pagination import delete_in_batches
from credits.models import Hold


def kept_days() -> int:
    """Days for which a call stays in the log."""
    return settings.CALLS_KEPT_DAYS


def forget() -> int:
    """Deletes calls that are older, in batches; none that is going on. Adds up the counts of these
    days. Returns how many calls are gone."""
    before = timezone.now() - timedelta(days=kept_days())
    held = Exists(Hold.objects.filter(charge_id=OuterRef("charge_id")))
    old = ApiCall.objects.filter(~held, created_at__lt=before).order_by("created_at")
    deleted = sum(delete_in_batches(old))
    add_up(before=before.date())
    return deleted
