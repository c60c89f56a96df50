"""What stands in the ledger at this moment, as single numbers."""

from credits.sql import fetch_all

#: Each number's query; none reads the whole journal.
QUERIES = {
    # Credits that people can spend, and how many accounts have some.
    "outstanding": "SELECT coalesce(sum(credits_remaining), 0)::bigint FROM credits_creditbalance",
    "holders": "SELECT count(*) FROM credits_creditbalance WHERE credits_remaining > 0",
    # Charges in flight, their credits, and those past their lease: the sweeper is behind.
    "holds": "SELECT count(*) FROM credits_hold",
    "held": "SELECT coalesce(sum(u.credits_used), 0)::bigint"
    " FROM credits_hold h JOIN credits_usagehistory u ON u.id = h.charge_id",
    "overdue_holds": "SELECT count(*) FROM credits_hold WHERE lease_until < credits_now()",
    # Grants past their end that were not posted as expired.
    "overdue_expiries": "SELECT count(*) FROM credits_creditgrant"
    " WHERE NOT expired AND expires_at < credits_now()",
    # The newest row of the journal.
    "last_row": "SELECT coalesce(max(id), 0) FROM credits_usagehistory",
}


def get_totals(*names: str) -> dict[str, int]:
    """These numbers of QUERIES, all of one moment. Raises KeyError."""
    columns = ", ".join(f"({QUERIES[name]})" for name in names)
    [numbers] = fetch_all(f"SELECT {columns}")
    return dict(zip(names, numbers, strict=True))
