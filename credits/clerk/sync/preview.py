"""What a dry run remembers: each row is taken back before the next, so what would have been stored
is kept here. Grows with what has drifted, not with what there is."""

from credits.clerk.billing import grant_counter, subscriptions
from credits.clerk.billing.projection import ItemState, merge_item
from credits.clerk.models import SubscriptionItem
from credits.clerk.parsing import ItemVersion, Payer


class Preview:
    """The items that a sync would change."""

    def __init__(self) -> None:
        self._states: dict[str, ItemState] = {}
        self._versions: dict[str, list[tuple[ItemVersion, Payer]]] = {}

    def knows(self, version: ItemVersion) -> bool:
        """Whether a real run would have stored this version by now."""
        state = self._states.get(version.item_id)
        return state is not None and merge_item(state, version) == state

    def note(self, item: SubscriptionItem | None, version: ItemVersion, payer: Payer) -> None:
        """A version that a real run would store here."""
        stored = subscriptions.state_of(item) if item else ItemState()
        state = self._states.get(version.item_id, stored)
        self._states[version.item_id] = merge_item(state, version)
        self._versions.setdefault(version.payer, []).append((version, payer))

    def payers(self) -> set[str]:
        """Users some of whose items would change."""
        return {payer for payer in self._versions if payer.startswith("user:")}

    def apply(self, payer: str) -> None:
        """Stores what a real run would have stored of this payer: for a transaction that is taken
        back."""
        with grant_counter.granted():  # Counted when it was met.
            for version, who in self._versions.get(payer, []):
                subscriptions.apply_item(version, who)
