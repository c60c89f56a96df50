"""Every error below /api/ has one shape, whoever noticed it."""

import json
from collections.abc import Callable
from io import BytesIO
from unittest import mock

import pytest
from django.db import OperationalError
from django.test import Client, override_settings

from config.errors import DomainError, HttpError, domain_error_of, issues_of
from config.wsgi import application
from credits import exceptions
from credits.catalogue.exceptions import ChangedMeanwhile
from credits.models import AdminSettings, User
from tests.api import Api, assert_problem

SETTINGS = "/api/admin/settings"


def test_an_unknown_address_is_404(db: None) -> None:
    assert_problem(Api().get("/api/nowhere"), 404, "not_found")


@override_settings(DEBUG=True)
def test_an_unknown_address_is_json_while_debugging_too(db: None) -> None:
    assert_problem(Api().get("/api/nowhere"), 404, "not_found")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_another_method_is_405_and_says_which_there_are(method: str, alice: User) -> None:
    response = Api(alice).send(method, "/api/credits/me")
    assert_problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


def test_nobody_is_401_with_a_challenge(db: None) -> None:
    response = Api().get("/api/credits/me")
    assert_problem(response, 401, "unauthenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_an_admins_call_is_not_there_for_others(alice: User) -> None:
    assert_problem(Api(alice).get(SETTINGS), 404, "not_found")


def test_a_session_without_its_csrf_token_is_403(admin: User) -> None:
    response = Api(admin, enforce_csrf_checks=True).send("put", SETTINGS, {"featureCosts": {}})
    assert_problem(response, 403, "csrf_failed")


def test_another_media_type_is_415(admin: User) -> None:
    response = Api(admin).put(SETTINGS, b"featureCosts=1", content_type="text/csv")
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "*/*;q=0", "nonsense", "application/json;v=9"]
)
def test_any_accept_header_gets_json(accept: str, alice: User) -> None:
    response = Api(alice).get("/api/credits/me", headers={"Accept": accept})
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"


def test_a_body_over_the_limit_is_413(admin: User) -> None:
    body = json.dumps({"featureCosts": {"x" * 1_000_001: 1}}).encode()
    assert_problem(Api(admin).send("put", SETTINGS, body), 413, "too_large")


MALFORMED = {
    "no JSON": b"{",
    "empty text": b" ",
    "bad UTF-8": b'{"featureCosts": "\xff\xfe"}',
    "UTF-16": '{"featureCosts": {}}'.encode("utf-16"),
    "a key twice": b'{"featureCosts": {"ai_text_chat": 1, "ai_text_chat": 2}}',
    "deep": b"[" * 500 + b"]" * 500,
    "very deep": b"[" * 400_000 + b"]" * 400_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "half a surrogate": b'{"featureCosts": {}, "version": "\\ud800"}',
    "half a surrogate for a name": b'{"featureCosts": {"\\udfff": 1}}',
    "trailing text": b'{"featureCosts": {}} x',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_400(body: bytes, admin: User) -> None:
    assert_problem(Api(admin).send("put", SETTINGS, body), 400, "malformed")


PRICE = ["featureCosts", "ai_text_chat"]
WRONG = {
    "a list": (b"[]", []),
    "null": (b"null", []),
    "a text": (b'"x"', []),
    "a number": (b"1e400", []),
    "nothing": (b"", ["featureCosts"]),
    "NaN": (b'{"featureCosts": {"ai_text_chat": NaN}}', PRICE),
    "Infinity": (b'{"featureCosts": {"ai_text_chat": -Infinity}}', PRICE),
    "a huge number": (b'{"featureCosts": {"ai_text_chat": ' + b"9" * 5000 + b"}}", PRICE),
    "a huge exponent": (b'{"featureCosts": {"ai_text_chat": 1e999}}', PRICE),
    "NaN in a list": (b'{"featureCosts": [1, NaN]}', ["featureCosts", 1]),
    "NaN alone": (b"NaN", []),
    "NUL": (b'{"featureCosts": {}, "version": "\\u0000"}', ["version"]),
    "an unknown member": (b'{"featureCosts": {}, "featureCost": 1}', ["featureCost"]),
    "a member named NUL": (b'{"featureCosts": {}, "\\u0000": 1}', ["\0"]),
}


@pytest.mark.parametrize(("body", "path"), WRONG.values(), ids=WRONG.keys())
def test_a_body_of_the_wrong_shape_is_400(body: bytes, path: list[str | int], admin: User) -> None:
    problem = assert_problem(Api(admin).send("put", SETTINGS, body), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [path]


@pytest.mark.parametrize("charset", ["rot13", "bz2_codec", "utf-7", "nonsense", "'utf-16'"])
@pytest.mark.django_db(transaction=True)
def test_a_charset_that_is_no_charset_breaks_nothing(charset: str) -> None:
    """Django would decode the query with it before any handler of errors is in place."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/healthz",
        "QUERY_STRING": "a=%ff",
        "CONTENT_TYPE": f"application/json; charset={charset}",
        "HTTP_HOST": "localhost",
        "wsgi.input": BytesIO(),
    }
    statuses: list[str] = []

    def start(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    answer = application(environ, start)
    assert statuses == ["200 OK"], b"".join(answer)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_a_broken_form_is_no_500_in_the_csrf_check_before_it(kind: str, admin: User) -> None:
    browser = Api(admin, enforce_csrf_checks=True)
    response = browser.post("/api/admin/plans", b"--x\r\nrubbish", content_type=kind)
    assert_problem(response, 403, "csrf_failed")


@pytest.mark.parametrize("path", ["%00", "%ff", "a%0d%0ab", "%F0%9F%92%B8", "x" * 3000])
def test_a_strange_plan_id_is_404(path: str, admin: User) -> None:
    assert_problem(Api(admin).send("delete", f"/api/admin/plans/{path}"), 404, "not_found")


def test_a_database_that_does_not_answer_is_503(alice: User) -> None:
    api = Api(alice)
    failing = mock.patch("credits.api.views.get_balance", side_effect=OperationalError("gone"))
    with failing:
        response = api.get("/api/credits/me")
    assert_problem(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0


def test_a_database_that_fails_before_the_view_is_503(alice: User) -> None:
    api = Api(alice)
    with mock.patch("credits.users.sessions.SessionStore.load", side_effect=OperationalError):
        response = api.get("/api/credits/me")
    assert_problem(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("debug", [True, False])
def test_an_unforeseen_error_is_500_without_a_trace(debug: bool, alice: User) -> None:
    api = Api(alice)
    failing = mock.patch("credits.api.views.get_balance", side_effect=ZeroDivisionError("secret"))
    with override_settings(DEBUG=debug), failing:
        response = api.get("/api/credits/me")
    assert_problem(response, 500, "server_error")
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content


def test_a_host_that_is_not_ours_is_400(db: None) -> None:
    response = Api().get("/api/credits/settings", headers={"Host": "evil.example"})
    assert_problem(response, 400, "invalid")


def test_pages_keep_their_own_errors(db: None) -> None:
    assert Client().get("/nowhere")["Content-Type"].startswith("text/html")


DOMAIN = [
    (exceptions.InsufficientCredits(required=5, available=2), 402, {"required": 5, "available": 2}),
    (exceptions.PriceChanged(agreed=1, unit_cost=3), 409, {"agreed": 1, "unitCost": 3}),
    (exceptions.IdempotencyConflict("x"), 422, {}),
    (exceptions.ChargeHeld("x"), 409, {}),
    (exceptions.RefundTooLarge(available=1), 409, {"available": 1}),
    (exceptions.NotACharge("x"), 404, {}),
    (exceptions.LedgerError("x"), 400, {}),
    (ChangedMeanwhile("v2"), 409, {"version": "v2"}),
]


@pytest.mark.parametrize(("error", "status", "extra"), DOMAIN)
def test_the_ledgers_errors_have_their_answers(
    error: Exception, status: int, extra: dict[str, object]
) -> None:
    problem = domain_error_of(error)
    assert problem is not None
    assert problem.status == status
    assert extra.items() <= problem.body.items()


def test_every_error_of_the_ledger_carries_its_answer() -> None:
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    missing = [kind.__name__ for kind in kinds if not issubclass(kind, DomainError)]
    assert not missing, f"Derive these from config.errors.DomainError: {missing}"


def test_an_error_nobody_foresaw_has_no_answer() -> None:
    assert domain_error_of(ZeroDivisionError()) is None


def test_a_problem_is_its_own_answer() -> None:
    problem = HttpError(418, "teapot", "Short and stout.", handle=True)
    assert domain_error_of(problem) is problem
    assert problem.body == {"error": "teapot", "message": "Short and stout.", "handle": True}


def test_issues_have_the_path_of_their_field() -> None:
    detail = {"a": {1: {"b": ["x", "y"]}}, "non_field_errors": ["z"]}
    assert [(issue["path"], issue["message"]) for issue in issues_of(detail)] == [
        (["a", 1, "b"], "x"),
        (["a", 1, "b"], "y"),
        ([], "z"),
    ]


def test_what_was_refused_changed_nothing(admin: User) -> None:
    for body in MALFORMED.values():
        Api(admin).send("put", SETTINGS, body)
    assert not AdminSettings.objects.exclude(feature_costs={}).exists()
