"""/account, /pricing and the answers to who has too few credits: what there is, and how to get it.
And a code is redeemed on the page and through the API."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from credits.ledger import get_balance
from credits.models import UsageHistory, User
from credits.packs.codes import new_code
from tests.api import Api, assert_problem
from tests.credits.packs.making import make_codes, make_pack
from tests.factories import make_model, set_price

pytestmark = pytest.mark.django_db
REDEEM = "/api/account/redeem"
MESSAGE = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hello"}]}]}


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def mistyped() -> str:
    code = new_code()
    return code[:-1] + ("0" if code[-1] != "0" else "1")


class TestTheForm:
    def test_it_is_on_the_account_s_page_and_leads_to_the_line(
        self, page: Client, admin: User
    ) -> None:
        assert 'action="/account/redeem"' in page.get("/account").text
        _, [code] = make_codes(admin)
        done: Any = page.post("/account/redeem", {"code": f" {code.lower()} "})
        row = UsageHistory.objects.latest("pk")
        assert done.url == f"/usage?row={row.pk}#row-{row.pk}"
        shown = page.get(done.url).text
        assert "20 credits came: you have 120 now." in shown
        assert "Code redeemed" in shown
        again: Any = page.post("/account/redeem", {"code": code})
        assert "You redeemed this code on" in page.get(again.url).text

    @pytest.mark.parametrize(
        ("code", "status", "sentence"),
        [
            ("", 422, "Write the code."),
            ("7K3QX-N0ABC-1DEFG-H2J4V", 400, "Look for a typing error."),
            ("0" * 20, 404, "This code brings nothing"),
        ],
    )
    def test_what_is_wrong_is_said_beside_it(
        self, page: Client, code: str, status: int, sentence: str
    ) -> None:
        answer = page.post("/account/redeem", {"code": code})
        assert answer.status_code == status
        assert sentence in answer.text
        assert f'value="{code}"' in answer.text or not code

    def test_guesses_are_slowed_down(self, page: Client) -> None:
        for _ in range(10):
            assert page.post("/account/redeem", {"code": new_code()}).status_code == 404
        answer = page.post("/account/redeem", {"code": new_code()})
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 3600
        assert "Too many codes that bring nothing were tried. Try again in" in answer.text


class TestApi:
    def test_it_answers_what_came(self, alice: User, bob: User, admin: User) -> None:
        _, [code] = make_codes(admin)
        first = Api(alice).send("post", REDEEM, {"code": code}).json()
        row = UsageHistory.objects.latest("pk")
        assert first == {
            "credits": 20, "redeemedAt": first["redeemedAt"], "replayed": False,
            "creditsRemaining": 120, "usageId": row.pk,
        }  # fmt: skip
        again = Api(alice).send("post", REDEEM, {"code": code}).json()
        assert again == {**first, "replayed": True}
        assert_problem(Api(bob).send("post", REDEEM, {"code": code}), 404, "code_refused")
        assert_problem(Api(admin).send("post", REDEEM, {"code": code}), 404, "code_refused")

    @pytest.mark.parametrize("body", [{}, {"code": 5}, {"code": None}, {"code": "x" * 201}, []])
    def test_what_it_refuses(self, alice: User, body: Any) -> None:
        assert_problem(Api(alice).send("post", REDEEM, body), 400, "invalid")

    def test_a_typing_error_names_the_field(self, alice: User) -> None:
        problem = assert_problem(
            Api(alice).send("post", REDEEM, {"code": mistyped()}), 400, "invalid"
        )
        assert problem["issues"][0]["path"] == ["code"]

    def test_the_maker_is_refused(self, admin: User) -> None:
        _, [code] = make_codes(admin)
        assert_problem(Api(admin).send("post", REDEEM, {"code": code}), 403, "own_code")
        assert get_balance(user_id=admin.pk).remaining == 0


class TestWhatThereIs:
    @pytest.fixture(autouse=True)
    def packs(self, alice: User, settings: Settings) -> None:
        settings.CREDIT_SHOP_TEXT = "Write to shop@tally.example <now>"
        make_pack("Large", credits=500, price="€20", position=2)
        make_pack("Small", credits=50, price="", position=1)
        make_pack("Old", active=False)
        make_model()
        set_price("ai_text_chat", 101)
        set_price("ai_image_generation", 101)

    def test_on_the_prices(self, client: Client, alice: User) -> None:
        shown = client.get("/pricing").text
        assert shown.index("Small") < shown.index("Large")
        assert "<strong>500</strong> credits for <strong>€20</strong>" in shown
        assert "Old" not in shown and "/account/redeem" not in shown
        assert '<a href="mailto:shop@tally.example">shop@tally.example</a> &lt;now&gt;' in shown
        client.force_login(alice)
        assert 'href="/account/redeem"' in client.get("/pricing").text

    @pytest.mark.parametrize("path", ["/ai-chat", "/images", "/ai-chat/offer", "/images/offer"])
    def test_beside_a_button_that_is_off(self, page: Client, path: str) -> None:
        make_model("painter", feature="ai_image_generation")
        shown = " ".join(page.get(path).text.split())
        assert "Packs: Small, 50 credits; Large, 500 credits for €20." in shown
        assert "shop@tally.example</a> &lt;now&gt;" in shown
        assert 'or <a href="/account/redeem">redeem a code</a>' in shown

    def test_with_the_answer_to_a_message(self, page: Client) -> None:
        answer = page.post("/ai-chat", {"message": "Hello"})
        assert answer.status_code == 402
        assert "Packs: Small, 50 credits" in " ".join(answer.text.split())

    def test_in_the_api_s_answer(self, alice: User) -> None:
        answer = Api(alice).send("post", "/api/ai/chat", MESSAGE)
        body = assert_problem(answer, 402, "insufficient_credits")
        assert (body["required"], body["available"], body["next"]) == (101, 100, None)
        assert body["packs"] == [
            {"name": "Small", "credits": 50, "price": ""},
            {"name": "Large", "credits": 500, "price": "€20"},
        ]
        assert body["shop"] == "Write to shop@tally.example <now>"

    def test_without_a_text_the_administrator_is_asked(
        self, page: Client, settings: Settings
    ) -> None:
        settings.CREDIT_SHOP_TEXT = ""
        for path in ("/pricing", "/ai-chat"):
            assert "Ask your administrator for one." in page.get(path).text


def test_nothing_is_asked_for_by_a_button_that_is_on(
    page: Client, django_assert_max_num_queries: Any
) -> None:
    make_pack()
    make_model()
    assert "Packs:" not in page.get("/ai-chat").text
