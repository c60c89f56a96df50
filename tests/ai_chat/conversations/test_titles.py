"""Titles by the rule, as a table of examples, and what is left of what a model writes for one."""

import pytest

from ai_chat.titles import TITLE_CHARACTERS, cleaned_title, title_of

CODE = "```python\nfor x in y:\n    print(x)\n```"
QUESTIONS = [
    ("Explain in three words why it is blue.", "Explain in three words why it is blue"),
    ("Why is the sky blue?", "Why is the sky blue?"),
    ("Hello! Can you please explain recursion to me?", "Explain recursion to me"),
    ("hi there, what is a monad? I never understood it.", "What is a monad?"),
    ("hi can you help me write a cover letter", "Help me write a cover letter"),
    ("Hello world in Rust", "Hello world in Rust"),
    ("Hey Jude lyrics", "Hey Jude lyrics"),
    ("Hi-fi systems of the 1970s", "Hi-fi systems of the 1970s"),
    ("Can you swim?", "Can you swim?"),
    ("Good morning. Please translate this: Guten Tag …", "Translate this: Guten Tag …"),
    ("Quick question. Is 3.5 larger than 3.14?", "Quick question"),
    ("Yes. No. Maybe?", "No. Maybe?"),
    ("Compare Dr. Strange with e.g. Thor. Then rate them.", "Compare Dr. Strange with e.g. Thor"),
    (f"{CODE}\nWhy does this fail?", "Why does this fail?"),
    (f"What does this print?\n{CODE}", "What does this print?"),
    ("> He said so.\n> Really.\n\nIs this quotation right?", "Is this quotation right?"),
    ("# Plan\n\nWrite a *short* **plan** for `make`", "Plan Write a short plan for make"),
    ("1. Summarise [this page](https://example.com/a?b=c)", "Summarise this page"),
    ("What is https://www.example.com/very/long?x=1 about", "What is example.com about"),
    ("“To be or not to be”", "To be or not to be"),
    ("Keep snake_case_names and __init__ in mind", "Keep snake_case_names and init in mind"),
    ("Tell me everything that there is to know about the history of the abacus and its use",
     "Tell me everything that there is to know about the history…"),
    ("Erkläre mir bitte den Unterschied zwischen „das“ und „dass“.",
     "Erkläre mir bitte den Unterschied zwischen „das“ und „dass“"),
    ("Hallo! Was ist Schadenfreude?", "Was ist Schadenfreude?"),
    ("你好，请解释一下为什么天空是蓝色的。谢谢！", "请解释一下为什么天空是蓝色的"),
    ("空は" * 60, "空は" * 29 + "空…"),
    ("مرحبا، لماذا السماء زرقاء؟ شكرا", "لماذا السماء زرقاء؟"),
    ("\u202eevil\u202c title of \u2066this\u2069", "evil title of this"),
    ("🎉🎉🎉", "🎉🎉🎉"),
    ("👨‍👩‍👧‍👦" * 20, "👨‍👩‍👧‍👦" * 8 + "…"),
    ("\u200b\ufeff  spaced\x00 out\r\nwords ", "spaced out words"),
    ("Attached:\n- report.pdf (application/pdf)", "Attached: report.pdf (application/pdf)"),
]  # fmt: skip
ANSWERS = [
    ("Hello!", "Hi! How can I help you today?", "How can I help you today?"),
    (CODE, "Sure!\n\n## A loop over `y`\n\nIt prints…", "A loop over y"),
    (CODE, "This loop prints each x. It is simple.", "This loop prints each x"),
    ("Hi", "", "Hi"),
    ("Why?", "Because.", "Why?"),
    ("> quoted", "", "> quoted"),
]
WRITTEN = [
    ("Blue Sky Explained", "Blue Sky Explained"),
    ('"Blue Sky Explained."\n\nI chose it because', "Blue Sky Explained"),
    ("\n\n**Title:** Blue sky", "Blue sky"),
    ("Titel: Blauer Himmel", "Blauer Himmel"),
    ("# Heading\nrest", "Heading"),
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("\u202eevil", "evil"),
    ("\u200b \n ", ""),
    ("", ""),
    ("word " * 1000, "word " * 11 + "word…"),
    ("a" * 9000, "a" * 59 + "…"),
]


@pytest.mark.parametrize(("question", "title"), QUESTIONS)
def test_a_title_is_what_the_question_asks(question: str, title: str) -> None:
    assert title_of(question) == title
    assert len(title) <= TITLE_CHARACTERS


@pytest.mark.parametrize(("question", "answer", "title"), ANSWERS)
def test_where_the_question_says_nothing_the_answer_does(
    question: str, answer: str, title: str
) -> None:
    assert title_of(question, answer) == title


@pytest.mark.parametrize(("written", "title"), WRITTEN)
def test_what_a_model_writes_for_a_title_is_one_line_of_plain_text(
    written: str, title: str
) -> None:
    assert cleaned_title(written) == title


@pytest.mark.parametrize("text", ["[" * 8000, "*a" * 4000, "_" * 8000, "hi, " * 2000, "\n" * 8000])
def test_long_texts_are_read_once(text: str) -> None:
    assert len(title_of(text)) <= TITLE_CHARACTERS
