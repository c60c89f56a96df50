"""The options of a sync: the call, the command and the page derive their fields from `OPTIONS`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from credits.catalogue.fields import PLAN_CREDITS
from credits.clerk.client import PAGE

#: Characters of the reason that is kept with every balance that is set.
MAX_REASON = 500


@dataclass(frozen=True)
class SyncOptions:
    """What a sync does; `set_credits` reads subscriptions too, and `override_credits` replaces the
    plan's amount for it; a dry run counts and keeps nothing; `debug` shows at once why rows failed,
    where a page names them; `include_free` also reads items of the free plan; `changed_since`
    (milliseconds) reads the people who changed since then, where not everybody is read."""

    sync_users: bool = True
    sync_plans: bool = True
    set_credits: bool = False
    override_credits: int | None = None
    page_size: int = PAGE
    max_pages: int | None = None
    dry_run: bool = False
    debug: bool = False
    include_free: bool = True
    changed_since: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Option:
    """An option that people choose: `name` in the API, `field` in SyncOptions, which has the
    default. A number has its bounds, both included."""

    name: str
    field: str
    label: str
    help: str = ""
    low: int = 0
    high: int = 0

    @property
    def default(self) -> Any:
        return getattr(SyncOptions, self.field)

    @property
    def is_number(self) -> bool:
        return self.high > 0

    @property
    def is_flag(self) -> bool:
        return isinstance(self.default, bool)

    @property
    def explanation(self) -> str:
        """The label and the help, where they stand in one line."""
        return f"{self.label}. {self.help}".strip()


OPTIONS = (
    Option("syncUsers", "sync_users", "People", "Names, addresses, bans."),
    Option(
        "syncPlans", "sync_plans", "Subscriptions",
        "By the same rules as webhooks: what was lost is caught up, nothing comes twice.",
    ),
    Option(
        "setCredits", "set_credits", "Set plan credits",
        "Of everybody whose active subscription this sync finds at Clerk: what is left of their "
        "plan's credits becomes the plan's amount, until the period's end. Other credits stay.",
    ),
    Option(
        "overrideCredits", "override_credits", "To this many credits",
        "In place of the plan's. Empty: the plan's.", PLAN_CREDITS.low, PLAN_CREDITS.high,
    ),
    Option(
        "reason", "reason", "Reason",
        "People see it in their statement when their plan credits are set.",
    ),
    Option("pageSize", "page_size", "Rows a page", "", 1, PAGE),
    Option("maxPages", "max_pages", "Pages at most", "Empty: all.", 1, 10_000),
    Option("debug", "debug", "Debug", "Show why each row failed, not only which."),
    Option("dryRun", "dry_run", "Dry run", "Count what would change, and change nothing."),
)  # fmt: skip


def options_of(values: Mapping[str, Any]) -> SyncOptions:
    """The options from their names in the API; what is left out has its default."""
    given = {option.field: values[option.name] for option in OPTIONS if option.name in values}
    return SyncOptions(**given)


def contract_of(options: SyncOptions | Mapping[str, Any]) -> dict[str, Any]:
    """A job's options by their names in the API, without the reason, which is kept apart."""
    values = asdict(options) if isinstance(options, SyncOptions) else options
    return {o.name: values.get(o.field) for o in OPTIONS if o.name != "reason"}


def lacks_set_credits(options: SyncOptions) -> bool:
    """Whether a number of credits is given that nothing sets."""
    return options.override_credits is not None and not options.set_credits
