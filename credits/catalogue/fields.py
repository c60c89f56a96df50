"""The rule of each field of a price, plan, model, provider, pack, limit and API key, written once:
forms, the API, imports and the services ask it, and answer with its sentence."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from config.text import is_blank
from credits.features import ALL_FEATURES, MAX_FEATURE_COST
from credits.models import ApiKey, Limit, Provider
from credits.models.limits import MAX_LIMIT
from credits.models.packs import MAX_CODES, MAX_WORTH


@dataclass(frozen=True)
class WholeNumber:
    """A whole number of credits from `low` to `high`. A bool, a fraction and a string of digits are
    none."""

    low: int
    high: int

    @property
    def range(self) -> str:
        """Which numbers, for a sentence."""
        return f"a whole number from {self.low:,} to {self.high:,}"

    @property
    def sentence(self) -> str:
        return f"Must be {self.range}."

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def accepts(self, value: object) -> TypeGuard[int]:
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class CreditsText:
    """Credits as text, exactly: ASCII digits with at most so many `decimals`, from 0 to
    10 ** `exponent`. A number of JSON is none: it may be a floating-point number on its way."""

    exponent: int
    decimals: int

    @property
    def sentence(self) -> str:
        return (
            f"Must be credits from 0 to {10**self.exponent:,} in digits, as 0.25, with at most "
            f"{self.decimals} decimals."
        )

    @property
    def pattern(self) -> str:
        below = rf"[0-9]{{1,{self.exponent}}}(\.[0-9]{{1,{self.decimals}}})?"
        return rf"({below}|{10**self.exponent}(\.0{{1,{self.decimals}}})?)"

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.pattern}$"}

    def accepts(self, value: object) -> TypeGuard[str]:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True)
class Moment:
    """A date and time with its offset from UTC, as RFC 3339 has them, of this century."""

    sentence = "Must be a date and time of this century with its offset, as 2026-12-01T00:00:00Z."
    _PATTERN = (
        "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
        "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    )
    schema = {"type": "string", "format": "date-time", "pattern": f"^{_PATTERN}$"}

    def accepts(self, value: object) -> TypeGuard[str]:
        if not isinstance(value, str) or not re.fullmatch(self._PATTERN, value):
            return False
        try:
            datetime.fromisoformat(value)
        except ValueError:  # the 30th of February
            return False
        return True


@dataclass(frozen=True)
class Text:
    """A string of at most `longest` characters that `pattern` matches as a whole, and in which
    something can be seen."""

    pattern: str
    longest: int
    sentence: str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.pattern}$", "maxLength": self.longest}

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str) or len(value) > self.longest:
            return False
        return re.fullmatch(self.pattern, value) is not None and not is_blank(value)


class Flag:
    """True or false; no number and no string."""

    sentence = "Must be true or false."
    schema = {"type": "boolean"}

    def accepts(self, value: object) -> bool:
        return type(value) is bool


@dataclass(frozen=True)
class OneOf:
    """One of these strings."""

    options: Collection[str]

    @property
    def sentence(self) -> str:
        return f"Must be one of {', '.join(self.options)}."

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.options


@dataclass(frozen=True)
class ListOf:
    """`least` to `most` values of a rule, none of them twice, `needed` among them."""

    rule: "Rule"
    most: int
    sentence: str
    needed: Collection[str] = ()
    least: int = 0

    @property
    def schema(self) -> dict[str, Any]:
        items = {"type": "array", "items": self.rule.schema, "maxItems": self.most}
        return {**items, "minItems": self.least, "uniqueItems": True}

    def accepts(self, value: object) -> bool:
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            return False
        fits = all(self.rule.accepts(item) for item in value) and set(self.needed) <= set(value)
        return fits and len(set(value)) == len(value)


@dataclass(frozen=True)
class OrNull:
    """What a rule accepts, or null."""

    rule: "Rule"

    @property
    def sentence(self) -> str:
        return f"{self.rule.sentence.removesuffix('.')}, or null."

    @property
    def schema(self) -> dict[str, Any]:
        return {**self.rule.schema, "nullable": True}

    def accepts(self, value: object) -> bool:
        return value is None or self.rule.accepts(value)


@dataclass(frozen=True)
class OrEmpty:
    """What a rule accepts, or an empty string."""

    rule: "Rule"

    @property
    def sentence(self) -> str:
        return f"{self.rule.sentence.removesuffix('.')}, or empty."

    @property
    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self.rule.schema, {"type": "string", "maxLength": 0}]}

    def accepts(self, value: object) -> bool:
        return value == "" or self.rule.accepts(value)


@dataclass(frozen=True)
class Address:
    """The address of an API. Neither credentials nor a query: they would be shown and logged."""

    longest: int
    sentence: str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.longest}

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str) or not re.fullmatch(rf"[!-~]{{1,{self.longest}}}", value):
            return False
        try:
            parts = urlsplit(value)
            complete = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:  # a port that is no number, a bracket that is not closed
            return False
        return bool(complete) and not set("@?#\\") & set(value)


#: Which values a field takes. `sentence` is the answer to all others, `schema` the same in JSON
#: Schema.
type Rule = (
    WholeNumber | CreditsText | Moment | Text | Flag | OneOf | ListOf | OrNull | OrEmpty | Address
)

#: Control characters, what ends a line, and what turns the letters after it around.
_UNFIT = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_LINE = rf"[^{_UNFIT}]*[^ {_UNFIT}][^{_UNFIT}]*"


def one_line(longest: int, opening: str = "Must be") -> Text:
    """The rule of text that is not blank, and reads as it was written: on one line."""
    return Text(_LINE, longest, f"{opening} 1 to {longest} characters on one line.")


COST = WholeNumber(0, MAX_FEATURE_COST)
PLAN_ID = Text(
    "cplan_[A-Za-z0-9_]{1,58}", 64, "Must be cplan_ and 1 to 58 letters, digits or underscores."
)
PLAN_NAME = one_line(150)
#: A month's credits.
PLAN_CREDITS = WholeNumber(0, 1_000_000_000)
PLAN_ACTIVE = Flag()
#: By the names that JSON and the history have for a plan's fields.
PLAN_FIELDS: Mapping[str, Rule] = {
    "clerkId": PLAN_ID,
    "name": PLAN_NAME,
    "credits": PLAN_CREDITS,
    "active": PLAN_ACTIVE,
}

#: What a model is called here: it stands in journals, receipts and addresses, and never changes.
MODEL_ID = Text(
    "[A-Za-z0-9._:/@+-]{1,120}", 120, "Must be 1 to 120 letters, digits or any of . _ : / @ + -"
)
MODEL_LABEL = one_line(150)
PROVIDER_MODEL = one_line(200)
#: Tokens of a call, and of an answer.
TOKENS = WholeNumber(1, 10_000_000)
REASONING_TOKENS = WholeNumber(0, 1_000_000)
#: Hundredths of a byte: below 100 for tokenizers with tokens that stand for no byte of the text.
BYTES_PER_HUNDRED_TOKENS = WholeNumber(25, 1_000)
#: Of a picture, and of a page.
PART_TOKENS = WholeNumber(0, 1_000_000)
IMAGES_PER_CALL = WholeNumber(1, 4)
PRICE_FACTOR = WholeNumber(1, 999)
POSITION = WholeNumber(0, 9999)
SIZE = Text("[1-9][0-9]{1,3}x[1-9][0-9]{1,3}", 9, "Must be WIDTHxHEIGHT, in pixels.")
SIZES = ListOf(SIZE, 20, "Must be at most 20 sizes as WIDTHxHEIGHT, in pixels, each once.")
PROVIDER_NAME = one_line(60)
#: Nothing but keys: an admin cannot have other secrets of the environment sent anywhere.
KEY_VARIABLE = Text(
    "[A-Z][A-Z0-9_]*_API_KEY", 100, "Must be capitals, digits and underscores that end in _API_KEY."
)
BASE_URL = Address(500, "Must be an http or https address without credentials, query or fragment.")
#: By the names that JSON and the history have for a model's fields.
MODEL_FIELDS: Mapping[str, Rule] = {
    "id": MODEL_ID,
    "label": MODEL_LABEL,
    "feature": OneOf(ALL_FEATURES),
    "provider": PROVIDER_NAME,
    "providerModel": PROVIDER_MODEL,
    "reads": ListOf(
        OneOf(("text", "image", "file")),
        3,
        "Must be text, and image or file, each once.",
        ("text",),
    ),
    "tools": Flag(),
    "reasoning": Flag(),
    "contextTokens": OrNull(TOKENS),
    "outputTokens": OrNull(TOKENS),
    "reasoningTokens": REASONING_TOKENS,
    "hidesReasoning": Flag(),
    "bytesPerHundredTokens": BYTES_PER_HUNDRED_TOKENS,
    "imageTokens": PART_TOKENS,
    "tokensPerPage": PART_TOKENS,
    "outputLeast": OrNull(TOKENS),
    "imagesPerCall": IMAGES_PER_CALL,
    "sizes": SIZES,
    "priceFactor": PRICE_FACTOR,
    "leastPlan": OrNull(PLAN_ID),
    "fallback": OrNull(MODEL_ID),
    "active": Flag(),
    "position": POSITION,
}
#: Credits per 1,000,000 tokens (whole micro-credits), and per request (whole pico-credits).
TOKEN_PRICE = CreditsText(5, 6)
REQUEST_PRICE = CreditsText(2, 12)
_ASKED: Mapping[str, Rule] = {
    "input": TOKEN_PRICE,
    "cached": TOKEN_PRICE,
    "cacheWrite": TOKEN_PRICE,
    "output": TOKEN_PRICE,
    "reasoning": TOKEN_PRICE,
    "request": REQUEST_PRICE,
}
#: By the names that JSON and the history have for a price by tokens, and for what the provider
#: asks; `input` and `output` are needed.
TOKEN_PRICE_FIELDS: Mapping[str, Rule] = {**_ASKED, "maxInput": OrNull(TOKENS)}
PROVIDER_PRICE_FIELDS = _ASKED
#: From when on a price holds.
VALID_FROM = Moment()
#: The same of a provider.
PROVIDER_FIELDS: Mapping[str, Rule] = {
    "name": PROVIDER_NAME,
    "baseUrl": OrEmpty(BASE_URL),
    "keyVariable": OrEmpty(KEY_VARIABLE),
    "dialect": OneOf(Provider.Dialect.values),
}

#: Of packs: what people read, credits of one, how many are given at once, and its price in words.
PACK_NAME = one_line(100)
PACK_CREDITS = WholeNumber(1, MAX_WORTH)
PACK_PRICE = OrEmpty(one_line(60))
PACK_QUANTITY = WholeNumber(1, 1_000)
#: By the names that JSON and the history have for a pack's fields.
PACK_FIELDS: Mapping[str, Rule] = {
    "name": PACK_NAME,
    "credits": PACK_CREDITS,
    "price": PACK_PRICE,
    "active": Flag(),
    "position": POSITION,
}
#: What names a payment: an invoice's number, a provider's id of it; empty without one.
REFERENCE = OrEmpty(one_line(100))
#: Codes of a batch, and what the batch is for.
CODES = WholeNumber(1, MAX_CODES)
NOTE = OrEmpty(one_line(500))
#: A limit: the period, its credits, whether it refuses what would pass it, and the percentages at
#: which its account is told.
LIMIT_CREDITS = WholeNumber(0, MAX_LIMIT)
PERCENT = WholeNumber(1, 100)
LIMIT_FIELDS: Mapping[str, Rule] = {
    "period": OneOf(Limit.Period.values),
    "credits": LIMIT_CREDITS,
    "hard": Flag(),
    "alertAt": ListOf(PERCENT, 5, "Must be at most 5 whole numbers from 1 to 100, each once."),
}
#: An API key: its name, the models it may call (null: all), what it may be used for, its end, and
#: for how many days its secret works once another one was made.
KEY_NAME = one_line(100)
KEY_MODELS = OrNull(
    ListOf(MODEL_ID, 100, "Must be 1 to 100 ids of models, each once; null for all.", least=1)
)
KEY_SCOPES = ListOf(
    OneOf(ApiKey.Scope.values), 2, "Must be inference or usage:read, or both.", least=1
)
KEY_EXPIRES_AT = OrNull(Moment())
KEY_RATE = WholeNumber(1, 100_000)
KEY_OVERLAP_DAYS = WholeNumber(0, 7)
KEY_FIELDS: Mapping[str, Rule] = {
    "name": KEY_NAME,
    "models": KEY_MODELS,
    "scopes": KEY_SCOPES,
    "calls_per_minute": OrNull(KEY_RATE),
}


def problems_of(values: Mapping[str, object], fields: Mapping[str, Rule]) -> dict[str, str]:
    """What is wrong with these values: the sentence of each field that refuses."""
    return {
        name: rule.sentence
        for name, rule in fields.items()
        if name in values and not rule.accepts(values[name])
    }
