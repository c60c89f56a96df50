"""Images that are stopped: by a program, and by the page's form without scripts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from ai_chat.jobs.ending import FREE_STOPS
from ai_chat.models import ImageRequest
from credits.rate_limits import take
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.images.test_dialects import set_painter
from tests.ai_chat.images.test_outcomes import files_in
from tests.ai_chat.images.test_pages import form
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for


def being_made(provider: FakeProvider) -> ImageRequest:
    wait_for(lambda: provider.images_requested > 0, "the provider to be asked")
    return ImageRequest.objects.get()


def test_a_program_stops_its_images_and_is_told_what_came_of_it(
    studio: Program, provider: FakeProvider
) -> None:
    with ThreadPoolExecutor() as pool:
        painting = pool.submit(studio.paint, "A slow tree [[delay:30]]")
        path = f"/api/ai/images/requests/{being_made(provider).pk}/stop"
        stopped = studio.client.post(path)
    assert stopped.status_code == painting.result().status_code == 200
    assert painting.result().json()["images"] == []
    made = stopped.json()
    assert (made["state"], made["images"], made["creditsCharged"]) == ("failed", [], 0)
    assert made["receipt"]["reason"] == "stopped_before_first_token"
    assert studio.client.post(path).json() == made, "It has ended: nothing changes."
    assert studio.balance == 100


def test_what_was_made_before_a_stop_is_kept_and_paid_for(
    odd_studio: Program, painter: FakePainter, var: Path
) -> None:
    set_painter(images_per_call=1)
    others = painter.will_send_one()
    with ThreadPoolExecutor() as pool:
        painting = pool.submit(odd_studio.paint, "A tree", count=3)
        wait_for(lambda: len(painter.calls) == 3 and bool(files_in(var)), "the first image")
        odd_studio.client.post(f"/api/ai/images/requests/{ImageRequest.objects.get().pk}/stop")
        others.set()
    answer = painting.result().json()
    assert (answer["state"], len(answer["images"])) == ("partial", 1)
    assert answer["receipt"]["reason"] == "stopped_before_first_token"
    assert (answer["receipt"]["refunded"], odd_studio.balance) == (10, 95)
    assert odd_studio.client.get(answer["images"][0]["url"]).status_code == 200


def test_stops_before_the_first_image_cost_once_the_free_ones_are_used_up(
    studio: Program, provider: FakeProvider
) -> None:
    """They are counted with stops of answers: each call is paid to the provider."""
    for _ in range(FREE_STOPS):
        take(f"early_stops:{studio.user.pk}", limit=FREE_STOPS, window=timedelta(hours=1))
    with ThreadPoolExecutor() as pool:
        painting = pool.submit(studio.paint, "A slow tree [[delay:30]]", count=2)
        studio.client.post(f"/api/ai/images/requests/{being_made(provider).pk}/stop")
    made = painting.result().json()
    assert (made["state"], made["creditsCharged"], made["images"]) == ("failed", 10, [])
    assert made["receipt"]["reason"] == "early_stops_used_up"
    assert studio.balance == 90
    page = studio.client.get("/images").text
    assert "free stops of this hour are used up" in page
    assert "<b>10 credits</b>" in page


def test_the_pages_form_stops_images_without_scripts(
    studio: Program, provider: FakeProvider
) -> None:
    data = form("A slow tree [[delay:30]]")
    studio.client.post("/images", data=data, headers={"HX-Request": "true"})
    job = being_made(provider)
    page = studio.client.get("/images").text
    assert f'action="/images/requests/{job.pk}/stop"' in page
    answer = studio.client.post(f"/images/requests/{job.pk}/stop")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/images#made-{job.pk}")
    wait_for(lambda: not ImageRequest.objects.get().is_running, "the request to end")
    assert "stopped early" in studio.client.get("/images").text
    assert studio.balance == 100
