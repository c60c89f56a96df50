"""What a check of the ledger is."""

from typing import NamedTuple


class Check(NamedTuple):
    """A rule of an invariant (I1 to I7), as a sentence for people and as SQL, which yields the id
    (or name) of each row that breaks it. `offender` says what the SQL names, `table` which rows are
    counted as looked at."""

    name: str
    invariant: str
    sentence: str
    offender: str
    table: str
    sql: str
