"""What `make check` says of functions in SQL files."""

import pytest

from tests.sql_functions import faults_of

PLPGSQL = """-- A comment.
CREATE FUNCTION f(first bigint, second bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE total bigint;
BEGIN
    {} -- second, as said here
    RETURN total;
END $$;
"""


@pytest.mark.parametrize(
    ("sql", "faults"),
    [
        (PLPGSQL.format("total := first + second;"), []),
        (PLPGSQL.format("total := first;"), [(2, "second is never used")]),
        (PLPGSQL.replace("RETURN total", "RETURN first + second").format(""),
         [(2, "total is never used")]),
        (PLPGSQL.format("SELECT first + second INTO total FRM t WHERE;"),
         [(2, 'syntax error at or near "t"')]),
        ("SELECT 1;\nSELEC 2;", [(2, 'syntax error at or near "SELEC"')]),
        ("CREATE FUNCTION g(a int) RETURNS int LANGUAGE sql AS $$ SELECT a FROM WHERE $$;",
         [(1, 'syntax error at or near "WHERE"')]),
        ("CREATE FUNCTION g(a int) RETURNS int LANGUAGE sql RETURN a;", []),
    ],
)  # fmt: skip
def test_mistakes_in_bodies_are_reported(sql: str, faults: list[tuple[int, str]]) -> None:
    assert list(faults_of(sql)) == faults
