"""Prices by tokens, and what calls used of them. Amounts of one use are whole pico-credits
(10^-12 credit): a price of p micro-credits per 1,000,000 tokens is p pico-credits for a token, so
that a cost is a sum of products of whole numbers. The rules are in `credits/sql/tokens.sql`."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, Index, Q
from django.db.models.functions import Now

from credits.amounts import PICO, as_exact_words, as_words, with_unit
from credits.features import OperationType
from credits.models.catalogue import AIModel
from credits.models.ledger import UsageHistory
from credits.models.users import Account, User

#: The kinds of tokens that have a price each.
BUCKETS = ("input", "cached", "cache_write", "output", "reasoning")
#: The columns of a price, and of what the provider asks.
ASKED = tuple(f"provider_{name}" for name in (*BUCKETS, "request"))
PRICE_COLUMNS = (*BUCKETS, "request", *ASKED)
#: The highest price: 0.1 credit for a token.
MAX_TOKEN_PRICE = PICO // 10
#: Tokens that a price is written for.
PER = 1_000_000
#: Tokens of 500 words of English: what examples of a price count.
EXAMPLE_TOKENS = 700


def _price() -> "models.BigIntegerField[int | None, int | None]":
    return models.BigIntegerField(null=True)


class TokenPrice(models.Model):
    """What tokens of a model cost from `valid_from` until the next price of it: whole micro-credits
    per 1,000,000 tokens. Append-only (I8). All buckets null: no price by tokens from then on, the
    model costs its feature's price per message."""

    model = models.ForeignKey(AIModel, PROTECT, related_name="token_prices", db_index=False)
    valid_from = models.DateTimeField()
    #: Tokens that were read: the rest, those from a cache, those written to one.
    input, cached, cache_write = _price(), _price(), _price()
    #: Tokens that were written: the rest, and what the model thought before.
    output, reasoning = _price(), _price()
    #: Micro-credits of a request, whatever it uses, times 1,000,000: pico-credits.
    request = models.BigIntegerField(default=0)
    #: The most input tokens of a call that this price holds for; null: any number.
    max_input = models.BigIntegerField(null=True)
    #: What the provider asks, in the same units; null where nobody has entered it.
    provider_input, provider_cached, provider_cache_write = _price(), _price(), _price()
    provider_output, provider_reasoning, provider_request = _price(), _price(), _price()
    created_by = models.ForeignKey(User, PROTECT, null=True, related_name="+", db_index=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(**{f"{bucket}__isnull": True for bucket in BUCKETS}, request=0)
                | Q(
                    **{f"{bucket}__isnull": False for bucket in BUCKETS},
                    **{f"{bucket}__range": (0, MAX_TOKEN_PRICE) for bucket in BUCKETS},
                    request__range=(0, MAX_TOKEN_PRICE * 1000),
                ),
                name="i8_price_whole",
            ),
            CheckConstraint(
                condition=Q(**{f"{name}__isnull": True for name in ASKED})
                | Q(
                    **{f"{name}__isnull": False for name in ASKED},
                    **{f"{name}__gte": 0 for name in ASKED},
                    **{f"provider_{bucket}__lte": MAX_TOKEN_PRICE for bucket in BUCKETS},
                ),
                name="provider_price_whole",
            ),
            CheckConstraint(
                condition=Q(max_input__isnull=True) | Q(max_input__gte=1), name="price_max_input"
            ),
        ]
        indexes = [Index(fields=["model", "-valid_from", "-id"], name="price_in_force")]

    def __str__(self) -> str:
        return f"price {self.pk} of model {self.model_id}"

    @property
    def is_by_tokens(self) -> bool:
        """Whether it has prices at all."""
        return self.input is not None

    @property
    def words(self) -> str:
        """What people read of it: `0.25 in, 2 out per 1M tokens`, in credits; of embeddings
        `0.25 in per 1M tokens`."""
        out = f", {self.words_of(self.output)} out" if self.output or self.reasoning else ""
        return f"{self.words_of(self.input)} in{out} per 1M tokens"

    @staticmethod
    def words_of(price: int | None) -> str:
        """Credits per 1,000,000 tokens of one of its prices, exactly."""
        return as_exact_words((price or 0) * PER)

    @property
    def in_words(self) -> dict[str, str]:
        """The same of each kind of tokens, and credits of a request; by the columns' names."""
        buckets = {bucket: self.words_of(getattr(self, bucket)) for bucket in BUCKETS}
        return {**buckets, "request": as_exact_words(self.request)}

    @property
    def example(self) -> str:
        """What a question of 500 words and an answer of as many cost, in credits, in words."""
        return as_words(EXAMPLE_TOKENS * ((self.input or 0) + (self.output or 0)) + self.request)

    def about(self, tokens: Any) -> int:
        """Pico-credits of a use so far (`credits.uses.Tokens`), for people to read while it goes
        on. What it costs in the end, `credits_cost` says."""
        parts = {name: getattr(tokens, name) for name in BUCKETS}
        parts["input"] -= parts["cached"] + parts["cache_write"]
        parts["output"] -= parts["reasoning"]
        costs = (count * (getattr(self, name) or 0) for name, count in parts.items())
        total: int = sum(costs, start=self.request)
        return total


class Use(models.Model):
    """What came of a charge by tokens (I8, I9): written once, when its hold ends. `cost`,
    `collected`, `kept` and `ahead` are computed by the database, from the price that the charge
    names."""

    class Source(models.TextChoices):
        """Whose count it is."""

        PROVIDER = "provider", "counted by the provider"
        COUNTED = "counted", "counted here"
        ESTIMATED = "estimated", "estimated in your favour"
        NONE = "none", "nothing used"

    charge = models.OneToOneField(
        UsageHistory, PROTECT, primary_key=True, related_name="use", db_constraint=False
    )
    account = models.ForeignKey(
        Account, PROTECT, related_name="uses", db_index=False, db_constraint=False
    )
    #: Tokens: all that were read, of which cached and written to a cache; all that were written, of
    #: which reasoning.
    input = models.BigIntegerField()
    cached = models.BigIntegerField()
    cache_write = models.BigIntegerField()
    output = models.BigIntegerField()
    reasoning = models.BigIntegerField()
    source = models.CharField(max_length=10, choices=Source)
    #: Pico-credits: tokens times price; of that what the charge's bound let us collect.
    cost = models.DecimalField(max_digits=24, decimal_places=0, default=0)
    collected = models.DecimalField(max_digits=24, decimal_places=0, default=0)
    #: Whole credits of the charge that stayed; the rest came back.
    kept = models.BigIntegerField(default=0)
    #: Pico-credits that the account had paid ahead after it.
    ahead = models.DecimalField(max_digits=13, decimal_places=0, db_default=0)
    #: Pico-credits that the provider asks for it; null where its price is not known.
    provider_cost = models.DecimalField(max_digits=24, decimal_places=0, null=True)
    #: What is odd about the counts (`ai_chat.providers.usage.Flag`).
    flags = ArrayField(models.CharField(max_length=40), db_default=[])
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(cached__gte=0, cache_write__gte=0, reasoning__gte=0)
                & Q(input__gte=F("cached") + F("cache_write"), output__gte=F("reasoning")),
                name="i8_tokens_fit",
            ),
            CheckConstraint(
                condition=Q(collected__gte=0, collected__lte=F("cost"), kept__gte=0),
                name="i9_use_within_reserve",
            ),
        ]
        indexes = [
            # With what the uses of an account add up to, so that its sum is read from the index.
            Index(
                fields=["account", "-charge"], include=["kept", "collected"], name="uses_of_account"
            ),
            # Costs a use next to nothing, as in the journal.
            BrinIndex(
                fields=["created_at"], pages_per_range=32, autosummarize=True, name="uses_by_time"
            ),
            # The operator's loss: rare.
            Index(
                fields=["created_at"],
                condition=Q(cost__gt=F("collected")),
                name="uses_uncollected",
            ),
        ]

    def __str__(self) -> str:
        return f"use of charge {self.charge_id}"

    @property
    def tokens(self) -> str:
        """The tokens in words: `1,200 tokens in (1,000 from cache), 300 out (20 thinking)`; of
        embeddings, which have no output, `1,200 tokens in`."""
        read = [(self.cached, "from cache"), (self.cache_write, "to cache")]
        written = [(self.reasoning, "thinking")]
        plural = "s" if self.input != 1 else ""
        words = [f"{self.input:,} token{plural} in{_of_which(read)}"]
        if self.charge.operation_type != OperationType.AI_EMBEDDING:
            words.append(f"{self.output:,} out{_of_which(written)}")
        return ", ".join(words)

    @property
    def paid(self) -> str:
        """What it cost the account, in credits, exactly; never more than was reserved."""
        return with_unit(as_exact_words(int(self.collected)))

    @property
    def taken(self) -> str:
        """How that was paid: `took 1 credit, 0.93 paid ahead`."""
        taken = f"took {with_unit(f'{self.kept:,}')}"
        return ", ".join(filter(None, [taken, self.paid_ahead]))

    @property
    def detail(self) -> str:
        """What the line of its charge says besides: tokens, whose count they are, what was reserved
        and kept, and the price; nothing where nothing was used."""
        if self.source == self.Source.NONE:
            return ""
        count = "" if self.source == self.Source.PROVIDER else self.get_source_display()
        reserved = f"{self.charge.credits_used:,} reserved, {self.kept:,} kept"
        price = f"price {self.charge.price_id}"
        return " · ".join(filter(None, [self.tokens, count, reserved, self.paid_ahead, price]))

    @property
    def paid_ahead(self) -> str:
        """What was paid ahead after it: `0.93 paid ahead`, or nothing."""
        return f"{as_words(int(self.ahead))} paid ahead" if self.ahead else ""


def _of_which(parts: list[tuple[int, str]]) -> str:
    shown = ", ".join(f"{count:,} {name}" for count, name in parts if count)
    return f" ({shown})" if shown else ""


class PaidAhead(models.Model):
    """The part of a credit that an account has paid for and not used yet, in pico-credits (I10):
    its next use takes from it first. It does not expire."""

    account = models.OneToOneField(Account, PROTECT, primary_key=True, related_name="paid_ahead")
    pico = models.DecimalField(max_digits=13, decimal_places=0, default=0)

    class Meta:
        verbose_name_plural = "paid ahead"
        constraints = [
            CheckConstraint(
                condition=Q(pico__gte=0, pico__lt=PICO), name="i10_paid_ahead_below_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pico} pico-credits"
