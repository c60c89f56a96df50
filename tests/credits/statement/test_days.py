"""Which days can be asked for: the same everywhere, with the same sentence."""

import html

import pytest

from credits.models import User
from tests.api import Api, assert_problem

WRITE = "Write a day as 2026-11-30."
EARLY, LATE = "There is nothing before 2020.", "There is nothing after 2100."
#: The query, the field that is wrong, and why.
REFUSED = [
    ("from=yesterday", "from", WRITE),
    ("to=2026-02-30", "to", WRITE),
    ("from=2026-2-1", "from", WRITE),
    ("from=20260201", "from", WRITE),
    ("from=2026-W05-1", "from", WRITE),
    ("from=%202026-02-01", "from", WRITE),
    ("from=2026-02-01T00:00", "from", WRITE),
    ("to=%D9%A2026-02-01", "to", WRITE),
    ("to=%00", "to", WRITE),
    ("from=0001-01-01", "from", EARLY),
    ("from=2019-12-31", "from", EARLY),
    ("to=0001-01-01", "to", EARLY),
    ("to=2101-01-01", "to", LATE),
    ("from=9999-12-31", "from", LATE),
    ("to=9999-12-31", "to", LATE),
    ("from=2026-02-02&to=2026-02-01", "from", "The first day is after the last one."),
]
ACCEPTED = ["from=2020-01-01&to=2100-12-31", "from=2026-02-01&to=2026-02-01", "to=2020-01-01"]
MINE = ("/usage", "/usage.csv", "/api/credits/usage")
DESK = (
    "/admin/usage", "/admin/usage.csv", "/api/admin/usage", "/admin/audit", "/admin/audit.csv",
    "/admin/webhooks",
)  # fmt: skip


@pytest.mark.parametrize(("query", "field", "sentence"), REFUSED)
@pytest.mark.parametrize("path", MINE + DESK)
def test_what_is_no_range_is_refused_alike(
    path: str, query: str, field: str, sentence: str, alice: User, admin: User
) -> None:
    answer = Api(admin if path in DESK else alice).get(f"{path}?{query}")
    if path.startswith("/api/"):
        problem = assert_problem(answer, 400, "invalid")
        assert problem["issues"] == [{"path": [field], "message": sentence}]
    else:
        assert answer.status_code == 400
        page = html.unescape(answer.text)
        assert sentence in page
        assert f"<b>{field}:</b>" in page or f"<b>{field.title()}:</b>" in page


@pytest.mark.parametrize("query", ACCEPTED)
@pytest.mark.parametrize("path", MINE + DESK)
def test_what_is_a_range_is_taken_alike(path: str, query: str, alice: User, admin: User) -> None:
    assert Api(admin if path in DESK else alice).get(f"{path}?{query}").status_code == 200


@pytest.mark.parametrize("path", MINE[:2] + DESK[:2])
def test_an_empty_field_of_a_form_is_no_day(path: str, alice: User, admin: User) -> None:
    assert Api(admin if path in DESK else alice).get(f"{path}?from=&to=").status_code == 200
