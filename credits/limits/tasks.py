"""Background work of limits (settings.PROCRASTINATE_IMPORT_PATHS)."""

from datetime import UTC, datetime, timedelta

from procrastinate.contrib.django import app

from credits.limits.alerts import tell_all_reached

#: How far each minute's run looks back, and that of each full hour: no worker may have run before.
MINUTES, HOURS = timedelta(minutes=10), timedelta(days=2)


@app.periodic(cron="* * * * *")
@app.task(name="limits.tell_reached", queueing_lock="limits.tell_reached")
def tell_reached(timestamp: int) -> None:
    """Announces thresholds that were reached when nobody could."""
    is_full_hour = datetime.fromtimestamp(timestamp, UTC).minute == 0
    tell_all_reached(lately=HOURS if is_full_hour else MINUTES)
