"""What is answered when something goes wrong: pages for people, JSON below /api/."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from config.urls import handler400, handler403, handler404, handler500
from credits.exceptions import PriceChanged
from credits.models import User

__all__ = ["handler400", "handler403", "handler404", "handler500"]

SECRET = "the password is swordfish"


def raises(error: Exception) -> Callable[[HttpRequest], HttpResponse]:
    @login_not_required
    def view(_request: HttpRequest) -> HttpResponse:
        raise error

    return view


@login_not_required
def reads(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


ERRORS = {
    400: BadRequest(SECRET),
    403: PermissionDenied(SECRET),
    404: Http404(SECRET),
    500: RuntimeError(SECRET),
    503: OperationalError(SECRET),
}
urlpatterns = [
    *(path(f"raise/{status}", raises(error)) for status, error in ERRORS.items()),
    *(path(f"api/raise/{status}", raises(error)) for status, error in ERRORS.items()),
    path("domain", raises(PriceChanged(agreed=1, unit_cost=3))),
    path("api/domain", raises(PriceChanged(agreed=1, unit_cost=3))),
    path("reads", reads),
    path("api/reads", reads),
    path("", include("config.urls")),
]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def visitor() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("status", ERRORS)
def test_each_page_says_what_happened_and_nothing_else(visitor: Client, status: int) -> None:
    answer = visitor.get(f"/raise/{status}")  # no database fixture: a query would fail this test
    assert answer.status_code == status
    assert f'<p class="code">{status}</p>' in answer.text
    assert 'href="/"' in answer.text
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("status", ERRORS)
def test_below_api_it_is_json(visitor: Client, status: int) -> None:
    answer = visitor.get(f"/api/raise/{status}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"}
    assert SECRET not in answer.text


def test_a_domain_error_that_a_view_lets_through_has_its_status(visitor: Client) -> None:
    page, call = visitor.get("/domain"), visitor.get("/api/domain")
    assert (page.status_code, call.status_code) == (409, 409)
    assert '<p class="code">409</p>' in page.text
    assert "<h1>The price is now 3 credits; 1 were agreed to.</h1>" in page.text
    assert call.json()["error"] == "price_changed"
    assert (call.json()["agreed"], call.json()["unitCost"]) == (1, 3)


def test_an_address_that_nobody_knows(visitor: Client) -> None:
    assert "There is nothing here" in visitor.get("/no/such/page").text
    assert visitor.get("/api/no/such/call").json()["error"] == "not_found"


def test_a_busy_database_says_when_to_come_back(visitor: Client) -> None:
    assert int(visitor.get("/raise/503")["Retry-After"]) > 0
    assert int(visitor.get("/api/raise/503")["Retry-After"]) > 0


@pytest.mark.parametrize("url", ["/reads", "/api/reads"])
def test_a_body_that_is_too_large_is_413(visitor: Client, settings: Any, url: str) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = visitor.post(url, b"x" * 11, content_type="text/plain")
    assert answer.status_code == 413


def test_an_unknown_host_is_a_bad_request(visitor: Client) -> None:
    assert visitor.get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_stale_form_gets_a_way_back(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    answer = browser.post("//evil.example/account")
    assert answer.status_code == 403
    answer = browser.post("/account")
    assert answer.status_code == 403
    assert "That form has gone stale" in answer.text
    assert 'href="/account"' in answer.text
