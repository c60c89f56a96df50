"""What the headers of an answer say of its charge (design: gateway, A.7)."""

from ai_chat.gateway.calls import Call, Driven
from ai_chat.gateway.completions import cost_of
from ai_chat.models import ApiCall


def charge_headers(job: ApiCall, call: Call) -> dict[str, str]:
    """Of a call that was just charged."""
    charge = job.charge
    headers = {
        "X-Tally-Charge": str(charge.pk),
        "X-Tally-Reserved": str(charge.credits_used),
        "X-Tally-Remaining": str(charge.balance_after),
    }
    if charge.price_id is not None:
        headers["X-Tally-Price-Version"] = str(charge.price_id)
    if job.output_granted:
        headers["X-Tally-Max-Output"] = str(job.output_granted)
        if job.output_granted < call.asked.output:
            limit = job.limit_id
            headers["X-Tally-Limited-By"] = f"limit:{limit}" if limit else "balance"
    if call.ignored:
        names = [name for name in call.ignored if name.isascii() and name.isprintable()]
        headers["X-Tally-Ignored"] = ", ".join(names)[:500]
    return headers


def ended_headers(driven: Driven) -> dict[str, str]:
    """Of a call whose answer is sent whole, after its use."""
    headers = {"X-Tally-Cost": cost_of(driven.job)}
    if driven.job.remaining is not None:
        headers["X-Tally-Remaining"] = str(driven.job.remaining)
    return headers
