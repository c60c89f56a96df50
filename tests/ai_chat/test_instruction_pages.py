"""Instructions and presets on the pages: of a chat, of the account, and where a chat begins."""

from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from ai_chat.conversations.presets import account_instructions, save_account_instructions
from ai_chat.models import ChatSettings, Conversation, Preset
from credits.models import User
from tests.ai_chat.chat import Chat
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import MODEL, make_turn, text_model
from tests.factories import make_model, make_plan

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(alice: User) -> Client:
    """Alice's browser."""
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="A chat")


def preset_of(user: User | None, **columns: Any) -> Preset:
    return Preset.objects.create(
        **{"user": user, "name": "Poet", "instructions": "Rhyme."} | columns
    )


def text_of(answer: Any) -> str:
    return " ".join(unescape(answer.text).split())


def test_the_chat_shows_what_the_model_is_told_and_from_whom(
    page: Client, alice: User, conversation: Conversation
) -> None:
    assert 'Instructions<span class="quiet">: none' in text_of(page.get("/ai-chat"))
    ChatSettings.objects.create(house_rule="Be <b>kind</b>.")
    save_account_instructions(user_id=alice.pk, text="I am a nurse.")
    conversation.preset, conversation.instructions = preset_of(alice, temperature=0.5), "Be brief."
    conversation.save()
    answer = page.get(f"/ai-chat/{conversation.pk}")
    assert "Be &lt;b&gt;kind&lt;/b&gt;." in answer.text
    shown = text_of(answer)
    words = ["house rule", "your own", "preset Poet", "this chat", "temperature 0.5"]
    assert ", ".join(f"<bdi>{each}</bdi>" for each in words) in shown
    for text in ("I am a nurse.", "Rhyme.", "Be brief."):
        assert text in shown


def test_a_chat_is_set_up_from_its_page(
    page: Client, alice: User, conversation: Conversation
) -> None:
    preset = preset_of(alice, model="some-model")
    form = {"instructions": " Be brief.\r\n", "preset": str(preset.pk), "temperature": "0.25"}
    answer = page.post(f"/ai-chat/{conversation.pk}/instructions", form)
    assert answer.headers["Location"] == f"/ai-chat/{conversation.pk}"
    conversation.refresh_from_db()
    assert conversation.text_model == "some-model"
    assert (conversation.instructions, conversation.preset) == ("Be brief.", preset)
    assert conversation.temperature == 0.25
    page.post(f"/ai-chat/{conversation.pk}/instructions", {})
    conversation.refresh_from_db()
    assert (conversation.instructions, conversation.preset_id) == ("", None)
    assert conversation.temperature is None


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"instructions": "x" * 4001}, "Instructions have at most 4,000 characters"),
        ({"temperature": "hot"}, "A temperature is a number from 0 to 2."),
        ({"temperature": "2.5"}, "A temperature is a number from 0 to 2."),
        ({"temperature": "nan"}, "A temperature is a number from 0 to 2."),
        ({"preset": str(uuid4())}, "There is no such preset any more."),
        ({"preset": "x"}, "There is no such preset any more."),
    ],
)
def test_what_cannot_be_taken_is_said_and_stays_in_the_field(
    page: Client, conversation: Conversation, form: dict[str, str], sentence: str
) -> None:
    answer = page.post(f"/ai-chat/{conversation.pk}/instructions", form)
    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert '<details class="instructions" id="instructions" open>' in answer.text
    if "temperature" in form:
        assert f'value="{form["temperature"]}"' in answer.text
    conversation.refresh_from_db()
    assert conversation.instructions == ""
    answer = page.post("/ai-chat", {"message": "Hi", "key": "k", "model": MODEL, **form})
    assert answer.status_code == 400
    assert sentence in text_of(answer)
    assert Conversation.objects.count() == 1


def test_a_preset_s_model_is_preselected_where_a_chat_begins(page: Client, alice: User) -> None:
    text_model()
    other = make_model("other-model", label="Other")
    preset = preset_of(alice, model=other.name)
    answer = page.get(f"/ai-chat?preset={preset.pk}")
    assert '<option value="other-model" selected' in text_of(answer)
    assert f'name="preset" id="setup-preset" form="composer" value="{preset.pk}"' in answer.text
    assert 'aria-current="true"' in answer.text
    assert page.get(f"/ai-chat?preset={uuid4()}").status_code == 200
    assert page.get("/ai-chat?preset=x").status_code == 200


def test_a_preset_s_model_that_the_plan_lacks_is_said(page: Client, alice: User) -> None:
    text_model()
    other = make_model("other-model", label="Other", least_plan=make_plan())
    preset = preset_of(alice, model=other.name)
    shown = text_of(page.get(f"/ai-chat?preset={preset.pk}"))
    assert "meant for Other, for which you need the plan Pro. Another model is chosen." in shown
    Preset.objects.update(model="gone-model")
    shown = text_of(page.get(f"/ai-chat?preset={preset.pk}"))
    assert "meant for a model that is not offered now" in shown


def test_the_price_counts_what_a_new_chat_is_told(page: Client, alice: User) -> None:
    price_by_tokens()
    preset = preset_of(alice, instructions="é" * 1000)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/ai-chat"}

    def offered(**values: str) -> str:
        values = {"model": MODEL, **values}
        return text_of(page.get("/ai-chat/offer", values, headers=headers))

    assert "up to 3 credits" in offered()
    assert "up to 5 credits" in offered(preset=str(preset.pk))
    assert "up to 7 credits" in offered(preset=str(preset.pk), setup_size="1000.2000")
    assert "up to 5 credits" in text_of(page.get(f"/ai-chat?preset={preset.pk}"))


def test_presets_of_others_are_not_there(page: Client, bob: User) -> None:
    other = preset_of(bob, name="Bob's own")
    published = preset_of(None, name="For all")
    for path in (f"/account/chats/presets/{other.pk}", f"/account/chats/presets/{published.pk}"):
        for method in (page.get, page.post):
            assert method(path).status_code == 404
            assert method(f"{path}/delete").status_code == 404
    for path in ("/ai-chat", "/account/chats"):
        shown = text_of(page.get(path))
        assert "Bob's own" not in shown
        assert "For all" in shown
    assert Preset.objects.count() == 2


def test_presets_are_made_changed_used_and_deleted(page: Client, alice: User) -> None:
    text_model()
    assert "No presets of yours yet" in text_of(page.get("/account/chats"))
    form = {"name": "Poet", "instructions": "Rhyme.", "model": MODEL, "temperature": "1.2"}
    page.post("/account/chats/presets/new", form)
    preset = Preset.objects.get(user=alice)
    assert (preset.name, preset.model, preset.temperature) == ("Poet", MODEL, 1.2)
    assert "of this name already" in text_of(page.post("/account/chats/presets/new", form))
    place = f"/account/chats/presets/{preset.pk}"
    page.post(place, {"name": "Bard", "instructions": "", "temperature": ""})
    preset.refresh_from_db()
    assert (preset.name, preset.instructions, preset.model) == ("Bard", "", "")
    shown = text_of(page.get("/account/chats"))
    assert f'href="/ai-chat?preset={preset.pk}"' in shown
    Conversation.objects.create(user=alice, title="Verses", preset=preset)
    assert "1 of your chats uses it, and goes on without it." in text_of(
        page.get(f"{place}/delete")
    )
    page.post(f"{place}/delete")
    assert not Preset.objects.exists()
    assert Conversation.objects.get().preset is None


def test_the_account_s_instructions_are_kept(page: Client, alice: User) -> None:
    page.post("/account/chats", {"instructions": "I am a nurse.\x00"})
    assert account_instructions(user_id=alice.pk) == "I am a nurse."
    assert "I am a nurse." in page.get("/account/chats").text
    answer = page.post("/account/chats", {"instructions": "x" * 4001})
    assert answer.status_code == 422
    assert account_instructions(user_id=alice.pk) == "I am a nurse."


def test_what_a_new_chat_is_set_up_with_goes_with_its_first_message(
    chat: Chat, alice: User, bob: User
) -> None:
    preset = preset_of(alice, temperature=0.7)
    form = {"instructions": "Be brief.", "preset": str(preset.pk)}
    assert chat.send("Hi", **form).names[-1] == "end"
    conversation = chat.turn.conversation
    assert (conversation.instructions, conversation.preset) == ("Be brief.", preset)
    # What a page of before says later changes nothing.
    chat.send("Go on", path=f"/ai-chat/{conversation.pk}", instructions="Be long.")
    conversation.refresh_from_db()
    assert conversation.instructions == "Be brief."
    refused = chat.send("Hi", preset=str(preset_of(bob).pk))
    assert (refused.status, refused.problem) == (400, "There is no such preset any more.")


def test_a_block_for_the_chat_that_has_just_begun(page: Client, conversation: Conversation) -> None:
    def asked(place: str) -> Any:
        headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/ai-chat{place}"}
        return page.get("/ai-chat/instructions", headers=headers)

    assert asked("").status_code == 204
    assert f'action="/ai-chat/{conversation.pk}/instructions"' in asked(f"/{conversation.pk}").text


def test_instructions_that_leave_no_room_are_said_to_be_cut(
    page: Client, alice: User, conversation: Conversation, settings: Any
) -> None:
    make_turn(conversation, "Hi?", "Hi.")
    settings.HISTORY_MAX_CHARACTERS = 2_000
    save_account_instructions(user_id=alice.pk, text="x" * 3_000)
    shown = text_of(page.get(f"/ai-chat/{conversation.pk}"))
    assert "The model has no room for all of this" in shown
