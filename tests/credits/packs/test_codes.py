"""How a code is written, typed and recognised."""

import re
import unicodedata

import pytest

from credits.packs.codes import ALPHABET, CodeMistyped, digest_of, new_code, normalised

CODE = "7K3QX-N0ABC-1DEFG-H2J4V"


def with_check(start: str) -> str:
    """The one code that begins so."""
    fitting = []
    for symbol in ALPHABET:
        try:
            fitting.append(normalised(start + symbol))
        except CodeMistyped:
            continue
    [code] = fitting
    return code


def test_it_is_random_in_groups_and_of_unmistakable_symbols() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    for code in codes:
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}", code)
        assert normalised(code) == code.replace("-", "")
    assert 32 ** (20 - 1) > 2**80
    # Every symbol stands at every place.
    for place in range(20):
        assert len({code.replace("-", "")[place] for code in codes}) == 32


def test_any_wrong_symbol_and_any_two_that_changed_places_are_noticed() -> None:
    code = new_code().replace("-", "")
    for place, right in enumerate(code):
        for wrong in set(ALPHABET) - {right}:
            with pytest.raises(CodeMistyped):
                normalised(code[:place] + wrong + code[place + 1 :])
        for other in range(place):
            symbols = list(code)
            symbols[place], symbols[other] = symbols[other], symbols[place]
            if "".join(symbols) != code:
                with pytest.raises(CodeMistyped):
                    normalised("".join(symbols))


ZERO_ONE = with_check("01BEHKMNPTXYACS2345")


@pytest.mark.parametrize(
    "typed",
    [
        ZERO_ONE.lower(),
        f"  {ZERO_ONE[:10]} {ZERO_ONE[10:]}\n",
        "–".join(ZERO_ONE[n : n + 5] for n in range(0, 20, 5)),
        "\u200b".join(ZERO_ONE),
        "_".join(ZERO_ONE) + ".",
        ZERO_ONE.replace("0", "O").replace("1", "l"),
        ZERO_ONE.replace("0", "o").replace("1", "I"),
        unicodedata.normalize("NFD", ZERO_ONE),
        "".join(chr(ord(c) + 0xFEE0) for c in ZERO_ONE),  # full-width
        ZERO_ONE.replace("B", "В").replace("E", "Е").replace("H", "Н").replace("K", "К"),
        ZERO_ONE.replace("M", "М").replace("P", "р").replace("T", "Т").replace("X", "х"),
        ZERO_ONE.replace("B", "Β").replace("E", "Ε").replace("H", "Η").replace("N", "Ν"),
        ZERO_ONE.replace("2345", "٢٣٤٥"),
    ],
)
def test_it_is_taken_as_people_type_it(typed: str) -> None:
    assert normalised(typed) == ZERO_ONE
    assert digest_of(typed) == digest_of(ZERO_ONE)


@pytest.mark.parametrize(
    "typed", ["", " ", "-", "0" * 19, "0" * 21, "U" * 20, "ß" * 10, "½" * 20, "😀" * 20, "\0" * 20,
              "0" * 100_000, f"{CODE} {CODE}", "' OR 1=1 --"],
)  # fmt: skip
def test_what_is_no_code_is_refused_at_once(typed: str) -> None:
    with pytest.raises(CodeMistyped):
        normalised(typed)
