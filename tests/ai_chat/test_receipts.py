"""What people and programs are told of how an answer ended."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from ai_chat.api.problems import refund_sentence
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.turns import start_turn
from ai_chat.models import ImageRequest, Place, Turn
from ai_chat.pages.streams import REASONING_SHOWN, render_pieces
from ai_chat.providers.errors import FOR_THE_OPERATOR
from ai_chat.providers.pieces import Alive, Piece, Reasoning, Text
from credits.idempotency import namespaced
from credits.ledger import release_charge, settle_charge
from credits.models import User
from credits.reasons import CHARGED, Reason
from tests.ai_chat.api.client import JSON, user_says
from tests.ai_chat.turns import make_turn, text_model
from tests.api import Api
from tests.factories import make_charge

pytestmark = pytest.mark.django_db(transaction=True)


def ended(user: User, *, failure: str = "", **columns: Any) -> Turn:
    """A turn that was asked for by the API with the key `one`, and ended like this."""
    turn, _ = start_turn(
        Draft(user_id=user.pk, text="Hello"),
        text_model(),
        external_id="chat-1",
        idempotency_key=namespaced("api", "one"),
        request=user_says("Hello"),
    )
    values = {"state": Turn.State.ANSWERED, "answer": "Half an ans", **columns}
    if failure:
        refund = release_charge(charge_id=turn.charge.pk, reason=failure)
        values |= {"state": Turn.State.FAILED, "failure": failure, "refund_id": refund.refund_id}
    else:
        settle_charge(charge_id=turn.charge.pk)
    Turn.objects.filter(pk=turn.pk).update(**values)
    return Turn.with_receipt().get(pk=turn.pk)


def page_of(user: User, turn: Turn) -> str:
    """The conversation's page, with single blanks."""
    client = Client()
    client.force_login(user)
    return " ".join(client.get(f"/ai-chat/{turn.conversation_id}").text.split())


def replayed(user: User, *, accept: str) -> Any:
    headers = {"Idempotency-Key": "one", "Accept": accept}
    return Api(user).send("POST", "/api/ai/chat", user_says("Hello"), headers=headers)


def parts_of(answer: Any) -> list[dict[str, Any]]:
    lines = b"".join(answer.streaming_content).decode().split("\n\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


@pytest.mark.parametrize("cut", Turn.Cut)
def test_a_cut_answer_says_so_and_offers_to_go_on(alice: User, cut: Turn.Cut) -> None:
    turn = ended(alice, cut=cut)
    page = page_of(alice, turn)
    assert f"<span>{cut.label}</span>" in page
    [form] = re.findall(r'<form class="continue".*?</form>', page)
    assert f'action="/ai-chat/{turn.conversation_id}"' in form
    assert 'name="message" value="Continue."' in form
    assert 'name="price" value="1"' in form
    assert "Continue · 1 credit<" in form
    answer = replayed(alice, accept=JSON["Accept"]).json()
    assert (answer["cut"], answer["finishReason"]) == (cut.value, "length")
    finish = parts_of(replayed(alice, accept="text/event-stream"))[-1]
    assert (finish["type"], finish["finishReason"]) == ("finish", "length")
    assert finish["messageMetadata"]["cut"] == cut.value


def test_only_the_latest_answer_can_be_continued(alice: User) -> None:
    turn = ended(alice, cut=Turn.Cut.LENGTH)
    later, _ = start_turn(
        Draft(user_id=alice.pk, text="Next", place=Place(turn.conversation, turn.pk)),
        text_model(), idempotency_key=uuid4().hex,
    )  # fmt: skip
    settle_charge(charge_id=later.charge.pk)
    Turn.objects.filter(pk=later.pk).update(state=Turn.State.ANSWERED, answer="Whole.")
    assert 'class="continue"' not in page_of(alice, turn)


def test_a_whole_answer_is_not_cut(alice: User) -> None:
    turn = ended(alice)
    assert 'class="continue"' not in page_of(alice, turn)
    answer = replayed(alice, accept=JSON["Accept"]).json()
    assert (answer["cut"], answer["finishReason"], answer["reasoning"]) == (None, "stop", None)


def test_reasoning_is_folded_above_the_answer_and_told_apart(alice: User) -> None:
    turn = ended(alice, reasoning="I <b>think</b>\n\nso" + "x" * REASONING_SHOWN, answer="42")
    page = page_of(alice, turn)
    [thought] = re.findall(r'<details class="thinking"> <summary>Thought.*?</details>', page)
    assert "I &lt;b&gt;think&lt;/b&gt; sox" in thought
    assert len(thought) < REASONING_SHOWN + 500
    assert page.index(thought) < page.index('<div class="md"')
    answer = replayed(alice, accept=JSON["Accept"]).json()
    assert answer["reasoning"] == turn.reasoning
    assert answer["message"]["parts"] == [{"type": "text", "text": "42"}]
    parts = parts_of(replayed(alice, accept="text/event-stream"))
    kinds = [part["type"] for part in parts]
    assert kinds[2:8] == [
        "reasoning-start", "reasoning-delta", "reasoning-end",
        "text-start", "text-delta", "text-end",
    ]  # fmt: skip
    assert (parts[3]["delta"], parts[6]["delta"]) == (turn.reasoning, "42")


def test_reasoning_is_sent_to_the_page_escaped_and_bounded() -> None:
    pieces: list[Piece] = [Reasoning("<i>a\n\nb"), Alive(), Text("Hi"), Reasoning("x" * 30_000)]
    events = b"".join(render_pieces([*pieces, Reasoning("more")])).decode()
    assert events.startswith("event: thinking\ndata: &lt;i&gt;a\ndata: \ndata: b\n\n")
    assert "event: tail" in events
    assert REASONING_SHOWN - 10 < events.count("x") <= REASONING_SHOWN
    assert "more" not in events


def test_another_model_that_answered_is_named(alice: User) -> None:
    turn = ended(alice, answered_by="some-other-model")
    assert "<span>answered by some-other-model</span>" in page_of(alice, turn)
    assert replayed(alice, accept=JSON["Accept"]).json()["answeredBy"] == "some-other-model"


def test_a_stop_that_was_charged_before_the_answer_says_so(alice: User) -> None:
    stopped = {"state": Turn.State.STOPPED, "answer": ""}
    turn = ended(alice, **stopped)
    Turn.objects.update(failure=Reason.STOPS_USED_UP)
    page = page_of(alice, turn)
    assert f"<b>1 credit</b> <span>{Reason.STOPS_USED_UP.label}</span>" in page


STEPS = {
    Reason.CONTEXT_TOO_LONG: "Start a new chat, or ask again: less of the conversation is sent.",
    Reason.LENGTH_USED_UP: "Ask for less at once, or choose another model.",
    Reason.BUSY: "Try again in a moment.",
    Reason.QUOTA: "You did nothing wrong: whoever runs this site has to mend it.",
}


@pytest.mark.parametrize("reason", STEPS)
def test_a_failure_says_what_to_do(alice: User, reason: Reason) -> None:
    turn = ended(alice, failure=reason)
    page = page_of(alice, turn)
    assert f"<span>{reason.label}</span>".replace("'", "&#x27;") in page
    assert f'<span class="step">{STEPS[reason]}</span>' in page
    words = reason.label[0].upper() + reason.label[1:]
    assert refund_sentence(turn) == f"{words}. 1 credit was refunded. {STEPS[reason]}"


def test_a_busy_provider_is_503_with_the_time_to_wait(alice: User) -> None:
    turn = ended(alice, failure=Reason.BUSY)
    answer = replayed(alice, accept=JSON["Accept"])
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["reason"] == "provider_busy"
    turn.retry_seconds = 7
    assert refund_sentence(turn).endswith(" Try again in 7 seconds.")
    turn.retry_seconds = 1
    assert refund_sentence(turn).endswith(" Try again in 1 second.")


@pytest.mark.parametrize("reason", [each for each in Reason if each not in {Reason.BUSY, *CHARGED}])
def test_every_other_failure_is_502_and_a_sentence(alice: User, reason: Reason) -> None:
    turn = ended(alice, failure=reason)
    answer = replayed(alice, accept=JSON["Accept"])
    assert answer.status_code == 502
    assert "Retry-After" not in answer
    blameless = "You did nothing wrong" in answer.json()["message"]
    assert blameless == (reason in FOR_THE_OPERATOR)
    assert not re.search("[45][0-9][0-9]", answer.json()["message"])
    assert turn.get_failure_display() == reason.label


def test_images_by_another_model_are_told(alice: User, client: Client) -> None:
    ImageRequest.objects.create(
        user=alice, charge_id=make_charge(alice, 5).id, model="m", answered_by="other", prompt="p",
        size="64x64", count=1, state=ImageRequest.State.FAILED, failure=Reason.IMAGE_ADDRESS,
    )  # fmt: skip
    client.force_login(alice)
    page = client.get("/images").text
    assert "<span>made by other</span>" in page
    assert "whoever runs this site" in page
    [item] = Api(alice).get("/api/ai/images").json()["items"]
    assert item["answeredBy"] == "other"


def test_a_stopped_answer_can_be_continued_if_there_is_something_of_it(alice: User) -> None:
    turn = ended(alice, state=Turn.State.STOPPED)
    page = page_of(alice, turn)
    assert "Continue · 1 credit" in page
    assert f'name="after" value="{turn.pk}"' in page
    Turn.objects.update(answer="\u200b")
    assert "Continue ·" not in page_of(alice, turn)
    Turn.objects.update(answer="", failure=Reason.STOPS_USED_UP)
    assert "Continue ·" not in page_of(alice, turn)


def test_an_answer_is_continued_only_at_the_end_of_what_is_shown(alice: User) -> None:
    """Another window may have shown another version, or gone on."""
    turn = ended(alice, cut=Turn.Cut.LENGTH)
    other = make_turn(turn.conversation, "Hello", "Another answer", parent=turn.parent)
    assert turn.conversation.current == other.pk
    assert "Continue ·" not in page_of(alice, turn)
    client = Client()
    client.force_login(alice)
    path = f"/ai-chat/{turn.conversation_id}"
    form = {"message": "Continue.", "after": str(turn.pk), "model": turn.model}
    refused = client.post(path, form)
    assert refused.status_code == 409
    assert "The conversation has gone on in another window." in refused.text
    assert Turn.objects.count() == 2
