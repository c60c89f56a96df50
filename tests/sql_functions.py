"""Checks the functions in SQL files; `make check` runs it:

    python -m tests.sql_functions FILE…

squawk and sqlfluff take the body of a PL/pgSQL function for a string. PostgreSQL's own parsers
(pglast) read it without a server. Names that a function never uses are reported as well.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pglast
from pglast.ast import CreateFunctionStmt
from pglast.enums import FunctionParameterMode as Mode
from pglast.parser import ParseError, scan

INPUTS = {Mode.FUNC_PARAM_DEFAULT, Mode.FUNC_PARAM_IN, Mode.FUNC_PARAM_INOUT}


def main() -> None:
    faults = [
        f"{path}:{line}: {message}"
        for path in sys.argv[1:]
        for line, message in faults_of(Path(path).read_text())
    ]
    sys.exit("\n".join(faults) or None)


def faults_of(sql: str) -> Iterator[tuple[int, str]]:
    """The line (from 1) and the message of each mistake. A function's line is its first."""
    try:
        statements = pglast.parse_sql(sql)
    except ParseError as error:
        message, offset = error.args
        yield _line(sql, offset or 0), message
        return
    for raw in statements:
        if isinstance(raw.stmt, CreateFunctionStmt):
            start = raw.stmt_location or 0
            end = start + raw.stmt_len if raw.stmt_len else len(sql)
            for message in _faults_of_function(raw.stmt, sql[start:end]):
                yield _line(sql, start), message


def _faults_of_function(function: CreateFunctionStmt, source: str) -> Iterator[str]:
    if function.sql_body:  # not a string: read with the statement
        return
    options = {option.defname: option.arg for option in function.options or ()}
    (body,) = (part.sval for part in options["as"])
    names = Counter(each.name for each in function.parameters or () if each.mode in INPUTS)
    try:
        if options["language"].sval == "plpgsql":
            names += _declared(source)
        else:
            pglast.parse_sql(body)
    except ParseError as error:
        yield error.args[0]
        return
    uses = Counter(body[token.start : token.end + 1] for token in scan(body))
    yield from (f"{name} is never used" for name in names if uses[name] < names[name])


def _declared(source: str) -> Counter[str]:
    """The variables of a PL/pgSQL function's outermost DECLARE, each counted twice: the declaration
    stands in the body too, a parameter's does not. Raises ParseError."""
    function = pglast.parse_plpgsql(source)[0]["PLpgSQL_function"]
    begin = function["action"]["PLpgSQL_stmt_block"]["lineno"]
    variables = [variable for datum in function["datums"] for variable in datum.values()]
    return Counter(2 * [each["refname"] for each in variables if 0 < each.get("lineno", 0) < begin])


def _line(sql: str, offset: int) -> int:
    return sql.count("\n", 0, offset) + 1


if __name__ == "__main__":
    main()
