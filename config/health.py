"""For operators and balancers: is this process alive, and can it serve?"""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when the database can be reached and has every migration, else 503."""
    if why := _why_not_ready():
        headers = {"Retry-After": "2"}
        return HttpResponse(why, status=503, content_type="text/plain", headers=headers)
    return HttpResponse("ready\n", content_type="text/plain")


def not_ready() -> str:
    """Why the site cannot serve; empty when it can. For a thread that serves no requests."""
    try:
        return _why_not_ready()
    finally:
        connections.close_all()


def _why_not_ready() -> str:
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return "The database does not answer.\n"
    return f"{missing} migrations are not applied.\n" if missing else ""
