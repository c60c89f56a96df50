"""Which model is chosen for what comes next: kept for the chat and for new ones, and judged."""

import pytest
from django.test import Client

from ai_chat.models import ChatPreferences, Conversation
from ai_chat.pages.choosing import abilities, chosen_model
from credits.features import IMAGE, TEXT
from credits.models import User
from tests.ai_chat.turns import charge_turn, make_turn, text_model
from tests.factories import make_model, make_plan

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def choose(browser: Client, conversation: Conversation | None = None, **form: str) -> int:
    path = f"/ai-chat/{conversation.pk}" if conversation else "/ai-chat"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{path}"}
    return browser.post("/ai-chat/model", form, headers=headers).status_code


def test_a_choice_is_kept_for_its_chat_and_for_new_ones(
    browser: Client, alice: User, bob: User
) -> None:
    text_model()
    make_model("second")
    make_model("painter", feature=IMAGE)
    here, other, his = (
        Conversation.objects.create(user=user, title="A chat") for user in (alice, alice, bob)
    )
    assert choose(browser, model="second") == 204
    assert chosen_model(user_id=alice.pk, feature=TEXT) == "second"
    assert choose(browser, here, model="smollm2-135m") == 204
    assert choose(browser, here, image_model="painter") == 204
    for conversation, text, image in [
        (None, "smollm2-135m", "painter"), (here, "smollm2-135m", "painter"),
        (other, "smollm2-135m", "painter"),
    ]:  # fmt: skip
        if conversation:
            conversation.refresh_from_db()
        for feature, name in ((TEXT, text), (IMAGE, image)):
            chosen = chosen_model(user_id=alice.pk, feature=feature, conversation=conversation)
            assert chosen == name
    assert (other.text_model, other.image_model) == ("", "")
    assert choose(browser, his, model="second") == 204, "For new chats of her own."
    his.refresh_from_db()
    assert his.text_model == ""
    assert not ChatPreferences.objects.filter(user=bob).exists()


def test_what_cannot_be_chosen_is_refused_and_not_kept(browser: Client, alice: User) -> None:
    text_model()
    make_model("large", least_plan=make_plan("cplan_pro", credits=1000))
    assert choose(browser, model="large") == 403
    assert choose(browser, model="unknown\0") == 400
    assert choose(browser, image_model="smollm2-135m") == 400
    assert not ChatPreferences.objects.exists()
    assert browser.get("/ai-chat/model").status_code == 405


def test_the_model_of_the_latest_message_is_that_of_the_chat(alice: User) -> None:
    conversation = charge_turn(alice, model=text_model()).conversation
    make_model("second")
    conversation.refresh_from_db()
    assert (conversation.text_model, conversation.image_model) == ("smollm2-135m", "")
    conversation.text_model = "second"
    conversation.save()
    turn = make_turn(conversation, "Hello", "Hi", model="third")
    chosen = chosen_model(user_id=alice.pk, feature=TEXT, conversation=conversation)
    assert chosen == "second", "What was chosen counts, not what was used before."
    Conversation.objects.update(text_model="")
    conversation.refresh_from_db()
    chosen = chosen_model(user_id=alice.pk, feature=TEXT, conversation=conversation)
    assert chosen == turn.model, "An imported chat goes on with the model that it names."


def test_what_a_model_can_is_said_in_words() -> None:
    plain = text_model(context_tokens=None)
    assert abilities(plain) == []
    able = make_model(
        reads_images=True, reads_files=True, uses_tools=True, reasons=True, context_tokens=8_192
    )
    assert abilities(able) == [
        "reads pictures and files", "uses tools", "reasons", "context of 8,192 tokens",
    ]  # fmt: skip
    large = make_model(context_tokens=1_048_576)
    assert abilities(large) == ["context of 1.05 million tokens"]
    painter = make_model(feature=IMAGE, sizes=["512x512", "1024x1024"])
    assert abilities(painter) == ["512 × 512, 1024 × 1024"]
