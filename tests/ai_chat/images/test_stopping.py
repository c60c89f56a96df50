"""Images that are stopped: by a program, and by the page's form without scripts."""

import threading

from ai_chat.models import ImageRequest
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.test_pages import form
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for


def being_made(provider: FakeProvider) -> ImageRequest:
    wait_for(lambda: provider.images_requested > 0, "the provider to be asked")
    return ImageRequest.objects.get()


def test_a_program_stops_its_images_and_is_told_what_came_of_it(
    studio: Program, provider: FakeProvider
) -> None:
    painting = threading.Thread(target=studio.paint, args=["A slow tree [[delay:30]]"])
    painting.start()
    path = f"/api/ai/images/requests/{being_made(provider).pk}/stop"
    stopped = studio.client.post(path)
    painting.join()
    assert stopped.status_code == 200
    made = stopped.json()
    assert (made["state"], made["images"], made["creditsCharged"]) == ("failed", [], 0)
    assert made["receipt"]["reason"] == "stopped_before_first_token"
    assert studio.client.post(path).json() == made, "It has ended: nothing changes."
    assert studio.balance == 100


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
