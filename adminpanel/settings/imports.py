"""Plans to import, as pasted or as Clerk has them: read, checked row by row, and compared with
those that are there."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

from rest_framework.exceptions import ParseError, ValidationError

from adminpanel.differences import Difference, differences
from adminpanel.users.search import subscribers
from config.errors import issues_of
from credits.api.parsing import JSONParser
from credits.catalogue.services import (
    LINE,
    MAX_PLAN_CREDITS,
    NAME_CHARACTERS,
    PLAN_ID,
    PLAN_ID_RULE,
    PLAN_NAME_RULE,
    plan_state,
    plan_version,
)
from credits.clerk.parsing import PlanOffer
from credits.models import Plan

#: The most that is read: characters of JSON, and plans.
MOST_CHARACTERS, MOST_ROWS = 200_000, 500
#: Where a list may be: Clerk's own pages, our `GET /api/admin/plans` and `…/settings`.
LISTS = ("data", "plans", "billingPlans")
OWN_KEYS = {"clerkId", "name", "credits", "active"}
#: What our API says of a plan besides, and nobody can set.
READ_ONLY = {"createdAt", "updatedAt", "version"}


class NotReadable(ValueError):
    """What was pasted cannot be imported; `problems` are sentences for the admin."""

    def __init__(self, *problems: str) -> None:
        super().__init__(problems[0])
        self.problems = problems


@dataclass(frozen=True)
class Offer:
    """A plan to import. None is what the source does not say."""

    clerk_id: str
    name: str
    credits: int | None = None
    active: bool | None = None


@dataclass(frozen=True)
class Row:
    """An offer beside the plan that is there: `state` is new, changed, same, or only here."""

    state: str
    clerk_id: str
    name: str
    credits: int | None
    active: bool
    differences: list[Difference]
    #: The version of the plan that is there; empty for a new one.
    seen: str = ""
    subscribers: int = 0

    @property
    def can_be_taken(self) -> bool:
        return self.state in {"new", "changed"}


def read_pasted(text: str) -> list[Offer]:
    """Raises NotReadable, naming every row that is wrong."""
    if len(text) > MOST_CHARACTERS:
        raise NotReadable(f"More than {MOST_CHARACTERS:,} characters: import fewer plans at once.")
    found = _list_in(_parse(text))
    if not found:
        raise NotReadable("There is no plan in it.")
    if len(found) > MOST_ROWS:
        raise NotReadable(f"More than {MOST_ROWS} plans: import fewer at once.")
    problems = [problem for at, row in enumerate(found, 1) for problem in _problems(at, row)]
    problems += _given_twice(found)
    if problems:
        raise NotReadable(*problems)
    return [_offer(row) for row in found]


def _parse(text: str) -> Any:
    try:
        return JSONParser().parse(BytesIO(text.encode()))
    except ParseError as error:
        raise NotReadable(str(error.detail).replace("The body", "This")) from None
    except ValidationError as error:
        wrong = issues_of(error.detail)
        raise NotReadable(*(f"{_place(one['path'])}: {one['message']}" for one in wrong)) from None


def _place(path: list[str | int]) -> str:
    return ": ".join(f"Row {part + 1}" if isinstance(part, int) else part for part in path)


def _list_in(data: Any) -> list[Any]:
    if isinstance(data, dict):
        data = next((data[key] for key in LISTS if key in data), None)
    if not isinstance(data, list):
        raise NotReadable("Must be a list of plans, or an object that has it as “data” or “plans”.")
    return data


def _is_clerks(row: dict[str, Any]) -> bool:
    return "clerkId" not in row and "id" in row


def _problems(at: int, row: Any) -> list[str]:
    if not isinstance(row, dict):
        return [f"Row {at}: must be an object."]
    clerk_id = row.get("id" if _is_clerks(row) else "clerkId")
    name = row.get("name")
    wrong = []
    if not isinstance(clerk_id, str) or not PLAN_ID.fullmatch(clerk_id):
        wrong.append(f"{'id' if _is_clerks(row) else 'clerkId'}: {PLAN_ID_RULE}")
    if not isinstance(name, str) or len(name) > NAME_CHARACTERS or not LINE.fullmatch(name):
        wrong.append(f"name: {PLAN_NAME_RULE}")
    if not _is_clerks(row):
        wrong += _own_problems(row)
    called = f" ({clerk_id[:64]})" if isinstance(clerk_id, str) and clerk_id.isprintable() else ""
    return [f"Row {at}{called}: {problem}" for problem in wrong]


def _own_problems(row: dict[str, Any]) -> list[str]:
    wrong = [f"{key[:40]!r}: there is no such field." for key in row.keys() - OWN_KEYS - READ_ONLY]
    credits = row.get("credits")
    if type(credits) is not int or not 0 <= credits <= MAX_PLAN_CREDITS:
        wrong.append(f"credits: Must be a whole number from 0 to {MAX_PLAN_CREDITS:,}.")
    if type(row.get("active", True)) is not bool:
        wrong.append("active: Must be true or false.")
    return wrong


def _given_twice(found: list[Any]) -> list[str]:
    places: dict[str, list[int]] = {}
    for at, row in enumerate(found, 1):
        clerk_id = row.get("clerkId", row.get("id")) if isinstance(row, dict) else None
        if isinstance(clerk_id, str):
            places.setdefault(clerk_id, []).append(at)
    return [
        f"Rows {' and '.join(map(str, rows))}: {clerk_id[:64]} is given twice."
        for clerk_id, rows in places.items()
        if len(rows) > 1
    ]


def _offer(row: dict[str, Any]) -> Offer:
    if _is_clerks(row):
        return Offer(row["id"], row["name"])
    return Offer(row["clerkId"], row["name"], row["credits"], row.get("active"))


def from_clerk(plans: Iterable[PlanOffer]) -> list[Offer]:
    return [
        Offer(plan.clerk_id, plan.name.strip() or plan.clerk_id)
        for plan in plans
        if PLAN_ID.fullmatch(plan.clerk_id)
    ]


def dump(offers: Iterable[Offer]) -> str:
    """For `load`: the confirmation carries what the preview showed."""
    return json.dumps([asdict(offer) for offer in offers])


def load(text: str) -> list[Offer]:
    """Raises NotReadable."""
    try:
        rows = [Offer(**row) for row in _parse(text)]
    except (NotReadable, TypeError):
        rows = []
    if not rows or not all(map(_is_sound, rows)):
        raise NotReadable("The preview did not come back whole: begin again.")
    return rows


def _is_sound(offer: Offer) -> bool:
    texts = isinstance(offer.clerk_id, str) and isinstance(offer.name, str)
    numbers = offer.credits is None or type(offer.credits) is int
    flags = offer.active is None or type(offer.active) is bool
    return texts and numbers and flags and bool(PLAN_ID.fullmatch(offer.clerk_id))


def compare(offers: Iterable[Offer]) -> list[Row]:
    """Every offer beside what is there, then the plans that only are here."""
    plans = {plan.clerk_id: plan for plan in Plan.objects.all()}
    counts = subscribers(plans)
    rows = [_row(offer, plans.pop(offer.clerk_id, None)) for offer in offers]
    only = [
        Row(
            state="only here", clerk_id=plan.clerk_id, name=plan.name, credits=plan.credits,
            active=plan.active, differences=[], subscribers=counts[plan.clerk_id],
        )
        for plan in plans.values()
    ]  # fmt: skip
    order = ("new", "changed", "same")
    return sorted(rows, key=lambda row: (order.index(row.state), row.name)) + only


def _row(offer: Offer, plan: Plan | None) -> Row:
    if plan is None:
        active = offer.active is not False
        return Row("new", offer.clerk_id, offer.name, offer.credits, active, [])
    credits = plan.credits if offer.credits is None else offer.credits
    active = plan.active if offer.active is None else offer.active
    wanted = {"clerkId": plan.clerk_id, "name": offer.name, "credits": credits, "active": active}
    found = differences(plan_state(plan), wanted)
    state = "changed" if found else "same"
    return Row(state, plan.clerk_id, offer.name, credits, active, found, plan_version(plan))
