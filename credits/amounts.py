"""Amounts of less than a credit: whole pico-credits (10^-12 credit), and how they are written.
Never floating-point numbers."""

from decimal import ROUND_HALF_UP, Decimal

#: Pico-credits of a credit.
PICO = 10**12


def as_decimal(pico: int) -> str:
    """Pico-credits as credits, exactly: `0.067500000000`. For JSON and CSV."""
    sign = "-" if pico < 0 else ""
    whole, fraction = divmod(abs(pico), PICO)
    return f"{sign}{whole}.{fraction:012d}"


def as_exact(pico: int) -> str:
    """Pico-credits as credits, exactly and without zeros at the end: `0.0675`, `12`."""
    return f"{Decimal(pico).scaleb(-12).normalize():f}" if pico % PICO else str(pico // PICO)


def as_exact_words(pico: int) -> str:
    """The same as people read it, its thousands apart: `1,234.5`."""
    return f"{Decimal(as_exact(pico)):,f}"


def in_pico(credits: str) -> int:
    """Credits as `as_exact` writes them (ASCII digits, at most 12 decimals), in pico-credits."""
    return int(Decimal(credits).scaleb(12))


def as_words(pico: int) -> str:
    """Pico-credits as people read them, in credits: two figures that count, `0.068`, `12`,
    `3.4`; never 0 for what is more than nothing."""
    credits = Decimal(pico).scaleb(-12)
    if credits >= 100:
        return f"{credits.quantize(Decimal(1), ROUND_HALF_UP):,}"
    shown = credits.quantize(Decimal(1).scaleb(min(0, credits.adjusted()) - 1), ROUND_HALF_UP)
    return f"{shown.normalize():f}" if pico else "0"


def with_unit(number: str) -> str:
    """A number of credits, in words already, with its unit: `1 credit`, `0.93 credits`."""
    return f"{number} credit{'' if number == '1' else 's'}"
