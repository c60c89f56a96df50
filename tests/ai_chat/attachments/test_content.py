"""What models are sent of files: text before the question, pictures as parts, and never more than
what the price was for."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import context_room, history
from ai_chat.conversations.path import end_of
from ai_chat.models import Attachment, Conversation
from ai_chat.providers.bounds import size_of
from ai_chat.providers.chat import Message
from credits.models import AIModel, User
from credits.reasons import Reason
from tests.ai_chat.attachments.kept import Kind, make_document, make_picture
from tests.ai_chat.images.fake import picture
from tests.ai_chat.turns import fail, make_turn, text_model
from tests.factories import make_user
from tests.fakes.strict import problem_of

type Ask = Callable[..., list[Message]]


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="With files")


@pytest.fixture
def ask(conversation: Conversation) -> Ask:
    """The messages of a call for a question with these files; a strict model takes them, and the
    price is for as much."""

    def ask(
        prompt: str = "And?", files: Sequence[Attachment] = (), model: AIModel | None = None
    ) -> list[Message]:
        draft = Draft(
            user_id=conversation.user_id, text=prompt, place=end_of(conversation), attachments=files
        )
        chosen = model or text_model()
        messages = history(draft, chosen).messages
        assert not problem_of(messages), messages
        measured = history(draft, chosen, only_sizes=True).messages
        assert size_of(measured) == size_of(messages)
        return messages

    return ask


def with_files(conversation: Conversation, *files: Attachment, prompt: str = "See?") -> None:
    make_turn(conversation, prompt, "Seen.", attachments=[file.pk for file in files])


def pictures_of(messages: Sequence[Message]) -> list[Any]:
    """The addresses of the pictures in each message that has any."""
    parts = [each["content"] for each in messages if isinstance(each["content"], list)]
    return [[part["image_url"]["url"] for part in each[1:]] for each in parts]


def test_the_text_of_files_stands_before_the_question(alice: User, ask: Ask) -> None:
    files = [
        make_document(alice, "a,b\n1,2", "table.csv"),
        make_document(alice, "Dear all", 'the "letter".pdf', kind=Kind.PDF, pages=2),
    ]
    assert ask("What is it?", files)[-1]["content"] == (
        '<file name="table.csv">\na,b\n1,2\n</file>\n\n'
        '<file name="the \'letter\'.pdf" pages="2">\nDear all\n</file>\n\nWhat is it?'
    )


def test_files_of_earlier_turns_stand_at_their_questions(
    alice: User, conversation: Conversation, ask: Ask
) -> None:
    with_files(conversation, make_document(alice, "First"))
    with_files(conversation, make_picture(alice))
    said = ask(model=text_model(reads_images=True))
    assert said[0]["content"] == '<file name="notes.txt">\nFirst\n</file>\n\nSee?'
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    assert said[2]["content"] == [
        {"type": "text", "text": "[picture: photo.png]\n\nSee?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    assert said[-1]["content"] == "And?"


def test_who_does_not_read_pictures_is_sent_their_names(
    alice: User, conversation: Conversation, ask: Ask
) -> None:
    with_files(conversation, make_picture(alice, "a.png"), make_picture(alice, "b.png"))
    said = ask(model=text_model(reads_images=False))
    assert said[0]["content"] == (
        "[pictures: a.png, b.png — this model does not read pictures]\n\nSee?"
    )


def test_what_was_deleted_is_said_to_be_gone(
    alice: User, conversation: Conversation, ask: Ask
) -> None:
    deleted, missing = make_document(alice, "x"), make_picture(alice, stored=False)
    with_files(conversation, deleted, missing)
    deleted.delete()
    model = text_model(reads_images=True)
    draft = Draft(user_id=alice.pk, text="And?", place=end_of(conversation))
    said = history(draft, model).messages
    assert said[0]["content"] == (
        "[file: 1 — no longer here]\n\n[picture: photo.png — no longer here]\n\nSee?"
    )
    # Whether a picture is in the storage is not looked up for a price.
    assert size_of(history(draft, model, only_sizes=True).messages).pictures == 1


def test_another_persons_file_is_not_read(conversation: Conversation, ask: Ask) -> None:
    with_files(conversation, make_document(make_user("bob@example.com"), "Secret"))
    assert "Secret" not in str(ask())


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀"])
def test_a_long_text_is_shortened_from_its_end(
    alice: User, ask: Ask, settings: Any, letter: str
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 2000
    long, short = make_document(alice, letter * 9000, "long.txt"), make_document(alice, "brief")
    [message] = ask("Why?", [long, short])
    content = str(message["content"])
    assert letter * 1995 in content and letter * 1996 not in content
    assert "[the rest is left out: these are 1995 of 9000 characters]\n</file>" in content
    assert "\nbrief\n</file>" in content, "A short one is sent whole beside it."


def test_the_text_of_files_has_the_room_that_the_model_has(
    alice: User, ask: Ask, settings: Any
) -> None:
    settings.ATTACHED_MAX_CHARACTERS, settings.ANSWER_MAX_TOKENS = 20_000, 500
    files = [make_document(alice, "x" * 90_000)]
    sizes = {}
    for context in (100_000, 4_000, 600):
        model = text_model(context_tokens=context)
        [message] = ask("Why?", files, model)
        sizes[context] = str(message["content"]).count("x") - 1
    assert sizes == {100_000: 20_000, 4_000: 2 * 3_500 - len("Why?"), 600: 500}


def test_the_own_files_come_before_what_was_said(
    alice: User, conversation: Conversation, ask: Ask, settings: Any
) -> None:
    settings.ANSWER_MAX_TOKENS = 500
    for _ in range(10):
        make_turn(conversation, "q" * 200, "a" * 200)
    model = text_model(context_tokens=2000)
    assert len(ask(model=model)) == 2 * 7 + 1
    said = ask(files=[make_document(alice, "x" * 2000)], model=model)
    assert len(said) == 2 * 2 + 1
    assert sum(len(str(each["content"])) for each in said) <= context_room(model) + 100


def test_later_files_come_before_earlier_ones(
    alice: User, conversation: Conversation, ask: Ask, settings: Any
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 1000
    for name in ("1.txt", "2.txt", "3.txt"):
        with_files(conversation, make_document(alice, name[0] * 600, name))
    first, _, second, _, third, _, _ = [str(each["content"]) for each in ask()]
    assert "3" * 600 in third
    assert "2" * 400 in second and "2" * 401 not in second
    assert "1" * 9 not in first, "There is no room for it, nor for a line about it."


def test_a_call_that_was_too_long_leaves_half_the_room(
    alice: User, conversation: Conversation, ask: Ask, settings: Any
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 4000
    file = make_document(alice, "x" * 9000)
    for room in (4000, 2000, 1000):
        assert "x" * room + "\n[the rest" in str(ask("Why?", [file])[-1]["content"])
        fail(conversation, "Why?", Reason.CONTEXT_TOO_LONG)


def test_a_file_is_sent_once(alice: User, conversation: Conversation, ask: Ask) -> None:
    file = make_document(alice, "Only once")
    fail(conversation, "See?", Reason.TIMEOUT)
    conversation.turns.update(attachments=[file.pk])
    assert [str(each["content"]) for each in ask("See?", [file])] == [
        '<file name="notes.txt">\nOnly once\n</file>\n\nSee?'
    ]
    with_files(conversation, file)
    assert str(ask("And now?", [file])[0]["content"]).startswith("[file: notes.txt — sent again")


def test_a_file_without_text_is_named(alice: User, ask: Ask) -> None:
    [message] = ask("See?", [make_document(alice, "", "scan.pdf", kind=Kind.PDF, pages=3)])
    assert message["content"] == "[file: scan.pdf — no text could be read from it]\n\nSee?"


def test_a_chat_with_pictures_never_grows_too_large(
    alice: User, conversation: Conversation, ask: Ask, settings: Any
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 100_000
    for number in range(60):
        with_files(conversation, make_picture(alice, f"{number}.png"), prompt=f"{number}?")
    model = text_model(reads_images=True)
    files = [make_picture(alice, "now.png"), make_picture(alice, "too.png")]
    messages = ask("Now?", files, model)
    assert [len(each) for each in pictures_of(messages)] == [1] * settings.PICTURES_AGAIN + [2]
    assert messages[-3]["content"][0]["text"] == "[picture: 59.png]\n\n59?"
    assert str(messages[-19]["content"]).startswith("[picture: 51.png — sent before, not")
    settings.PICTURES_AGAIN_BYTES = len(picture()) * 4
    assert [len(each) for each in pictures_of(ask("Now?", files, model))] == [1, 1, 2]
    small = text_model(context_tokens=3 * model.image_tokens + 2000)
    assert [len(each) for each in pictures_of(ask("Now?", files, small))] == [1, 2]
    assert [len(each) for each in pictures_of(ask("Now?", (), small))] == [1, 1, 1]


def test_a_thousand_files_leave_room_for_the_question(
    alice: User, conversation: Conversation, ask: Ask, settings: Any
) -> None:
    rows = [make_document(alice, "x", "n" * 200) for _ in range(10)]
    for _ in range(100):
        with_files(conversation, *rows)
    messages = ask()
    sent = sum(len(str(each["content"])) for each in messages)
    assert sent < 2 * settings.HISTORY_MAX_CHARACTERS + 10_000
