"""Plans to import, as pasted or as Clerk has them: read, checked row by row, and compared with
those that are here."""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, NamedTuple

from django.core import signing
from rest_framework.exceptions import ParseError

from adminpanel.differences import Difference, differences
from adminpanel.users.search import subscribers
from config.errors import InvalidInput
from credits.api.parsing import JSONParser
from credits.catalogue.fields import PLAN_FIELDS, problems_of
from credits.catalogue.history import plan_state
from credits.catalogue.plans import plan_version
from credits.models import Plan

#: The most that is read: characters of JSON, and plans.
MAX_CHARACTERS, MAX_ROWS = 200_000, 500
#: Where a list may be: Clerk's own pages, our `GET /api/admin/plans` and `…/settings`.
LISTS = ("data", "plans", "billingPlans")
#: What our API says of a plan besides, and nobody can set.
READ_ONLY = {"createdAt", "updatedAt", "version"}
SALT = "adminpanel.settings.imports"


class NotReadable(ValueError):
    """What was sent cannot be imported; its arguments are sentences for the admin."""


class Offer(NamedTuple):
    """A plan to import. None is what the source does not say."""

    clerk_id: str
    name: str
    credits: int | None = None
    active: bool | None = None


class Row(NamedTuple):
    """An offer beside the plan that is here: `state` is new, changed, same, or only here;
    `version` is that of the plan that is here, None where there is none."""

    state: str
    clerk_id: str
    name: str
    credits: int | None
    active: bool
    differences: list[Difference]
    version: str | None = None
    subscribers: int = 0

    @property
    def can_be_taken(self) -> bool:
        return self.state in {"new", "changed"}


def read_pasted(text: str) -> list[Offer]:
    """Raises NotReadable, naming every row that is wrong."""
    if len(text) > MAX_CHARACTERS:
        raise NotReadable(f"More than {MAX_CHARACTERS:,} characters: import fewer plans at once.")
    rows = _list_in(_parse(text))
    if not rows:
        raise NotReadable("There is no plan in it.")
    if len(rows) > MAX_ROWS:
        raise NotReadable(f"More than {MAX_ROWS} plans: import fewer at once.")
    problems = [problem for at, row in enumerate(rows, 1) for problem in _problems(at, row)]
    problems += _duplicates(rows)
    if problems:
        raise NotReadable(*problems)
    return [
        Offer(row["id"], row["name"])
        if _id_key(row) == "id"
        else Offer(row["clerkId"], row["name"], row["credits"], row.get("active"))
        for row in rows
    ]


def _parse(text: str) -> Any:
    try:
        return JSONParser().parse(BytesIO(text.encode()))
    except ParseError as error:
        raise NotReadable(str(error.detail).replace("The body", "This")) from None
    except InvalidInput as error:
        problems = []
        for issue in error.issues:
            path = (f"Row {at + 1}" if isinstance(at, int) else at for at in issue["path"])
            problems.append(": ".join([*path, issue["message"]]))
        raise NotReadable(*problems) from None


def _list_in(data: Any) -> list[Any]:
    if isinstance(data, dict):
        data = next((data[key] for key in LISTS if key in data), None)
    if not isinstance(data, list):
        raise NotReadable("Must be a list of plans, or an object that has it as “data” or “plans”.")
    return data


def _id_key(row: Mapping[str, Any]) -> str:
    """Clerk's own rows have `id`, and say nothing of credits."""
    return "id" if "clerkId" not in row and "id" in row else "clerkId"


def _problems(at: int, row: Any) -> list[str]:
    if not isinstance(row, dict):
        return [f"Row {at}: must be an object."]
    id_key = _id_key(row)
    clerk_id = row.get(id_key)
    values = {"clerkId": clerk_id, "name": row.get("name")}
    unknown: Iterable[str] = ()
    if id_key == "clerkId":
        values |= {"credits": row.get("credits"), "active": row.get("active", True)}
        unknown = row.keys() - PLAN_FIELDS.keys() - READ_ONLY
    wrong = [f"{key[:40]!r}: there is no such field." for key in unknown]
    wrong += [
        f"{id_key if field == 'clerkId' else field}: {sentence}"
        for field, sentence in problems_of(values, PLAN_FIELDS).items()
    ]
    named = f" ({clerk_id[:64]})" if isinstance(clerk_id, str) and clerk_id.isprintable() else ""
    return [f"Row {at}{named}: {problem}" for problem in wrong]


def _duplicates(rows: list[Any]) -> list[str]:
    places: dict[str, list[int]] = {}
    for at, row in enumerate(rows, 1):
        clerk_id = row.get(_id_key(row)) if isinstance(row, dict) else None
        if isinstance(clerk_id, str):
            places.setdefault(clerk_id, []).append(at)
    return [
        f"Rows {' and '.join(map(str, numbers))}: {clerk_id[:64]} is given twice."
        for clerk_id, numbers in places.items()
        if len(numbers) > 1
    ]


def sign(source: str, offers: Iterable[Offer], versions: Mapping[str, str | None]) -> str:
    """For `unsign`: the confirmation carries what the page showed, with the versions of the plans
    that were here, by id."""
    return signing.dumps((source, list(offers), versions), salt=SALT, compress=True)


def unsign(text: str) -> tuple[str, list[Offer], dict[str, str | None]]:
    """What `sign` was given. Raises NotReadable for anything that it did not make."""
    try:
        source, offers, versions = signing.loads(text, salt=SALT)
    except signing.BadSignature:
        raise NotReadable("The preview did not come back whole: begin again.") from None
    return source, [Offer(*offer) for offer in offers], versions


def compare(offers: Iterable[Offer]) -> list[Row]:
    """Every offer beside what is here, then the plans that only are here."""
    plans = {plan.clerk_id: plan for plan in Plan.objects.all()}
    counts = subscribers(plans)
    rows = [_row(offer, plans.pop(offer.clerk_id, None)) for offer in offers]
    rows += [
        Row("only here", plan.clerk_id, plan.name, plan.credits, plan.active, [],
            subscribers=counts[plan.clerk_id])
        for plan in plans.values()
    ]  # fmt: skip
    states = ("new", "changed", "same", "only here")
    return sorted(rows, key=lambda row: (states.index(row.state), row.name))


def _row(offer: Offer, plan: Plan | None) -> Row:
    if plan is None:
        active = offer.active is not False
        return Row("new", offer.clerk_id, offer.name, offer.credits, active, [])
    credits = plan.credits if offer.credits is None else offer.credits
    active = plan.active if offer.active is None else offer.active
    wanted = {"clerkId": plan.clerk_id, "name": offer.name, "credits": credits, "active": active}
    changes = differences(plan_state(plan), wanted)
    state = "changed" if changes else "same"
    return Row(state, plan.clerk_id, offer.name, credits, active, changes, plan_version(plan))
