"""Importing a file: what becomes of it in the database and on the pages, and that nothing of it is
ever charged."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from ai_chat.conversations import filing
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import history
from ai_chat.conversations.path import end_of
from ai_chat.data import importing, jobs
from ai_chat.data.chats import chat_as_json
from ai_chat.imports.formats import chat_of
from ai_chat.imports.keeping import keep_import
from ai_chat.models import IMPORTS, Conversation, DataJob, Turn
from credits.models import UsageHistory, User
from tests.ai_chat.imports.exports import as_file, chatgpt, claude, node, zipped
from tests.ai_chat.turns import make_turn, text_model
from tests.api import Api

pytestmark = pytest.mark.django_db
State = DataJob.State


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def upload(user: User, file: BytesIO) -> Any:
    sent = SimpleUploadedFile("../../x.zip", file.getvalue())
    return Api(user).post("/account/data/import", {"file": sent})


def run(user: User, file: BytesIO) -> DataJob:
    answer = upload(user, file)
    assert answer.status_code == 302, answer.content
    job = DataJob.objects.filter(user=user, kind="import").latest("created_at")
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def page_of(conversation: Conversation) -> str:
    return str(Api(conversation.user).get(f"/ai-chat/{conversation.pk}").content.decode())


def test_an_account_without_credits_imports_and_nothing_is_charged(carol: User) -> None:
    job = run(carol, as_file([chatgpt(), claude(), {"x": 1}]))
    assert (job.state, job.file) == (State.DONE, "")
    assert job.result == (
        "Imported 2 chats. 4 messages came with their answers. Skipped 1 chat, because they are no "
        "chats of a program that is known here."
    )
    assert not UsageHistory.objects.filter(account_id=carol.pk).exists()
    assert not Turn.objects.filter(charge__isnull=False).exists()
    assert set(Turn.objects.values_list("state", flat=True)) == {"imported"}
    sky = Conversation.objects.get(title="The sky")
    page = page_of(sky)
    assert page.count("Imported from ChatGPT") == 2
    assert "It scatters blue light." in page and "Because." not in page
    turns = page.partition('id="turns"')[2].partition('id="end"')[0]
    assert "credit" not in turns and "#None" not in turns
    assert Api(carol).get("/account/data").content.decode().count("Imported 2 chats") == 1


def test_the_same_file_again_doubles_nothing_and_a_later_one_adds(alice: User) -> None:
    run(alice, as_file([chatgpt()]))
    before = set(Turn.objects.values_list("pk", flat=True))
    again = run(alice, zipped({"conversations.json": json.dumps([chatgpt()])}))
    assert again.result == "Already here: 1 chat."
    assert set(Turn.objects.values_list("pk", flat=True)) == before
    later = chatgpt(current_node="a4")
    later["mapping"] |= {
        "q3": node("a3", "user", "More?", at=1_700_000_100),
        "a4": node("q3", "assistant", "More.", at=1_700_000_105),
    }
    assert "Added what is new to 1 chat" in run(alice, as_file([later])).result
    conversation = Conversation.objects.get()
    assert conversation.turns.count() == 4
    assert "More?" in page_of(conversation)


def test_two_people_import_the_same_file(alice: User, bob: User) -> None:
    for user in (alice, bob):
        run(user, as_file([chatgpt()]))
    assert Turn.objects.filter(user=alice).count() == Turn.objects.filter(user=bob).count() == 3


def test_names_that_differ_in_what_no_text_can_hold_are_different_turns(alice: User) -> None:
    chat = chatgpt(current_node="a\ud801")
    for name in ("a\ud800", "a\ud801", "a?"):
        chat["mapping"][name] = node("a3", "user", f"From {len(chat['mapping'])}")
    job = run(alice, as_file([chat]))
    assert (job.state, Turn.objects.count()) == (State.DONE, 6)


def test_who_went_on_in_an_imported_chat_stays_there(alice: User) -> None:
    run(alice, as_file([chatgpt()]))
    conversation = Conversation.objects.get()
    own = make_turn(conversation, "Mine", "Yours")
    later = chatgpt()
    later["mapping"]["q9"] = node("a3", "user", "Elsewhere")
    run(alice, as_file([later]))
    conversation.refresh_from_db()
    assert conversation.current == own.pk


def test_the_next_message_is_told_what_was_imported(alice: User) -> None:
    run(alice, as_file([chatgpt()]))
    conversation = Conversation.objects.get()
    draft = Draft(user_id=alice.pk, text="Go on", place=end_of(conversation))
    assert [each["content"] for each in history(draft, text_model()).messages] == [
        "Why is the sky blue?",
        "It scatters blue light.",
        "And at night?",
        "Then it is dark.",
        "Go on",
    ]


def test_what_models_and_people_write_is_never_run(alice: User) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1))"
    value = chatgpt(title=f"\u202e{attack}\x00\n  x")
    value["mapping"]["q2"] = node("a2", "user", attack)
    value["mapping"]["a3"] = node("q2", "assistant", attack, metadata={"model_slug": attack})
    run(alice, as_file([value]))
    conversation = Conversation.objects.get()
    assert "\u202e" not in conversation.title and "\n" not in conversation.title
    page = page_of(conversation)
    assert "<script>alert" not in page and "<img src=x" not in page
    assert 'href="javascript' not in page
    assert "&lt;script&gt;alert(1)" in page


def test_our_own_chats_come_back_in_another_account(alice: User, bob: User) -> None:
    conversation = Conversation.objects.create(
        user=alice, title="Mine", instructions="Be brief.", temperature=0.5
    )
    first = make_turn(conversation, "One", "1")
    make_turn(conversation, "Two", "2")
    make_turn(conversation, "Two again", "2b", parent=first.pk)
    text = "".join(chat_as_json(conversation))
    assert run(alice, BytesIO(text.encode())).result == "Already here: 1 chat."
    archive = zipped({"manifest.json": "{}", "chats/2025-01-01-mine.json": text})
    assert "Imported 1 chat. 3 messages" in run(bob, archive).result
    copy = Conversation.objects.get(user=bob)
    assert (copy.title, copy.instructions, copy.temperature) == ("Mine", "Be brief.", 0.5)
    assert copy.turns.filter(parent=copy.turns.get(prompt="One").pk).count() == 2
    page = page_of(copy)
    assert "Two again" in page and "Imported from Tally" in page
    assert json.loads("".join(chat_as_json(copy)))["turns"][0]["credits"] is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[{" * 1000, "nested more deeply"),
        (b"[]", "There is no chat in it."),
        (b'[{"mapping": {', "breaks off"),
        (b"PK\x03\x04" + b"x" * 100, "The ZIP is damaged"),
    ],
)
def test_what_cannot_be_read_fails_with_a_reason(alice: User, content: bytes, words: str) -> None:
    job = run(alice, BytesIO(content))
    assert job.state == State.FAILED
    assert words in job.error
    assert words in Api(alice).get("/account/data").content.decode()
    assert not list(Path(default_storage.path(IMPORTS)).rglob("*.export"))


def test_what_came_before_a_break_stays_and_is_said(alice: User) -> None:
    text = json.dumps([chatgpt(), claude()]).encode()[:-20]
    job = run(alice, BytesIO(text))
    assert (job.state, Conversation.objects.count()) == (State.FAILED, 1)
    assert "breaks off. Imported 1 chat." in job.error


def test_what_is_no_export_is_refused_at_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Choose a file first." in Api(alice).post("/account/data/import").content.decode()
    for content in (b"", b"\x89PNG\r\n", b"<html>", b"  \n7"):
        answer = upload(alice, BytesIO(content))
        assert (answer.status_code, DataJob.objects.count()) == (422, 0)
        assert "neither a ZIP nor JSON" in answer.content.decode()
    assert upload(alice, as_file([chatgpt()])).status_code == 302
    assert upload(alice, as_file([chatgpt()])).status_code == 409
    DataJob.objects.update(state=State.DONE)
    monkeypatch.setattr(importing, "IMPORTS_A_DAY", 1)
    answer = upload(alice, as_file([chatgpt()]))
    assert (answer.status_code, int(answer["Retry-After"]) > 80_000) == (429, True)


def test_a_closed_account_gets_no_chat_any_more(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(alice, as_file([chatgpt(), claude()]))
    job = DataJob.objects.get()
    keep = keep_import

    def keep_and_close(**values: Any) -> Any:
        kept = keep(**values)
        DataJob.objects.all().delete()  # As closing does.
        return kept

    monkeypatch.setattr(importing, "keep_import", keep_and_close)
    jobs.run(job.pk)
    assert Conversation.objects.count() == 1


def test_ids_of_turns_are_of_one_user_and_one_chat(alice: User, bob: User) -> None:
    made = {
        keep_import(user_id=user.pk, chat=chat_of(chatgpt())).conversation for user in (alice, bob)
    }
    ids = list(Turn.objects.values_list("pk", flat=True))
    assert len(made) == 2 and len(set(ids)) == 6
    assert all(isinstance(each, UUID) for each in ids)


def test_times_that_have_not_come_are_now(alice: User) -> None:
    future = 4_000_000_000
    value = chatgpt(create_time=future, update_time=future)
    value["mapping"]["a3"]["message"]["create_time"] = future
    keep_import(user_id=alice.pk, chat=chat_of(value))
    conversation = Conversation.objects.get()
    assert conversation.active_at.year < 2090
    assert all(turn.created_at <= turn.ended_at for turn in conversation.turns.all())


def test_folders_are_bounded(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "MOST_FOLDERS", 1)
    for number in range(3):
        value = {
            "format": "tally-chat", "id": f"c{number}", "folder": f"Folder {number}",
            "turns": [{"id": "t", "prompt": "x", "answer": "y"}],
        }  # fmt: skip
        keep_import(user_id=alice.pk, chat=chat_of(value))
    assert alice.folders.count() == 1
    assert Conversation.objects.filter(folder=None).count() == 2


def test_imported_chats_are_found(alice: User) -> None:
    run(alice, as_file([chatgpt(), claude()]))
    page = Api(alice).get("/ai-chat/search?q=scatters").content.decode()
    assert "The sky" in page and "Notes" not in page
