"""Versions: another answer, another question, and the path that is shown and sent to the model."""

import re
from typing import Any
from uuid import uuid4

import pytest

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.entries import shown_entries
from ai_chat.conversations.path import end_of
from ai_chat.conversations.turns import start_turn
from ai_chat.images.requests import delete_request
from ai_chat.models import Conversation, ImageRequest, Place, Turn
from credits.ledger import get_balance
from credits.models import User
from tests.ai_chat.api.client import Program, message, user_says
from tests.ai_chat.chat import Chat
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.strict import told
from tests.ai_chat.turns import make_turn, text_model
from tests.factories import make_charge, make_grant, make_user
from tests.live import Site
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="A chat")


def prompts(conversation: Conversation, **place: str) -> list[str]:
    conversation.refresh_from_db()
    return [entry.prompt for entry in shown_entries(conversation, **place).entries]


def make_images(conversation: Conversation, **columns: Any) -> ImageRequest:
    return ImageRequest.objects.create(
        user=conversation.user, conversation=conversation, model="m", prompt="A cat", size="8x8",
        count=1, state="delivered", charge_id=make_charge(conversation.user).id, **columns,
    )  # fmt: skip


def test_a_question_is_edited_and_its_old_version_stays(chat_site: Site, alice: User) -> None:
    person = Chat(chat_site, alice)
    person.send("[[echo]] One")
    first = Turn.objects.get()
    path = f"/ai-chat/{first.conversation_id}"
    person.send("[[echo]] Two", path=path)
    page = person.client.get(f"{path}?edit={first.pk}").text
    assert f'name="version_of" value="{first.pk}"' in page
    assert re.search(r"<textarea[^>]*>\[\[echo\]\] One</textarea>", page)
    answer = person.send("[[echo]] Uno", path=path, version_of=str(first.pk))
    assert answer.receipt == "1 credit"
    assert "2/2" in answer.events[-1][1]
    page = person.client.get(path).text
    assert "[[echo]] Uno" in page and "[[echo]] Two" not in page
    shown = person.client.post(f"{path}/shown", data={"entry": str(first.pk)})
    assert shown.headers["Location"] == f"{path}#turn-{first.pk}"
    page = person.client.get(path).text
    assert "[[echo]] Two" in page and "[[echo]] Uno" not in page and "1/2" in page
    assert get_balance(user_id=alice.pk).remaining == 97


def test_the_model_is_sent_the_shown_path_alone(
    odd_studio: Program, strict_painter: FakePainter
) -> None:
    person = Chat(odd_studio.site, odd_studio.user)
    person.send("One?")
    first = Turn.objects.get()
    path = f"/ai-chat/{first.conversation_id}"
    person.send("Two?", path=path)
    person.send("Zwei?", path=path, version_of=str(person.turn.pk))
    assert told(strict_painter) == [("user", "One?"), ("assistant", "Yes."), ("user", "Zwei?")]
    person.send("Three?", path=path)
    assert [text for _, text in told(strict_painter)] == ["One?", "Yes.", "Zwei?", "Yes.", "Three?"]
    person.send("Other?", path=path, version_of=str(first.pk))
    assert told(strict_painter) == [("user", "Other?")]


def test_another_model_answers_again_at_its_price(chat_site: Site, alice: User) -> None:
    person = Chat(chat_site, alice)
    person.send("[[echo]] One")
    turn = Turn.objects.get()
    page = person.client.get(f"/ai-chat/turns/{turn.pk}/again").text
    assert "Ask again" in page and "1 credit" in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert fields["version_of"] == str(turn.pk)
    fields.pop("csrfmiddlewaretoken", None)
    path = f"/ai-chat/{turn.conversation_id}"
    answer = person.send(fields.pop("message"), path=path, **fields)
    assert answer.receipt == "1 credit"
    again = person.send("[[echo]] One", path=path, **fields)  # The same form once more.
    assert again.receipt == "1 credit"
    assert Turn.objects.filter(parent=None).count() == 2
    assert get_balance(user_id=alice.pk).remaining == 98


@pytest.mark.parametrize("name", ["", "x", "\0", "0" * 32, "theirs"])
def test_nothing_is_charged_for_a_version_of_what_is_not_there(
    chat_site: Site, alice: User, name: str
) -> None:
    theirs = Conversation.objects.create(user=make_user(credits=5), title="Theirs")
    foreign = make_turn(theirs, "Secret?", "Secret")
    own = Conversation.objects.create(user=alice, title="Own")
    make_turn(own, "Mine?", "Mine")
    before = get_balance(user_id=alice.pk).remaining
    person = Chat(chat_site, alice)
    version = str(foreign.pk) if name == "theirs" else name
    answer = person.send("Hi", path=f"/ai-chat/{own.pk}", version_of=version or "none")
    assert answer.status == 404
    assert get_balance(user_id=alice.pk).remaining == before
    assert person.client.get(f"/ai-chat/turns/{foreign.pk}/again").status_code == 404
    assert person.client.post(f"/ai-chat/{theirs.pk}/shown").status_code == 404
    page = person.client.get(f"/ai-chat/{own.pk}", params={"edit": version, "entry": version})
    assert page.status_code == 200 and "Secret" not in page.text
    person.client.post(f"/ai-chat/{own.pk}/shown", data={"entry": version})
    assert prompts(own) == ["Mine?"]


def test_programs_regenerate_and_edit(odd_studio: Program, strict_painter: FakePainter) -> None:
    odd_studio.ask("One?", id="c")
    first = Turn.objects.get()
    odd_studio.ask("Two?", id="c")
    second = Turn.objects.latest("created_at")
    odd_studio.ask("Two?", id="c", trigger="regenerate-message", messageId=str(second.pk))
    assert [text for _, text in told(strict_painter)] == ["One?", "Yes.", "Two?"]
    assert Turn.objects.filter(parent=first.pk).count() == 2
    said = [
        message("user", "One?", id="u1"),
        message("assistant", "Yes.", id=str(first.pk)),
        message("user", "Deux?", id="u2"),
    ]
    assert odd_studio.post(*said, id="c", messageId="u2").status_code == 200
    assert Turn.objects.filter(parent=first.pk).count() == 3
    un = user_says("Un?")["messages"][0]
    assert odd_studio.post(un, id="c", messageId="m1").status_code == 200
    assert told(strict_painter) == [("user", "Un?")]
    assert set(Turn.objects.filter(parent=None).values_list("prompt", flat=True)) == {
        "One?", "Un?",
    }  # fmt: skip


def test_a_message_from_a_stale_page_follows_what_is_shown(alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="Stale")
    stale = Place(conversation, None)
    make_turn(conversation, "One?", "1")
    draft = Draft(user_id=alice.pk, text="Two?", place=stale)
    turn, _ = start_turn(draft, text_model(), idempotency_key=uuid4().hex)
    assert turn.parent == end_of(conversation).parent
    assert prompts(conversation) == ["One?", "Two?"]


def test_pages_of_a_long_path_and_of_one_that_is_not_shown(conversation: Conversation) -> None:
    make_grant(conversation.user, 100)
    first = make_turn(conversation, "0")
    for number in range(1, 120):
        make_turn(conversation, str(number))
    assert prompts(conversation) == [str(number) for number in range(70, 120)]
    tree = {turn.prompt: turn for turn in Turn.objects.all()}
    assert prompts(conversation, before=str(tree["70"].pk))[0] == "20"
    around = prompts(conversation, entry=str(tree["60"].pk))
    assert "60" in around and len(around) == 50
    make_turn(conversation, "other", parent=first.pk)
    assert prompts(conversation) == ["0", "other"]
    shown = shown_entries(conversation, entry=str(tree["60"].pk))
    assert not shown.is_current and "60" in [entry.prompt for entry in shown.entries]
    versions = shown_entries(conversation).entries[1].versions
    assert versions == (2, 2, tree["1"].pk, None)


def test_what_followed_deleted_images_follows_what_was_before_them(
    conversation: Conversation,
) -> None:
    first = make_turn(conversation, "One?")
    images = make_images(conversation, parent=first.pk)
    make_turn(conversation, "Two?", parent=images.pk)
    assert prompts(conversation) == ["One?", "A cat", "Two?"]
    delete_request(request=images)
    assert prompts(conversation) == ["One?", "Two?"]


def test_the_last_images_are_deleted(conversation: Conversation) -> None:
    images = make_images(conversation)
    Conversation.objects.update(current=images.pk)
    delete_request(request=images)
    assert prompts(conversation) == []


@pytest.mark.parametrize("key", ["", "the same"])
def test_two_windows_ask_again_at_once_and_one_answer_is_paid(
    chat_site: Site, alice: User, key: str
) -> None:
    person = Chat(chat_site, alice)
    person.send("One [[tokens:2]]")
    first = Turn.objects.get()
    before = get_balance(user_id=alice.pk).remaining
    key = key and uuid4().hex

    def ask(number: int) -> int:
        window = Chat(chat_site, alice)
        path, version = f"/ai-chat/{first.conversation_id}", str(first.pk)
        return window.send(
            "Two [[delay:0.1]] [[tokens:20]]", path=path, version_of=version, key=key
        ).status

    statuses = sorted(in_parallel(4, ask))
    assert statuses == ([200] * 4 if key else [200, 409, 409, 409])
    assert Turn.objects.filter(parent=None).count() == 2
    assert before - get_balance(user_id=alice.pk).remaining == 1
