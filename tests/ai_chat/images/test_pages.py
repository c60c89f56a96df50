"""The gallery and the composer's image mode, as a browser uses them: with scripts and without."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from ai_chat.images.requests import MAX_IMAGES
from ai_chat.models import Conversation, Image, ImageRequest
from ai_chat.pages.forms import shown_price
from credits.features import MAX_FEATURE_COST
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.ai_chat.images.test_outcomes import files_in
from tests.waiting import wait_for

HTMX = {"HX-Request": "true"}


def form(message: str = "A tree", **more: str) -> dict[str, str]:
    return {"message": message, "size": "64x64", "image_price": "5", "key": uuid4().hex, **more}


def test_without_scripts_the_page_comes_back_with_the_image(studio: Program, var: Path) -> None:
    browser = studio.client
    assert "No images yet" in browser.get("/images").text
    posted = browser.post("/images", data=form("A <b>tree</b>"))
    made = ImageRequest.objects.get()
    assert (posted.status_code, posted.headers["Location"]) == (302, f"/images#made-{made.pk}")
    page = browser.get("/images").text
    image = made.images.get()
    assert f'src="/images/{image.pk}/file"' in page
    assert "A &lt;b&gt;tree&lt;/b&gt;" in page
    assert f"/usage?row={made.charge_id}#row-{made.charge_id}" in page
    again = browser.get(f"/images?reuse={made.pk}").text
    assert re.search(r"<textarea[^>]*>A &lt;b&gt;tree&lt;/b&gt;</textarea>", again)
    assert '<option value="64x64" selected>' in again

    assert "Delete this image?" in browser.get(f"/images/{image.pk}/delete").text
    assert Image.objects.exists()
    assert browser.post(f"/images/{image.pk}/delete").status_code == 302
    assert not Image.objects.exists()
    assert not files_in(var)
    assert f"made-{made.pk}" not in browser.get("/images").text
    assert studio.balance == 95


def test_with_scripts_a_card_fills_itself(studio: Program) -> None:
    posted = studio.client.post("/images", data=form("Tree [[delay:1]]"), headers=HTMX)
    made = ImageRequest.objects.get()
    assert posted.headers["HX-Trigger"] == "credits:changed"
    assert f'hx-get="/images/requests/{made.pk}"' in posted.text
    assert "5 credits held" in posted.text
    assert 'id="image-foot" class="foot" hx-swap-oob="true"' in posted.text
    card = f"/images/requests/{made.pk}"
    assert studio.client.get(card, headers=HTMX).status_code == 204
    wait_for(lambda: not ImageRequest.objects.get().is_running, "the image")
    done = studio.client.get(card, headers=HTMX)
    assert done.status_code == 200
    assert "/file" in done.text
    assert "hx-get" not in done.text


def test_a_double_click_is_one_request(studio: Program) -> None:
    data = form()
    for _ in range(2):
        assert studio.client.post("/images", data=data, headers=HTMX).status_code == 200
    wait_for(lambda: not ImageRequest.objects.get().is_running, "the image")
    assert studio.balance == 95


def test_a_key_with_a_nul_in_it_is_a_key(studio: Program) -> None:
    data = form(key="a\0b")
    for _ in range(2):
        assert studio.client.post("/images", data=data).status_code == 302
    for _ in range(2):
        assert Chat(studio.site, studio.user).send("Hello", key="a\0b").status == 200
    assert studio.balance == 100 - 5 - 1


def test_the_largest_price_there_can_be_is_read_from_the_button() -> None:
    largest = MAX_FEATURE_COST * 999 * MAX_IMAGES
    assert shown_price(str(largest)) == largest


def test_no_more_is_charged_than_the_button_said(
    studio: Program, subtests: pytest.Subtests
) -> None:
    for more in ({"count": "3"}, {"image_price": "4"}):
        with subtests.test(str(more)):
            posted = studio.client.post("/images", data=form(**more), headers=HTMX)
            assert posted.status_code == 409
            assert posted.headers["HX-Retarget"] == "#image-foot"
            assert "Nothing was charged" in posted.text
    asked_again = studio.client.post("/images", data=form(count="3"))
    assert "3 images cost 15 credits." in asked_again.text
    assert 'name="image_price" value="15"' in asked_again.text
    assert ">A tree</textarea>" in asked_again.text
    assert (studio.balance, ImageRequest.objects.count()) == (100, 0)


@pytest.mark.parametrize("path", ["/images", "/ai-chat"])
def test_a_number_of_images_that_nobody_can_ask_for_is_refused(
    studio: Program, path: str, subtests: pytest.Subtests
) -> None:
    for count in ("0", "5", "-1", "two", ""):
        with subtests.test(count):
            data = form(count=count, image_price="100", mode="image")
            posted = studio.client.post(path, data=data)
            assert posted.status_code == 400
            assert "Ask for 1 to 4 images." in posted.text
    assert (studio.balance, ImageRequest.objects.count()) == (100, 0)


def test_a_refund_is_told_and_can_be_put_away(studio: Program) -> None:
    studio.client.post("/images", data=form("Tree [[fail:500]]"))
    made = ImageRequest.objects.get()
    page = studio.client.get("/images").text
    assert "Refunded 5 credits" in page
    assert "the provider failed" in page
    assert f"#row-{made.refund_id}" in page
    remove = f"/images/requests/{made.pk}/delete"
    assert "Remove this request?" in studio.client.get(remove).text
    assert studio.client.post(remove).status_code == 302
    assert not ImageRequest.objects.exists()
    assert studio.balance == 100


def test_the_composer_makes_images_in_the_conversation(studio: Program) -> None:
    chat = Chat(studio.site, studio.user)
    answer = chat.send("Tree", mode="image", size="64x64", count="2", image_price="10")
    assert answer.names == ["turn", "end"]
    assert answer.headers["HX-Trigger"] == "credits:changed"
    assert answer.receipt == "10 credits"
    conversation = Conversation.objects.get()
    assert answer.headers["HX-Push-Url"] == f"/ai-chat/{conversation.pk}"
    path = f"/ai-chat/{conversation.pk}"
    chat.send("And now words", path=path)
    plain = studio.client.post(path, data=form("Another", mode="image"))
    assert plain.headers["Location"].startswith(f"{path}#turn-")
    page = studio.client.get(path).text
    order = [page.index(text) for text in ("Tree", "And now words", "Another")]
    assert order == sorted(order)
    assert page.count("<figure") == 3
    assert studio.balance == 100 - 10 - 1 - 5

    studio.client.post(f"{path}/delete")
    assert (Conversation.objects.count(), Image.objects.count()) == (0, 3)
    assert studio.client.get("/images").text.count("<figure") == 3
