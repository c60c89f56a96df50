"""Checks of charges by tokens (I8 to I10): costs are computed here once more, from the tokens and
the price that the charge names, with nothing of what computed them first."""

from credits.amounts import PICO
from credits.integrity.base import ROWS, Subject, checks

USES: Subject = ("use", "{uses}")
CHARGES: Subject = ("charge", "{charges}")
AHEAD: Subject = ("account", "{paid_ahead}")

#: What a use costs at a price; `{}` is `provider_` for what the provider asks.
COST = """(u.input - u.cached - u.cache_write)::numeric * p.{0}input
    + u.cached::numeric * p.{0}cached + u.cache_write::numeric * p.{0}cache_write
    + (u.output - u.reasoning)::numeric * p.{0}output
    + u.reasoning::numeric * p.{0}reasoning + p.{0}request"""

CHECKS = [
    *checks(
        "I8",
        use_names_its_charge=(
            USES,
            "Each use is of a charge by tokens of its account.",
            """
            SELECT u.charge_id FROM {uses} u
            LEFT JOIN credits_usagehistory c ON c.id = u.charge_id
                AND c.account_id = u.account_id AND c.bound IS NOT NULL
            WHERE c.id IS NULL
            """,
        ),
        tokens_fit=(
            USES,
            "What was cached is part of the tokens read, what was reasoning of those written.",
            """
            SELECT charge_id FROM {uses} u
            WHERE least(cached, cache_write, reasoning, input - cached - cache_write,
                output - reasoning) < 0
            """,
        ),
        use_costs_its_tokens=(
            USES,
            "Each use costs its tokens at the price that its charge names.",
            f"""
            SELECT u.charge_id FROM {{uses}} u
            JOIN credits_usagehistory c ON c.id = u.charge_id
            LEFT JOIN credits_tokenprice p ON p.id = c.price_id
            WHERE (u.cost, u.provider_cost) IS DISTINCT FROM (
                CASE WHEN u.source = 'none' THEN 0 ELSE {COST.format("")} END,
                CASE WHEN u.source <> 'none' THEN {COST.format("provider_")} END)
            """,  # noqa: S608 -- ours
        ),
        # A price that is entered while a call is charged may be seen by the next one only.
        charge_names_the_price_in_force=(
            CHARGES,
            "Each charge by tokens names a price of then, the newest but for a few minutes.",
            """
            SELECT c.id FROM {charges} c LEFT JOIN credits_tokenprice p ON p.id = c.price_id
            WHERE c.bound IS NOT NULL AND (
                p.input IS NULL OR p.valid_from > c.created_at
                OR EXISTS (SELECT FROM credits_tokenprice newer
                    WHERE newer.model_id = p.model_id
                        AND (newer.valid_from, newer.id) > (p.valid_from, p.id)
                        AND newer.valid_from < c.created_at - interval '5 minutes'))
            """,
        ),
    ),
    *checks(
        "I9",
        bound_within_charge=(
            ROWS,
            "No charge by tokens can cost more than it took; nothing else has a bound.",
            f"""
            SELECT id FROM {{rows}} c
            WHERE (bound IS NULL) <> (price_id IS NULL)
                OR bound NOT BETWEEN 0 AND credits_used::numeric * {PICO}
                OR (bound IS NOT NULL AND (unit_cost IS NULL OR quantity <> 1))
            """,  # noqa: S608 -- ours
        ),
        use_within_its_reserve=(
            USES,
            "Each use collected its cost, but no more than its charge could cost.",
            """
            SELECT u.charge_id FROM {uses} u JOIN credits_usagehistory c ON c.id = u.charge_id
            WHERE u.collected <> least(u.cost, c.bound)
            """,
        ),
        # What an admin returns later has a key, and changes nothing of what the use kept.
        use_keeps_what_did_not_come_back=(
            USES,
            "Each use kept what its charge took, less what came back when it ended.",
            """
            SELECT u.charge_id FROM {uses} u JOIN credits_usagehistory c ON c.id = u.charge_id
            LEFT JOIN (SELECT refund_of_id, -sum(credits_used) AS returned
                       FROM {refunds} b WHERE idempotency_key IS NULL
                       GROUP BY refund_of_id) r ON r.refund_of_id = c.id
            WHERE u.kept < 0 OR u.kept <> c.credits_used - coalesce(r.returned, 0)
            """,
        ),
        charge_ends_with_one_use=(
            CHARGES,
            "Each charge by tokens is held or has its use, one of both.",
            """
            SELECT c.id FROM {charges} c
            LEFT JOIN credits_hold h ON h.charge_id = c.id
            LEFT JOIN {uses} u ON u.charge_id = c.id
            WHERE c.bound IS NOT NULL GROUP BY c.id
            HAVING count(h.charge_id) + count(u.charge_id) <> 1
            """,
        ),
    ),
    *checks(
        "I10",
        paid_ahead_below_one=(
            AHEAD,
            "What is paid ahead is part of one credit.",
            f"SELECT account_id FROM {{paid_ahead}} p WHERE pico < 0 OR pico >= {PICO}",  # noqa: S608 -- ours
        ),
        paid_ahead_is_exact=(
            AHEAD,
            "What is paid ahead is what the account's uses kept, less what they collected.",
            f"""
            SELECT account_id FROM {{paid_ahead}} p
            FULL JOIN (SELECT account_id, sum(kept) * {PICO} - sum(collected) AS ahead
                       FROM {{uses_of_accounts}} o GROUP BY account_id) u USING (account_id)
            WHERE coalesce(p.pico, 0) <> coalesce(u.ahead, 0)
            """,  # noqa: S608 -- ours
        ),
    ),
]
