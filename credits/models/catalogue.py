"""What is sold and for how much: plans, prices, the models to choose from and their providers, and
every change of them."""

import os
import time
from functools import lru_cache
from typing import Any, Literal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import PROTECT, CheckConstraint, Index, Q
from django.db.models.functions import Now

from credits.features import ALL_FEATURES, EMBEDDING, FEATURES, TOKEN_FEATURES
from credits.models.users import User

#: Seconds for which a process may show a label that was changed elsewhere.
LABEL_SECONDS = 5
#: What a message may hold.
type Kind = Literal["text", "image", "file"]
FEATURE_CHOICES = [(key, feature.label) for key, feature in ALL_FEATURES.items()]


class Plan(models.Model):
    """A subscription plan as Clerk names it, and the credits a paid month of it brings."""

    clerk_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=150)
    credits = models.BigIntegerField(help_text="Credits per month.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            CheckConstraint(condition=Q(credits__gte=0), name="plan_credits_not_negative")
        ]

    def __str__(self) -> str:
        return self.name


class AdminSettings(models.Model):
    """The one row of prices that differ from the defaults: feature key → credits per unit.
    The database checks each value (constraint `feature_costs_valid`)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    feature_costs = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "admin settings"
        constraints = [CheckConstraint(condition=Q(id=1), name="admin_settings_one_row")]

    def __str__(self) -> str:
        return "prices"


class Provider(models.Model):
    """A server that answers calls in OpenAI's protocol. Its key is never stored: a row names the
    environment variable that holds it."""

    class Dialect(models.TextChoices):
        """What differs between servers, as far as calls must know it."""

        OPENAI = "openai", "OpenAI"
        COMPATIBLE = "compatible", "Compatible with OpenAI"
        MISTRAL = "mistral", "Mistral"
        #: Speaks the Messages API besides: `/v1/messages` passes it through.
        ANTHROPIC = "anthropic", "Anthropic"

    name = models.CharField(max_length=60, unique=True)
    #: `https://…/v1`; empty for the one that OPENAI_BASE_URL names.
    base_url = models.CharField(max_length=500, blank=True)
    #: The environment variable with the key; empty where none is needed.
    key_variable = models.CharField(max_length=100, blank=True)
    dialect = models.CharField(max_length=20, choices=Dialect)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """Where it answers: `https://…/v1`."""
        return self.base_url or str(settings.OPENAI_BASE_URL)

    @property
    def key(self) -> str:
        """Its key, from this process's environment; empty without one. Never shown."""
        return os.environ.get(self.key_variable, "")

    @property
    def key_is_set(self) -> bool:
        """Whether this process has a key for it."""
        return bool(self.key)


class CatalogueVersion(models.Model):
    """One row: what the catalogue is called until something of it changes (kept by the database).
    A process that has read the catalogue may use it as long as the version is the same."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.UUIDField()

    def __str__(self) -> str:
        return str(self.version)


class AIModel(models.Model):
    """A model that people choose from. Rows are retired, not deleted: receipts keep its label."""

    #: What the API, the journal and the jobs call it.
    name = models.CharField(max_length=120, unique=True)
    label = models.CharField(max_length=150)
    feature = models.CharField(max_length=40, choices=FEATURE_CHOICES)
    provider = models.ForeignKey(Provider, PROTECT, related_name="models")
    #: What the provider calls it.
    provider_model = models.CharField(max_length=200)
    #: What it reads besides text.
    reads_images = models.BooleanField(default=False)
    reads_files = models.BooleanField(default=False)
    uses_tools = models.BooleanField(default=False)
    reasons = models.BooleanField(default=False)
    #: Tokens of a call and its answer together, of an answer, and of reasoning before the answer;
    #: null: unknown, ANSWER_MAX_TOKENS.
    context_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    #: What bounds the tokens of a call before it is made (`ai_chat/providers/bounds.py`): the bytes
    #: of text that 100 tokens have at least, and the tokens that a picture and a page of a file
    #: have at most.
    bytes_per_hundred_tokens = models.PositiveIntegerField(default=100)
    image_tokens = models.PositiveIntegerField(default=1_700)
    tokens_per_page = models.PositiveIntegerField(default=3_000)
    #: With room for fewer tokens of an answer no call is made; null: LEAST_OUTPUT.
    output_least = models.PositiveIntegerField(null=True)
    #: Whether tokens are thought that never come: a call that is broken off is read to its end.
    hides_reasoning = models.BooleanField(default=False)
    #: The most images of one call, and the sizes (WIDTHxHEIGHT) that it makes; none: any size.
    images_per_call = models.PositiveSmallIntegerField(default=4)
    sizes = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    #: How many times the feature's price a unit costs.
    price_factor = models.PositiveSmallIntegerField(default=1)
    #: The least plan (by its credits a month) whose subscribers may use it; null: everybody.
    least_plan = models.ForeignKey(Plan, PROTECT, null=True, related_name="models")
    #: Takes over before the first piece of an answer when this model's provider is down.
    fallback = models.ForeignKey("self", PROTECT, null=True, related_name="stands_in_for")
    active = models.BooleanField(default=True)
    #: Its server, found on this machine at an earlier start, had it no longer or did not answer at
    #: the latest one: not offered until it does.
    unreachable = models.BooleanField(default=False)
    #: The order in which people see them; the first of a feature is taken unless another is named.
    position = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    #: What it costs now: its TokenPrice, or None and the credits of a unit; and whether the user at
    #: hand may use it. Of the queries that say so (`credits/catalogue/models.py`).
    token_price: Any
    cost: int | None
    usable: bool

    class Meta:
        ordering = ["feature", "position", "pk"]
        constraints = [
            CheckConstraint(
                condition=Q(price_factor__gte=1, price_factor__lte=999), name="model_price_factor"
            ),
            CheckConstraint(
                condition=Q(images_per_call__gte=1, images_per_call__lte=4),
                name="model_images_per_call",
            ),
            CheckConstraint(
                condition=Q(bytes_per_hundred_tokens__gte=1),
                name="model_bytes_per_hundred_tokens",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_offered(self) -> bool:
        """Whether calls may be made to it, whoever may choose it."""
        return self.active and not self.unreachable

    @property
    def is_embedding(self) -> bool:
        """Whether it answers with vectors: it has no output, and no cost but by tokens."""
        return self.feature == EMBEDDING

    @property
    def can_cost_tokens(self) -> bool:
        """Whether it can have a price by tokens."""
        return self.feature in TOKEN_FEATURES

    @property
    def has_price(self) -> bool:
        """Whether it costs something known: embeddings have no price until an admin sets one."""
        return self.token_price is not None or self.cost is not None

    @property
    def unit(self) -> str:
        """What its price is for."""
        return f"a{'n' * (FEATURES[self.feature].unit[0] in 'aeiou')} {FEATURES[self.feature].unit}"

    @property
    def reads(self) -> list[Kind]:
        """What it reads, as the API says it."""
        kinds: list[tuple[Kind, bool]] = [
            ("text", True),
            ("image", self.reads_images),
            ("file", self.reads_files),
        ]
        return [kind for kind, is_read in kinds if is_read]

    @property
    def plan_needed(self) -> str:
        """The name of the plan that the user at hand lacks for it; empty for none."""
        return "" if self.usable or not self.least_plan else self.least_plan.name

    def comes_with(self, plan: Plan) -> bool:
        """Whether subscribers of this plan may use it."""
        return self.least_plan is None or self.least_plan.credits <= plan.credits


def model_label(name: object) -> str:
    """What a model is called on this site; its name when the catalogue does not know it."""
    moment = int(time.monotonic() // LABEL_SECONDS)
    labels = _labels(moment, first=True)
    if name and name not in labels:
        labels = _labels(moment, first=False)  # It may be new: read again, once for all such names.
    return labels.get(str(name), str(name or ""))


@lru_cache(maxsize=2)
def _labels(moment: int, *, first: bool) -> dict[str, str]:
    return dict(AIModel.objects.values_list("name", "label"))


def forget_labels() -> None:
    """Lets this process read the labels again: called after they were changed here."""
    _labels.cache_clear()


class SettingsChange(models.Model):
    """One change of a price, plan, model, provider or pack: who, when, from, to. Append-only;
    prices per unit are numbers, the others objects, and null is what was not there (before) or is
    not any more (after)."""

    class Subject(models.TextChoices):
        PRICE = "price", "Price"
        PLAN = "plan", "Plan"
        MODEL = "model", "Model"
        PROVIDER = "provider", "Provider"
        PACK = "pack", "Pack"
        TOKEN_PRICE = "token_price", "Price by tokens"

    #: None when no person decided (an import, a webhook).
    actor = models.ForeignKey(User, PROTECT, null=True, related_name="settings_changes")
    #: What the actor was called then.
    actor_name = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=20, choices=Subject)
    #: The feature's key, the Clerk id or name that the plan or pack had before, or the name of the
    #: provider or of the model (also of its price by tokens).
    name = models.CharField(max_length=120)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [Index(fields=["subject", "name", "-id"], name="change_of_subject")]

    def __str__(self) -> str:
        return f"{self.name}: {self.before} → {self.after}"
