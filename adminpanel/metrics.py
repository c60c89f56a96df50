"""GET /metrics for Prometheus. Every number is read from PostgreSQL when it is asked for, so it is
the same whichever of the web processes answers, and right after a restart."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from credits.users.permissions import is_admin

#: Name, meaning, and the query of one number; none reads the whole journal.
NUMBERS = [
    (
        "tally_credits_outstanding",
        "Credits that users can spend.",
        "SELECT coalesce(sum(credits_remaining), 0) FROM credits_creditbalance",
    ),
    ("tally_holds_open", "Charges in flight.", "SELECT count(*) FROM credits_hold"),
    (
        "tally_holds_overdue",
        "Holds past their lease: the sweeper is behind.",
        "SELECT count(*) FROM credits_hold WHERE lease_until < credits_now()",
    ),
    (
        "tally_expiries_overdue",
        "Grants past their expiry that were not posted.",
        "SELECT count(*) FROM credits_creditgrant WHERE NOT expired AND expires_at < credits_now()",
    ),
    (
        "tally_journal_last_row",
        "The newest row of the journal; its rate is the rate of movements.",
        "SELECT coalesce(max(id), 0) FROM credits_usagehistory",
    ),
    (
        "tally_jobs_waiting",
        "Background jobs that wait for a worker.",
        "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'",
    ),
    (
        "tally_jobs_failed",
        "Background jobs that failed for good.",
        "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'",
    ),
]
LOOPBACK = {"127.0.0.1", "::1"}
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via")


class Database(Collector):
    """NUMBERS, as they are now."""

    def collect(self) -> Iterator[Metric]:
        with connection.cursor() as cursor:
            for name, meaning, query in NUMBERS:
                cursor.execute(query)
                gauge = GaugeMetricFamily(name, meaning)
                gauge.add_metric([], float(cursor.fetchone()[0]))
                yield gauge


REGISTRY = CollectorRegistry()
REGISTRY.register(Database())


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever holds METRICS_TOKEN, for admins, and for this machine itself; 404 for others."""
    if not (_has_token(request) or _is_local(request) or is_admin(request.user)):
        raise Http404
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _has_token(request: HttpRequest) -> bool:
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, expected)


def _is_local(request: HttpRequest) -> bool:
    """From this machine to this machine's own name, and through no proxy: behind one, everybody
    seems to come from here."""
    host = request.get_host().rpartition(":")[0] or request.get_host()
    direct = not settings.TRUSTED_PROXY and not any(name in request.headers for name in FORWARDED)
    return direct and request.META["REMOTE_ADDR"] in LOOPBACK and host in settings.LOOPBACK_HOSTS
