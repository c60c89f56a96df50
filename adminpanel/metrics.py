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
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from adminpanel.overview.failures import FAILS, PARAMETERS
from credits.amounts import PICO
from credits.integrity.run import last_checks
from credits.reports.models import sums_by_model
from credits.reports.rollup import Slicing, uses
from credits.reports.totals import get_totals
from credits.sql import fetch_all
from credits.users.permissions import is_admin_request
from credits.users.second_factor import lacks_second_factor

#: Each number of the ledger (`credits.reports.totals`): its metric (after `tally_`) and meaning.
LEDGER = {
    "outstanding": ("credits_outstanding", "Credits that users can spend."),
    "holds": ("holds_open", "Charges in flight."),
    "overdue_holds": ("holds_overdue", "Holds past their lease: the sweeper is behind."),
    "overdue_expiries": ("expiries_overdue", "Grants past their expiry that were not posted."),
    "last_row": (
        "journal_last_row",
        "The newest row of the journal; its rate is the rate of movements.",
    ),
}
#: The same for jobs, by their status.
JOBS = {
    "todo": ("jobs_waiting", "Background jobs that wait for a worker."),
    "failed": ("jobs_failed", "Background jobs that failed for good."),
}
#: Failures by what the operator can tell apart. A provider chooses its codes, so only the first
#: CODES of a model and reason are labels of their own: a code never changes its label, and so no
#: counter ever falls.
CODES = 10
COUNT_FAILURES = """
WITH codes AS (
    SELECT model, provider, reason, coalesce(nullif(code, ''), status::text, '') AS code,
        sum(count) AS count, min(id) AS first
    FROM ai_chat_providerfailure GROUP BY 1, 2, 3, 4
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY model, provider, reason ORDER BY first) AS rank
    FROM codes
)
SELECT model, provider, reason, CASE WHEN rank <= %s THEN code ELSE 'other' END, sum(count)
FROM ranked GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
FAILING = f"""
SELECT m.name, EXISTS (SELECT FROM ai_chat_providerfailure f WHERE f.model = m.name AND {FAILS})
FROM credits_aimodel m WHERE m.active ORDER BY m.name
"""  # noqa: S608 -- ours
#: Of the newest check of each kind: its metric (after `tally_ledger_check_`) and meaning.
CHECKS = {
    "ok": "Whether the ledger's newest check found no difference.",
    "timestamp_seconds": "When the ledger's newest check began.",
    "seconds": "How long the ledger's newest check took.",
}
COUNT_REQUESTS = """
SELECT endpoint, status, code, sum(count) FROM ai_chat_apicount GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
COUNT_FIRST = """
SELECT endpoint, sum(begun), sum(first_seconds) FROM ai_chat_apicount WHERE begun > 0
GROUP BY 1 ORDER BY 1
"""
COUNT_JOBS = "SELECT count(*) FROM procrastinate_jobs WHERE status = %s"
LOOPBACK = {"127.0.0.1", "::1"}
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via")


class Database(Collector):
    """The numbers as they are now."""

    def collect(self) -> Iterator[Metric]:
        values = {LEDGER[name]: value for name, value in get_totals(*LEDGER).items()}
        with connection.cursor() as cursor:
            for status, metric in JOBS.items():
                cursor.execute(COUNT_JOBS, [status])
                values[metric] = cursor.fetchone()[0]
        for (name, meaning), value in values.items():
            yield GaugeMetricFamily(f"tally_{name}", meaning, float(value))
        yield from _checks()
        failures = CounterMetricFamily(
            "tally_provider_failures", "Failures of providers.",
            labels=["model", "provider", "reason", "code"],
        )  # fmt: skip
        for *labels, count in fetch_all(COUNT_FAILURES, [CODES]):
            failures.add_metric(labels, float(count))
        failing = GaugeMetricFamily(
            "tally_provider_failing", "Whether a model's provider fails now.", labels=["model"]
        )
        for model, fails in fetch_all(FAILING, PARAMETERS):
            failing.add_metric([model], float(fails))
        yield from (failures, failing)
        yield from _uses()
        yield from _requests()


def _uses() -> Iterator[Metric]:
    """Of each model what its uses had of tokens, and what could not be collected of their cost."""
    tokens = CounterMetricFamily(
        "tally_used_tokens", "Tokens of calls priced by tokens.", labels=["model", "kind"]
    )
    lost = CounterMetricFamily(
        "tally_uncollected_credits", "Cost above what was reserved: the operator's loss.",
        labels=["model"],
    )  # fmt: skip
    times = CounterMetricFamily(
        "tally_uncollected_uses", "Uses that cost more than was reserved.", labels=["model"]
    )
    for row in sums_by_model((), uses(Slicing())):
        for kind, count in row.tokens._asdict().items():
            tokens.add_metric([row.model, kind], float(count))
        lost.add_metric([row.model], row.uncollected_pico / PICO)
        times.add_metric([row.model], float(row.uncollected_uses))
    yield from (tokens, lost, times)


def _requests() -> Iterator[Metric]:
    """Of /v1: how many requests were answered how, and how long answers took to begin."""
    answered = CounterMetricFamily(
        "tally_api_requests", "Requests to /v1.", labels=["endpoint", "status", "code"]
    )
    first = SummaryMetricFamily(
        "tally_api_first_piece_seconds", "Seconds from a request to the first piece of its answer.",
        labels=["endpoint"],
    )  # fmt: skip
    for endpoint, status, code, count in fetch_all(COUNT_REQUESTS):
        answered.add_metric([endpoint or "none", str(status), code], float(count))
    for endpoint, count, seconds in fetch_all(COUNT_FIRST):
        first.add_metric([endpoint], count_value=int(count), sum_value=seconds)
    yield from (answered, first)


def _checks() -> Iterator[Metric]:
    metrics = [
        GaugeMetricFamily(f"tally_ledger_check_{name}", meaning, labels=["of"])
        for name, meaning in CHECKS.items()
    ]
    for of, kept in last_checks()._asdict().items():
        if kept:
            values = (kept.ok, kept.started_at.timestamp(), kept.seconds)
            for metric, value in zip(metrics, values, strict=True):
                metric.add_metric([of], float(value))
    yield from metrics


REGISTRY = CollectorRegistry()
REGISTRY.register(Database())


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever holds METRICS_TOKEN, for admins, and for this machine itself; 404 for others."""
    by_admin = is_admin_request(request) and not lacks_second_factor(request)
    if not (_has_token(request) or _is_local(request) or by_admin):
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
