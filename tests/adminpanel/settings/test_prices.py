"""/admin/settings: prices, from typing to saved."""

import re
from typing import Any

import pytest
from django.test import Client

from credits.features import FEATURE_CREDIT_COSTS, FEATURES
from credits.ledger import deduct_credits_for_feature, refund_charge, settle_charge
from credits.models import AdminSettings, AIModel, AuditEntry, SettingsChange, User
from credits.pricing import get_feature_costs
from tests.adminpanel.settings.words import value_of, words
from tests.clock import Clock
from tests.factories import make_charge, make_model, make_plan, make_user, set_price

PAGE = "/admin/settings"
TEXT, IMAGE = "ai_text_chat", "ai_image_generation"


def form(**typed: str) -> dict[str, str]:
    """What the page sends: every field as it stands, `typed` into some, and what it showed."""
    shown = get_feature_costs()
    fields = {key: str(cost) for key, cost in shown.items()}
    return {**fields, **{f"was.{key}": str(cost) for key, cost in shown.items()}, **typed}


class TestSaving:
    def test_a_review_says_what_changes_and_changes_nothing(self, desk: Client) -> None:
        answer = desk.get(f"{PAGE}/review", form(ai_text_chat="3"))
        assert "Review 1 change" in words(answer)
        assert "1 → 3" in words(answer)
        assert IMAGE not in words(answer)
        assert get_feature_costs() == FEATURE_CREDIT_COSTS

    def test_a_confirmed_price_holds_and_is_told_and_kept(self, desk: Client, admin: User) -> None:
        answer = desk.post(f"{PAGE}/costs", form(ai_text_chat="3"), follow=True)
        assert "Saved: Text chat 1 → 3." in words(answer)
        assert get_feature_costs() == {**FEATURE_CREDIT_COSTS, TEXT: 3}
        change = SettingsChange.objects.get()
        assert (change.actor, change.before, change.after) == (admin, 1, 3)
        assert AuditEntry.objects.get().origin == "127.0.0.1"
        assert "admin@example.com" in words(answer)

    def test_the_review_carries_all_that_the_confirmation_needs(self, desk: Client) -> None:
        page = desk.get(f"{PAGE}/review", form(ai_text_chat="3", ai_image_generation="0")).text
        hidden = dict(re.findall(r'<input type="hidden" name="([\w.]+)" value="(\d+)">', page))
        desk.post(f"{PAGE}/costs", hidden)
        assert get_feature_costs() == {**FEATURE_CREDIT_COSTS, TEXT: 3, IMAGE: 0}

    def test_what_nobody_touched_is_not_made_an_override(self, desk: Client) -> None:
        desk.post(f"{PAGE}/costs", form(ai_text_chat="3"))
        assert AdminSettings.objects.get().feature_costs == {TEXT: 3}

    def test_a_price_that_is_the_same_is_no_change(self, desk: Client) -> None:
        answer = desk.get(f"{PAGE}/review", form(ai_text_chat=" 1 "), follow=True)
        assert "Nothing is changed" in words(answer)
        desk.post(f"{PAGE}/costs", form())
        assert not SettingsChange.objects.exists()

    def test_the_way_back_keeps_what_was_typed(self, desk: Client) -> None:
        page = desk.get(f"{PAGE}/review", form(ai_text_chat="37")).text
        back = re.search(r'class="btn" href="([^"]+)">Back to editing', page)
        assert back
        answer = desk.get(back[1].replace("&amp;", "&"))
        assert value_of(answer, TEXT) == "37"
        assert "Review 1 change" in words(answer)

    def test_a_price_goes_back_to_its_default(self, desk: Client) -> None:
        set_price(TEXT, 7)
        assert "Use default" in words(desk.get(PAGE))
        answer = desk.get(f"{PAGE}/review", form(reset=TEXT))
        assert "7 → 1 (default)" in words(answer)
        desk.post(f"{PAGE}/costs", form(reset=TEXT))
        assert AdminSettings.objects.get().feature_costs == {}
        assert get_feature_costs()[TEXT] == 1
        assert SettingsChange.objects.get().after == 1
        assert "Use default" not in words(desk.get(PAGE))

    def test_a_review_of_nothing_asks_for_prices(self, desk: Client) -> None:
        assert desk.get(f"{PAGE}/review").status_code == 422
        assert desk.post(f"{PAGE}/costs").status_code == 422


WRONG = ["", "  ", "-1", "1.5", "1,5", "1e3", "NaN", "nan", "Infinity", "abc", "+3", "0x10", "٣",
         "1000001", "9" * 5000, "<b>3</b>", "3\x00"]  # fmt: skip


class TestWhatIsNoPrice:
    @pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:12] or "empty")
    @pytest.mark.parametrize("step", ["review", "costs"])
    def test_it_is_said_beside_its_field_and_nothing_typed_is_lost(
        self, text: str, step: str, desk: Client
    ) -> None:
        data = form(ai_text_chat=text, ai_image_generation="77")
        send = desk.get if step == "review" else desk.post
        answer = send(f"{PAGE}/{step}", data)
        assert answer.status_code == 422
        beside = re.search(rf'id="cost-{TEXT}_error"[^>]*>([^<]+)', answer.text)
        assert beside
        assert re.search("(must be|write) a whole number from 0 to 1,000,000", beside[1], re.I) or (
            "Null characters" in beside[1]
        )
        assert 'aria-invalid="true"' in answer.text
        assert value_of(answer, IMAGE) == "77"
        if "<" not in text:
            assert value_of(answer, TEXT) == text
        assert "<b>3</b>" not in answer.text
        assert get_feature_costs() == FEATURE_CREDIT_COSTS

    def test_a_price_given_twice_is_refused(self, desk: Client) -> None:
        data = {**form(), TEXT: ["3", "4"]}
        answer = desk.post(f"{PAGE}/costs", data)
        assert answer.status_code == 422
        assert "Given twice: 3 and 4." in words(answer)
        assert get_feature_costs() == FEATURE_CREDIT_COSTS

    def test_a_feature_that_is_none_is_left_out(self, desk: Client) -> None:
        desk.post(f"{PAGE}/costs", form(ai_video="3", reset="ai_video"))
        assert get_feature_costs() == FEATURE_CREDIT_COSTS

    def test_while_typing_it_is_said_too(self, desk: Client) -> None:
        answer = desk.get(f"{PAGE}/preview", form(ai_text_chat="x"))
        assert answer.status_code == 200
        assert "Must be a whole number" in answer.text


class TestTwoAdmins:
    def test_the_second_is_told_what_the_first_changed(
        self, desk: Client, other_desk: Client
    ) -> None:
        mine = form(ai_image_generation="8")
        other_desk.post(f"{PAGE}/costs", form(ai_text_chat="3"))
        answer = desk.post(f"{PAGE}/costs", mine)
        assert answer.status_code == 409
        assert "Text chat: 1 → 3, by dora@example.com" in words(answer)
        assert get_feature_costs() == {**FEATURE_CREDIT_COSTS, TEXT: 3}

    def test_their_own_values_stay_and_theirs_follow(
        self, desk: Client, other_desk: Client
    ) -> None:
        mine = form(ai_image_generation="8")
        other_desk.post(f"{PAGE}/costs", form(ai_text_chat="3"))
        answer = desk.get(f"{PAGE}/review", mine)
        assert answer.status_code == 409
        assert (value_of(answer, TEXT), value_of(answer, f"was.{TEXT}")) == ("3", "3")
        assert value_of(answer, IMAGE) == "8"
        desk.post(f"{PAGE}/costs", form(ai_image_generation="8"))
        assert get_feature_costs() == {**FEATURE_CREDIT_COSTS, TEXT: 3, IMAGE: 8}

    def test_the_same_price_is_overwritten_knowingly_only(
        self, desk: Client, other_desk: Client
    ) -> None:
        mine = form(ai_text_chat="9")
        other_desk.post(f"{PAGE}/costs", form(ai_text_chat="3"))
        answer = desk.post(f"{PAGE}/costs", mine)
        assert get_feature_costs()[TEXT] == 3
        again = {**mine, f"was.{TEXT}": value_of(answer, f"was.{TEXT}")}
        assert value_of(answer, TEXT) == "9"
        desk.post(f"{PAGE}/costs", again)
        assert get_feature_costs()[TEXT] == 9
        befores = SettingsChange.objects.order_by("pk").values_list("before", flat=True)
        assert list(befores) == [1, 3]

    def test_between_review_and_confirmation_too(
        self, desk: Client, other_desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The page's own look at the prices is not what protects them."""
        mine = form(ai_text_chat="9")
        stale = get_feature_costs()
        other_desk.post(f"{PAGE}/costs", form(ai_text_chat="3"))
        looks = iter([stale])
        monkeypatch.setattr(
            "adminpanel.settings.views.get_feature_costs",
            lambda: next(looks, get_feature_costs()),
        )
        answer = desk.post(f"{PAGE}/costs", mine)
        assert answer.status_code == 409
        assert "by dora@example.com" in words(answer)
        assert get_feature_costs()[TEXT] == 3

    def test_an_old_review_sent_again_changes_nothing(self, desk: Client) -> None:
        mine = form(ai_text_chat="9")
        desk.post(f"{PAGE}/costs", mine)
        desk.post(f"{PAGE}/costs", form(ai_text_chat="4"))
        assert desk.post(f"{PAGE}/costs", mine).status_code == 409
        assert get_feature_costs()[TEXT] == 4

    def test_a_page_that_says_nonsense_of_what_it_showed_changes_nothing(
        self, desk: Client
    ) -> None:
        data = {**form(ai_text_chat="9"), f"was.{TEXT}": "7"}
        assert desk.post(f"{PAGE}/costs", data).status_code == 409
        assert get_feature_costs()[TEXT] == 1


class TestFigures:
    def test_uses_are_units_that_were_not_refunded_in_the_last_week(
        self, desk: Client, clock: Clock, alice: User
    ) -> None:
        make_charge(alice, 50)
        clock.move(days=8)
        make_charge(alice, 4)
        lost = make_charge(alice, 3)
        refund_charge(charge_id=lost.id, reason="provider_error", idempotency_key="r")
        images = deduct_credits_for_feature(user_id=alice.pk, feature=IMAGE, quantity=4, hold=True)
        settle_charge(charge_id=images.id, delivered=3, reason="partial")
        answer = words(desk.get(f"{PAGE}/review", form(ai_text_chat="7", ai_image_generation="14")))
        assert "ai_text_chat 1 → 7 4 1 → 4 " in answer  # 4 uses: round(4/7), 4*7/7
        assert "ai_image_generation 5 → 14 3 2 → 6 " in answer  # 3 uses

    def test_a_model_that_costs_more_weighs_more(self, desk: Client, alice: User) -> None:
        for name, factor in (("small", 2), ("large", 5), ("gone", 9)):
            model = make_model(name, price_factor=factor)
            make_charge(alice, model=name)
        AIModel.objects.filter(pk=model.pk).update(active=False)
        answer = words(desk.get(f"{PAGE}/review", form(ai_text_chat="42")))
        assert "1 → 42 3 1 → 48 " in answer  # 3 uses of weight 2 + 5 + 1: 8/7, 8*42/7
        assert "1 → 1 of 2" in answer, "84 credits for the cheapest model"

    def test_who_could_still_pay_are_active_users_with_enough(
        self, desk: Client, alice: User, bob: User, carol: User
    ) -> None:
        make_user("gone@example.com", credits=500, is_active=False)
        answer = words(desk.get(f"{PAGE}/review", form(ai_text_chat="50")))
        assert "2 → 1 of 4 (−1)" in answer
        free = words(desk.get(f"{PAGE}/review", form(ai_text_chat="0")))
        assert "2 → 4 of 4 (+2)" in free

    def test_while_typing_only_the_figures_are_sent(self, desk: Client, alice: User) -> None:
        answer = desk.get(f"{PAGE}/preview", form(ai_text_chat="101"))
        assert "<html" not in answer.text
        assert "Review 1 change" in answer.text
        assert re.search(
            r'id="payers-ai_text_chat" hx-swap-oob="true">'
            r'<a href="/admin/users\?low=101&amp;state=active">0<',
            answer.text,
        )
        assert "<input" not in answer.text, "The field in which somebody types stays."

    def test_no_figure_needs_a_query_for_each_feature_or_user(
        self, desk: Client, alice: User, bob: User, django_assert_max_num_queries: Any
    ) -> None:
        make_charge(alice)
        with django_assert_max_num_queries(15):
            desk.get(f"{PAGE}/review", form(ai_text_chat="3"))

    def test_figures_lead_to_the_rows_and_people_behind_them(self, desk: Client) -> None:
        make_plan("cplan_pro")
        page = desk.get(PAGE).text
        links = re.findall(r'href="(/admin/us[^"]+\?[^"]+)"', page)
        assert len(links) == len(FEATURES) * 3 + 1, (
            "Of each price its uses, who could pay, and everybody."
        )
        for link in links:
            assert desk.get(link.replace("&amp;", "&")).status_code == 200, link
