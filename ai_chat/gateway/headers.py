"""What the headers of an answer say of its charge, and of what is left (design: gateway, A.7)."""

import re
from collections.abc import Iterable

from ai_chat.jobs.models import Rate
from ai_chat.models import ApiCall
from credits.amounts import as_decimal

#: A client's name that can stand in a header.
IGNORED_NAME = re.compile("[!-+.-~-]{1,100}", re.ASCII)


def charge_headers(job: ApiCall, ignored: Iterable[str]) -> dict[str, str]:
    """The headers of a call that was charged, of which these parameters were left out. What remains
    is what did when it had ended, if it has."""
    charge = job.charge
    remaining = charge.balance_after if job.remaining is None else job.remaining
    headers = {
        "X-Tally-Charge": str(charge.pk),
        "X-Tally-Reserved": str(charge.credits_used),
        "X-Tally-Remaining": str(remaining),
        **rate_headers(job.rate),
    }
    if charge.price_id is not None:
        headers["X-Tally-Price-Version"] = str(charge.price_id)
    if job.output_granted:
        headers["X-Tally-Max-Output"] = str(job.output_granted)
    if job.limited_by:
        headers["X-Tally-Limited-By"] = job.limited_by
    if names := [name for name in ignored if IGNORED_NAME.fullmatch(name)]:
        headers["X-Tally-Ignored"] = ", ".join(names)[:500]
    return headers


def ended_headers(job: ApiCall) -> dict[str, str]:
    """The headers of a call whose answer is sent whole, after its use."""
    headers = {"X-Tally-Cost": cost_of(job)}
    if job.remaining is not None:
        headers["X-Tally-Remaining"] = str(job.remaining)
    return headers


def cost_of(job: ApiCall) -> str:
    """Credits that a call has cost, exactly, as a decimal string."""
    return as_decimal(int(job.use.collected)) if job.use else f"{job.charged}"


def rate_headers(rate: Rate | None) -> dict[str, str]:
    """What is left of the tightest rate, in the names and forms of OpenAI's."""
    if rate is None:
        return {}
    return {
        "x-ratelimit-limit-requests": str(rate.most),
        "x-ratelimit-remaining-requests": str(rate.remaining),
        "x-ratelimit-reset-requests": f"{rate.reset}s",
    }
