"""What words are, to those who search and to the database."""

from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_chat.conversations.words import WORD_CHARACTERS, spans_of, words_of
from credits.sql import fetch_all

SAMPLES = [
    ("Ça va? Ὀδυσσεύς", ["ca", "va", "οδυσσευσ"]),
    ("Straße, Ærø, Łódź", ["strasse", "aero", "lodz"]),
    ("report_2024-v1.pdf", ["report", "2024", "v1", "pdf"]),
    ("it's 'quoted' & | ! <-> :*", ["it", "s", "quoted"]),
    ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
    ("مُحَمَّد", ["محمد"]),
    ("Привет, МИР", ["привет", "мир"]),
    ("ﬁne ½ ²", ["fine", "1", "2", "2"]),
    ("good🎉news", ["good", "🎉", "news"]),
    ("שָׁלוֹם־עולם", ["שלום", "עולם"]),
    ("हिन्दी।", ["हिन्दी"]),
    ("한국어", ["한국어"]),
    ("a\u1680b\u3000c", ["a", "b", "c"]),
]
#: Of all planes, without what no text in PostgreSQL has.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0"))


@pytest.mark.parametrize(("text", "words"), SAMPLES)
def test_words_have_neither_accents_nor_case(text: str, words: list[str]) -> None:
    assert words_of(text) == [*map(_decomposed, words)]


def _decomposed(word: str) -> str:
    """Syllables of Hangul are compared by their letters."""
    return normalize("NFKD", word) if "\uac00" <= word[0] <= "\ud7a3" else word


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_the_database_has_the_same_words(db: None, text: str) -> None:
    (lexemes,) = fetch_all("SELECT tsvector_to_array(ai_chat_vector(7, %s))", [text])[0]
    assert lexemes == sorted({f"7 {word}" for word in words_of(text)}, key=str.encode)


@given(TEXTS)
def test_each_word_is_found_where_it_stands(text: str) -> None:
    spans = list(spans_of(text))
    assert [span.word for span in spans] == words_of(text)
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert span.word in words_of(text[span.start : span.end])


@pytest.mark.parametrize("text", ["x" * 500_000, "\ufdfa" * 100_000, "\U00020000" * 150_001])
def test_no_text_is_too_long_to_be_indexed(db: None, text: str) -> None:
    query = "SELECT length(ai_chat_vector(7, %s))"
    assert fetch_all(query, [text])[0][0] >= 1
    assert len(words_of("x" * 100)[0]) == WORD_CHARACTERS


def test_as_many_different_words_as_fit_are_indexed(db: None) -> None:
    text = " ".join(chr(0x20000 + number) for number in range(40_000))
    query = "SELECT length(ai_chat_vector(%s, %s))"
    assert fetch_all(query, [2**62, text])[0][0] > 10_000
