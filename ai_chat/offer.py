"""What a button offers: the price of the next message or images, and whether it can be paid."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from ai_chat.attachments.sending import has_pictures, refusal_of
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import MAX_TURNS, Context, FilesOfCall, history
from ai_chat.conversations.quotes import MessageQuote, quote_messages
from credits.amounts import PICO, as_words
from credits.catalogue.models import offered_models
from credits.exceptions import InsufficientCredits, LimitReached
from credits.features import TEXT
from credits.ledger import Balance, get_balance
from credits.limit_states import LimitState, limit_state
from credits.models import AIModel


@dataclass(frozen=True)
class Offer:
    """`quantity` units from one of the `models` to choose from, for a user with this `balance`.
    `model` is None where none is offered; `quote` is there where it is priced by tokens."""

    model: AIModel | None
    quantity: int
    balance: Balance
    models: list[AIModel] = field(default_factory=list)
    quote: MessageQuote | None = None
    #: Why the model is not sent the files of the message; empty where it is.
    unread: str = ""
    #: Whether it is sent only the beginning of some of them.
    is_shortened: bool = False
    #: Whether there are earlier pictures, of which it is told the names.
    hides_pictures: bool = False
    #: What the model would be sent, in a conversation that has begun, or where tokens have a price.
    context: Context | None = None

    @property
    def available(self) -> int:
        """The user's credits."""
        return self.balance.remaining

    @property
    def cost(self) -> int:
        """Credits; of a call by tokens those that it reserves, or needs at least."""
        if self.quote:
            return self.quote.credits
        return (self.model.cost or 0) * self.quantity if self.model else 0

    @property
    def price_id(self) -> int | None:
        """The price by tokens."""
        return self.quote.price_id if self.quote else None

    @property
    def plan(self) -> str:
        """The name of the plan that the user lacks for it."""
        return self.model.plan_needed if self.model else ""

    @property
    def affordable(self) -> bool:
        if self.quote:
            return not isinstance(self.quote.refusal, InsufficientCredits)
        return self.available >= self.cost

    @property
    def is_limited(self) -> bool:
        """Whether a limit keeps its user from it."""
        if self.quote:
            return isinstance(self.quote.refusal, LimitReached)
        return self.balance.room is not None and self.balance.room < self.cost * PICO

    @cached_property
    def limit(self) -> LimitState | None:
        """That limit; asked for only by a button that is off."""
        refusal = self.quote.refusal if self.quote else None
        if isinstance(refusal, LimitReached):
            state: LimitState = refusal.limit
            return state
        return limit_state(self.balance.limit_id)

    @property
    def refusal(self) -> str:
        """Why it would be refused though no credits lack; empty if it would not be."""
        if self.unread:
            return self.unread
        is_known = not self.affordable or self.is_limited
        refusal = None if is_known or not self.quote else self.quote.refusal
        return str(refusal or "")

    @property
    def likely(self) -> str:
        """What it usually costs the user, in credits; empty while that is not known."""
        likely = self.quote.likely if self.quote else None
        return "" if likely is None else as_words(likely)

    @cached_property
    def words_granted(self) -> int:
        """About how many words the answer can have where that is less than the model could write;
        0 where it is not."""
        return self.quote.words_granted if self.quote else 0

    @cached_property
    def limited_by(self) -> str:
        """The limit because of which it is no more; empty: the balance."""
        limit = self.quote.limit if self.quote else None
        return f"the limit of {limit.limit}" if limit else ""

    @property
    def takes_orders(self) -> bool:
        """Whether the button does anything."""
        is_off = self.plan or self.is_limited or self.refusal
        return self.affordable and bool(self.model) and not is_off

    @property
    def more_than(self) -> bool:
        """Whether the conversation may have more messages than the model's context counts."""
        return bool(self.context and self.context.of >= MAX_TURNS)

    @property
    def token(self) -> str:
        """Changes whenever the button, or the sizes beside it, would look different: what is
        unchanged is not sent again."""
        if not self.model:
            return "none"
        state = "ok" if self.takes_orders else f"{self.available}{'p' * bool(self.plan)}"
        if self.is_limited and self.limit:
            state += f"l{self.limit.limit.pk}-{self.limit.left}"
        if self.context:
            state += f".{self.context.known}-{self.context.of}-{self.context.percent}"
        by_tokens = f"{self.price_id}.{self.likely}.{self.words_granted}"
        detail = by_tokens if self.quote else ",".join(self.model.sizes)
        notes = f"{len(self.refusal)}{'s' * self.is_shortened}{'h' * self.hides_pictures}"
        return f"{self.cost}x{self.quantity}.{state}.{detail}.{notes}"


def get_offer(
    *,
    user_id: int,
    model: str = "",
    feature: str = TEXT,
    quantity: int = 1,
    draft: Draft | None = None,
    balance: Balance | None = None,
) -> Offer:
    """The price of the next message, a `draft` as far as it is written, or that of `quantity`
    images; a model that the user cannot choose is taken for the first one that can be chosen. The
    `balance` is read where it is not given."""
    models = offered_models(feature, user_id=user_id)
    chosen = min(
        models, key=lambda each: (bool(each.plan_needed), each.name != model), default=None
    )
    offer = Offer(chosen, quantity, balance or get_balance(user_id=user_id), models)
    if chosen is None or feature != TEXT:
        return offer
    written = draft or Draft(user_id=user_id, text="")
    if chosen.token_price or written.place.conversation:
        offer = replace(offer, context=history(written, chosen, only_sizes=True))
    if offer.context and chosen.token_price:
        messages = offer.context.messages
        quote = quote_messages(messages, user_id=user_id, model=chosen, balance=offer.balance)
        offer = replace(offer, quote=quote)
    return replace(
        offer,
        unread=refusal_of(written.attachments, chosen),
        is_shortened=FilesOfCall(written, chosen).is_shortened,
        hides_pictures=not chosen.reads_images and has_pictures(written.place.conversation),
    )
