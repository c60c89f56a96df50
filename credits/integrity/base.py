"""What a check of the ledger is."""

from typing import NamedTuple


class Check(NamedTuple):
    """A rule of an invariant (I1 to I7), as a sentence for people and as SQL, which yields the id
    (or name) of each row that breaks it. `offender` says what the SQL names, `table` which rows are
    counted as checked. In both a placeholder stands for the rows that are judged (see `scope`)."""

    name: str
    invariant: str
    sentence: str
    offender: str
    table: str
    sql: str


type Subject = tuple[str, str]
#: What a check names, and the table whose rows it checks.
ROWS: Subject = ("row", "{rows}")
GRANTS: Subject = ("grant", "{grants}")


def checks(invariant: str, **rules: tuple[Subject, str, str]) -> list[Check]:
    """The checks of an invariant by name: subject, sentence and SQL of each."""
    return [
        Check(name, invariant, sentence, *subject, sql)
        for name, (subject, sentence, sql) in rules.items()
    ]
