"""Idempotency-Key on the calls that spend (I7)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ai_chat.models import Conversation, ImageRequest, Turn
from credits.models import AIModel
from tests.ai_chat.api.client import Program, parts_of
from tests.factories import make_plan, set_price
from tests.fakes.provider import FakeProvider

REPLAYED = "Idempotent-Replayed"


def test_the_same_chat_is_answered_with_the_first_answer(
    program: Program, provider: FakeProvider
) -> None:
    first = program.chat("Hello", key="k" * 255)
    again = program.chat("Hello", key="k" * 255)
    as_json = program.ask("Hello", key="k" * 255)
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == as_json.headers[REPLAYED] == "true"

    def told(response: Any) -> str:
        return "".join(part.get("delta", "") for part in parts_of(response))

    assert told(first) == told(again) == as_json.json()["text"]
    assert parts_of(again)[0]["messageId"] == parts_of(first)[0]["messageId"]
    assert (provider.completions_started, program.balance) == (1, 99)


def test_a_failed_first_answer_stays_failed_and_free(program: Program) -> None:
    first = program.ask("Hello [[fail:500]]", key="k")
    again = program.ask("Hello [[fail:500]]", key="k")
    assert (first.status_code, again.status_code) == (502, 502)
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert parts_of(program.chat("Hello [[fail:500]]", key="k"))[-1]["type"] == "error"
    assert (Turn.objects.count(), program.balance) == (1, 100)


def test_failed_images_stay_failed_and_free(program: Program, provider: FakeProvider) -> None:
    first, again = (program.paint("Tree [[fail:500]]", key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (502, 502)
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert again.json() == first.json()
    assert program.balance == 100


def test_another_body_under_the_key_is_422(program: Program) -> None:
    program.ask("Hello", key="k")
    response = program.ask("Goodbye", key="k")
    assert (response.status_code, response.json()["error"]) == (422, "idempotency_conflict")
    program.paint("A tree", key="k")  # Another call: a key of its own.
    response = program.paint("A house", key="k")
    assert (response.status_code, response.json()["error"]) == (422, "idempotency_conflict")
    assert program.balance == 99 - 5


def test_while_the_first_is_answered_the_same_key_is_409(program: Program) -> None:
    with program.streaming("[[tokens:100]] [[delay:0.1]]", key="k") as response:
        lines = response.iter_lines()  # Kept: httpx closes the response when it is let go.
        next(lines)
        again = program.chat("[[tokens:100]] [[delay:0.1]]", key="k")
    assert (again.status_code, again.json()["error"]) == (409, "in_progress")
    assert int(again.headers["Retry-After"]) > 0


def test_twenty_at_once_are_charged_once(program: Program, provider: FakeProvider) -> None:
    with ThreadPoolExecutor(20) as pool:
        chats = list(pool.map(lambda _: program.ask("Hello", key="k").status_code, range(20)))
        images = list(pool.map(lambda _: program.paint("Tree", key="k").status_code, range(20)))
    assert set(chats) | set(images) <= {200, 409}
    assert 200 in chats
    assert 200 in images
    assert (provider.completions_started, provider.images_requested) == (1, 1)
    assert program.balance == 100 - 1 - 5


def test_a_key_that_is_none_is_400(program: Program) -> None:
    for key in ("with space", "k" * 256):
        assert program.ask("Hello", key=key).status_code == 400
    assert program.balance == 100


def test_a_deleted_answer_is_not_paid_for_again(program: Program) -> None:
    program.ask("Hello", key="k")
    program.paint("Tree", key="k")
    Conversation.objects.get().delete()
    ImageRequest.objects.get().delete()
    for response in (program.ask("Hello", key="k"), program.paint("Tree", key="k")):
        assert (response.status_code, response.json()["error"]) == (409, "answer_deleted")
    assert program.balance == 94


def test_the_same_images_are_answered_with_the_first_answer(
    program: Program, provider: FakeProvider
) -> None:
    first = program.paint("A tree", key="k", count=2)
    again = program.paint("A tree", key="k", count=2)
    assert again.headers[REPLAYED] == "true"
    assert again.json()["images"] == first.json()["images"]
    assert (provider.images_requested, program.balance) == (2, 90)


def test_a_refused_call_has_not_used_its_key(program: Program) -> None:
    set_price("ai_text_chat", 101)
    assert program.ask("Hello", key="k").status_code == 402
    set_price("ai_text_chat", 1)
    answer = program.ask("Hello", key="k")
    assert (answer.status_code, program.balance) == (200, 99)
    assert REPLAYED not in answer.headers


def test_a_repeated_request_is_answered_whatever_became_of_its_model(program: Program) -> None:
    first = program.ask("Hello", key="k", model="smollm2-135m")
    images = program.paint("A tree", key="k", model="tally-painter").json()
    plan = make_plan(credits=1000)
    AIModel.objects.filter(name="smollm2-135m").update(active=False)
    AIModel.objects.filter(name="tally-painter").update(least_plan=plan, sizes=["128x128"])
    again = program.ask("Hello", key="k", model="smollm2-135m")
    assert (again.status_code, again.json()["text"]) == (200, first.json()["text"])
    assert program.paint("A tree", key="k", model="tally-painter").json()["id"] == images["id"]
    assert program.ask("Hello", key="l", model="smollm2-135m").status_code == 400
    assert program.paint("A tree", key="l", model="tally-painter").status_code == 403
    AIModel.objects.filter(name="tally-painter").update(least_plan=None)
    assert program.paint("A tree", key="l", model="tally-painter").status_code == 400
    assert program.paint("A tree", key="k", model="tally-painter").json()["id"] == images["id"]
    assert program.balance == 99 - 5


def test_a_program_bounds_the_price(program: Program, provider: FakeProvider) -> None:
    set_price("ai_text_chat", 3)
    set_price("ai_image_generation", 7)
    refused = [
        program.ask("Hello", maxUnitCost=2),
        program.paint("A tree", maxUnitCost=6, count=2),
    ]
    assert [answer.status_code for answer in refused] == [409, 409]
    assert [answer.json()["error"] for answer in refused] == ["price_changed"] * 2
    assert [answer.json()["unitCost"] for answer in refused] == [3, 7]
    assert program.balance == 100
    assert program.ask("Hello", maxUnitCost=3).status_code == 200
    assert program.paint("A tree", maxUnitCost=7, count=2).status_code == 200
    assert program.balance == 83
    assert program.ask("Hello", maxUnitCost="3").status_code == 400
