"""A key opens `/v1` and nothing else: no page, and no call of `/api`."""

from typing import Any

import pytest
from django.test import Client

from credits.keys.lookup import find_caller
from credits.models import User
from tests.factories import make_admin, make_key, make_secret
from tests.test_who_may import ROWS, filled, things_of

HEADERS = [
    {"Authorization": "Bearer {}"},
    {"X-Api-Key": "{}"},
    {"Authorization": "Basic {}"},
    {"Cookie": "sessionid={}"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=["bearer", "x-api-key", "basic", "cookie"])
@pytest.mark.django_db(transaction=True)
def test_whoever_has_a_key_is_nobody_elsewhere(
    headers: dict[str, str], alice: User, settings: Any, tmp_path: Any
) -> None:
    """Also an admin's key, and where no CSRF token is asked for."""
    settings.MEDIA_ROOT = tmp_path
    secret = make_secret(make_key(make_admin(), scopes=["inference", "usage:read"]))
    assert find_caller(secret)
    browser = Client(raise_request_exception=False)
    sent = {name: value.format(secret) for name, value in headers.items()}
    things, opened = things_of(alice), []
    for method, route, nobody, *_ in ROWS:
        if route == "metrics" or route.startswith("api/webhooks/"):
            continue  # They have secrets of their own.
        response = browser.generic(
            method, filled(route, things), b"{}", "application/json", headers=sent
        )
        if response.status_code not in {int(nobody), 401}:
            opened.append(f"{method} {route}: {response.status_code}, not {nobody}")
        if secret in response.getvalue().decode(errors="replace"):
            opened.append(f"{method} {route}: says the secret")
        response.close()
    assert not opened, "\n".join(opened)
