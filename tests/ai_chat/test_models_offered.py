"""Models that need a plan, and features without a model: on the pages and in the API, nothing is
charged and nothing breaks."""

import re
from typing import Any

import pytest
from django.test import Client

from credits.models import AIModel, SubscriptionItem, UsageHistory, User
from tests.factories import make_grant, make_model, make_plan, make_user

pytestmark = pytest.mark.django_db
IMAGE = "ai_image_generation"
#: A message and an image, on the page and through the API.
SENDS: list[tuple[str, dict[str, Any], bool]] = [
    ("/ai-chat", {"message": "Hello", "model": "large"}, False),
    ("/ai-chat", {"message": "A tree", "image_model": "painter", "mode": "image"}, False),
    ("/images", {"message": "A tree", "image_model": "painter"}, False),
    ("/api/ai/chat", {"model": "large", "messages": [
        {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}]}, True),
    ("/api/ai/image", {"prompt": "A tree", "model": "painter"}, True),
]  # fmt: skip


@pytest.fixture
def dana(client: Client) -> User:
    """Has credits and no plan; `large` and `painter` need one, `small` does not."""
    plan = make_plan("cplan_pro", credits=500)
    make_model("large", least_plan=plan)
    make_model("small")
    make_model("painter", feature=IMAGE, least_plan=plan)
    user = make_user(clerk_id="user_dana")
    make_grant(user, 100)
    client.force_login(user)
    return user


def subscribe(_: User) -> None:
    SubscriptionItem.objects.create(
        item_id="item", instance_id="i", plan_id="cplan_pro", status="active", payer_kind="user",
        payer_id="user_dana",
    )  # fmt: skip


def send(client: Client, address: str, body: dict[str, Any], *, in_json: bool) -> Any:
    if in_json:
        return client.post(address, body, content_type="application/json")
    return client.post(address, body)


@pytest.mark.parametrize(("address", "body", "in_json"), SENDS)
def test_a_model_beyond_the_plan_is_refused_before_the_charge(
    client: Client, dana: User, address: str, body: dict[str, Any], in_json: bool
) -> None:
    answer = send(client, address, body, in_json=in_json)
    assert answer.status_code == 403
    assert "part of the plan Pro" in answer.text
    if in_json:
        assert (answer.json()["error"], answer.json()["plan"]) == ("plan_required", "Pro")
    assert not UsageHistory.objects.filter(credits_used__gt=0).exists()


def test_the_choice_says_which_plan_it_takes(client: Client, dana: User) -> None:
    page = client.get("/ai-chat").text
    assert '<option value="large"  disabled>large · 1 credit · with Pro</option>' in page
    assert '<option value="small" selected >small · 1 credit</option>' in page
    assert "For this you need the plan Pro." in page, "There is no other painter."
    models = client.get("/api/ai/models").json()
    assert [(model["id"], model["plan"]) for model in models["text"]] == [
        ("large", "Pro"), ("small", ""),
    ]  # fmt: skip
    subscribe(dana)
    page = client.get("/ai-chat").text
    assert "with Pro" not in page
    assert '<option value="large" selected >large · 1 credit</option>' in page
    models = client.get("/api/ai/models").json()
    assert [model["plan"] for model in models["text"] + models["image"]] == ["", "", ""]


@pytest.mark.parametrize(("address", "body", "in_json"), SENDS)
def test_where_no_model_is_offered_that_is_said(
    client: Client, dana: User, address: str, body: dict[str, Any], in_json: bool
) -> None:
    AIModel.objects.update(active=False)
    for named in (body, {key: body[key] for key in body if "model" not in key}):
        answer = send(client, address, named, in_json=in_json)
        assert answer.status_code == 400
        assert "No model is offered at present." in answer.text
    assert not UsageHistory.objects.filter(credits_used__gt=0).exists()


def test_pages_work_without_any_model(client: Client, dana: User, admin: User) -> None:
    AIModel.objects.update(active=False)
    for address in (
        "/ai-chat",
        "/ai-chat?mode=image",
        "/images",
        "/ai-chat/offer",
        "/images/offer",
    ):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "No model is offered at present." in answer.text
        assert "disabled" in answer.text
    assert client.get("/api/ai/models").json() == {"text": [], "image": []}
    for address in ("/pricing", "/usage"):
        assert client.get(address).status_code == 200
    client.force_login(admin)
    for address in ("/admin/settings", "/admin/settings/preview?ai_text_chat=3", "/admin"):
        assert client.get(address).status_code == 200


def test_a_button_that_lost_its_models_is_sent_anew(client: Client, dana: User) -> None:
    page = client.get("/images").text
    shown = page.partition('name="shown" value="')[2].partition('"')[0]
    assert client.get("/images/offer", {"shown": shown}).status_code == 204
    AIModel.objects.update(active=False)
    assert client.get("/images/offer", {"shown": shown}).status_code == 200


@pytest.mark.parametrize("field", ["/ai-chat model", "/images image_model"])
def test_a_model_that_no_database_could_name_is_refused(
    client: Client, dana: User, field: str
) -> None:
    address, name = field.split()
    answer = client.post(address, {"message": "Hello", name: "large\0"})
    assert answer.status_code == 400
    assert "Choose one of the models offered." in answer.text


@pytest.mark.parametrize("address", ["/images", "/ai-chat"])
def test_the_pages_offer_the_sizes_that_a_model_makes(
    client: Client, alice: User, address: str
) -> None:
    make_model("painter", feature=IMAGE, sizes=["512x512", "1024x1024"])
    make_model("any-size", feature=IMAGE)
    client.force_login(alice)
    page = client.get(address).text
    assert offered_sizes(page) == ["512x512", "1024x1024"]
    assert '<option value="1024x1024" selected>Square</option>' in page
    form = {"message": "A tree", "mode": "image", "image_model": "painter", "size": "64x64"}
    refused = client.post(address, form)
    assert refused.status_code == 400
    assert "painter makes images of 512x512, 1024x1024." in refused.text
    assert offered_sizes(refused.text) == ["512x512", "1024x1024"]
    other = client.post(address, {**form, "image_model": "any-size", "size": "2x2"})
    assert offered_sizes(other.text) == ["1024x1024", "1536x1024", "1024x1536", "2x2"]


def offered_sizes(page: str) -> list[str]:
    """The values of the field for the size, in their order."""
    field = re.search(r'<select [^>]*id="size".*?</select>', page, re.DOTALL)
    assert field
    return re.findall(r'<option value="([^"]*)"', field[0])
