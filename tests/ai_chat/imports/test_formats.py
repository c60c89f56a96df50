"""What is made of the exports of ChatGPT and Claude."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ai_chat.imports import chats, formats
from ai_chat.imports.chats import NO_QUESTION, ImportedTurn, NotImported
from ai_chat.imports.formats import chat_of
from tests.ai_chat.imports.exports import chatgpt, claude, node


def tree(turns: list[ImportedTurn]) -> list[tuple[str, str | None, str, str]]:
    return [(each.id, each.parent, each.prompt, each.answer) for each in turns]


def test_answers_of_chatgpt_are_versions_and_its_path_is_shown() -> None:
    chat = chat_of(chatgpt())
    assert tree(chat.turns) == [
        ("a2", None, "Why is the sky blue?", "It scatters blue light."),
        ("a1", None, "Why is the sky blue?", "Because."),
        ("a3", "a2", "And at night?", "Then it is dark."),
    ]
    assert (chat.source, chat.title, chat.current) == ("ChatGPT", "The sky", "a3")
    assert chat.turns[0].model == "gpt-4o"
    assert chat.at == datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)
    assert chat.turns[0].ended_at == datetime(2023, 11, 14, 22, 13, 29, 500_000, UTC)


def test_an_edited_question_is_a_version_of_it() -> None:
    value = chatgpt()
    value["mapping"]["q1b"] = node("sys", "user", "Why is it red?")
    value["mapping"]["a1b"] = node("q1b", "assistant", "At sunset.")
    chat = chat_of(value)
    assert ("a1b", None, "Why is it red?", "At sunset.") in tree(chat.turns)


def test_parts_of_every_kind_of_chatgpt_become_text() -> None:
    value = chatgpt(
        mapping={
            "ctx": node(
                None,
                "user",
                content={
                    "content_type": "user_editable_context",
                    "user_profile": "I am Ann.",
                    "user_instructions": "Be brief.",
                },
            ),
            "sys": node("ctx", "system", "You are helpful."),
            "q": node(
                "sys",
                "user",
                content={
                    "content_type": "multimodal_text",
                    "parts": [
                        {"content_type": "image_asset_pointer", "asset_pointer": "file://x"},
                        "What is this?",
                        {"content_type": "audio_transcription", "text": "Said aloud."},
                        7,
                    ],
                },
            ),
            "think": node(
                "q",
                "assistant",
                content={"content_type": "thoughts", "thoughts": [{"content": "Let me see."}, 1]},
            ),
            "code": node(
                "think",
                "assistant",
                content={"content_type": "code", "language": "python", "text": "print('```')"},
                recipient="python",
            ),
            "out": node("code", "tool", content={"content_type": "execution_output", "text": "1"}),
            "web": node("out", "assistant", '{"search": 1}', recipient="web"),
            "made": node(
                "web",
                "tool",
                content={
                    "content_type": "multimodal_text",
                    "parts": [{"content_type": "image_asset_pointer"}],
                },
            ),
            "a": node("made", "assistant", "A cat."),
            "hidden": node(
                "a", "user", "x", metadata={"is_visually_hidden_from_conversation": True}
            ),
        },
        current_node="hidden",
    )
    chat = chat_of(value)
    [turn] = chat.turns
    assert turn.prompt == "(Picture, not imported)\n\nWhat is this?\n\nSaid aloud."
    assert turn.reasoning == "Let me see."
    assert turn.answer == ("````python\nprint('```')\n````\n\n(Picture, not imported)\n\nA cat.")
    assert chat.instructions == "I am Ann.\n\nBe brief.\n\nYou are helpful."
    assert chat.current == "a"


def test_claude_with_and_without_parents() -> None:
    chat = chat_of(claude())
    assert tree(chat.turns) == [
        ("m2", None, "Read this\n\n(File, not imported: notes.pdf)", "It is about time.")
    ]
    assert (chat.source, chat.title, chat.turns[0].reasoning) == ("Claude", "Notes", "Hm.")
    branches = claude()["chat_messages"]
    for each in branches:
        each["parent_message_uuid"] = formats.NOBODY if each["sender"] == "human" else "m1"
    branches.append({**branches[1], "uuid": "m3", "content": [], "text": "Another."})
    chat = chat_of(claude(chat_messages=branches))
    assert [(each.id, each.answer) for each in chat.turns] == [
        ("m2", "It is about time."),
        ("m3", "Another."),
    ]
    assert chat.current == "m3"


def test_an_answer_without_a_question_and_a_question_without_an_answer() -> None:
    said = [
        {"uuid": "a", "sender": "assistant", "text": "Hello."},
        {"uuid": "b", "sender": "human", "text": "One"},
        {"uuid": "c", "sender": "human", "text": "Two"},
    ]
    assert tree(chat_of(claude(chat_messages=said)).turns) == [
        ("a", None, NO_QUESTION, "Hello."),
        ("b", "a", "One", ""),
        ("c", "b", "Two", ""),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"mapping": {}},
        {"mapping": {"a": None, "b": [], "c": {"message": 7, "parent": {}}}},
        {"mapping": {"a": node("b", "user", "x"), "b": node("a", "assistant", "y")}},
        {"mapping": {"a": node("a", "user", "x")}},
        {"chat_messages": [None, 1, "x", {"content": {"a": 1}}]},
        {"format": "tally-chat", "turns": [1, {"id": 5}, {}]},
        {"format": "tally-chat", "turns": [{"id": "a", "parent": "b"}, {"id": "b", "parent": "a"}]},
        None,
    ],
)
def test_what_is_no_chat_is_left_out(value: Any) -> None:
    with pytest.raises(NotImported):
        chat_of(value)


def test_times_and_texts_that_no_database_takes() -> None:
    value = chatgpt(create_time="NaN", update_time=float("inf"))
    value["mapping"]["q1"] = node("sys", "user", "a\x00b\ud800c", at=float("nan"))
    value["mapping"]["a1"] = node("q1", "assistant", "x", at=-(10**30))
    chat = chat_of(value)
    assert (chat.at, chat.active_at) == (None, None)
    assert chat.turns[0].prompt == "ab?c"
    assert next(each for each in chat.turns if each.id == "a1").ended_at is None


def test_a_tree_whose_turns_would_be_too_many_or_too_long_is_left_out() -> None:
    wide = {f"a{number}": node("q", "assistant", "x" * 10_000) for number in range(3000)}
    with pytest.raises(NotImported):
        chat_of(chatgpt(mapping={"q": node(None, "user", "?"), **wide}))
    many = {f"a{number}": node("q", "assistant", "x") for number in range(chats.MOST_TURNS + 1)}
    with pytest.raises(NotImported):
        chat_of(chatgpt(mapping={"q": node(None, "user", "?"), **many}))
    deep = {"m0": node(None, "user", "?")}
    for number in range(1, chats.MOST_MESSAGES + 1):
        deep[f"m{number}"] = node(f"m{number - 1}", "assistant", "x")
    with pytest.raises(NotImported):
        chat_of(chatgpt(mapping=deep))
