"""/admin/users: finding people, and pages of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Max
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from adminpanel.users import search as user_search
from credits.models import Identity, SubscriptionItem, User, WebhookEndpoint
from tests.factories import make_adjustment_request, make_charge, make_plan, make_user
from tests.ledger import sql

PATH = "/admin/users"
HTMX = {"HX-Request": "true"}


def found(desk: Client, **query: Any) -> list[str]:
    answer = desk.get(PATH, query)
    assert answer.status_code == 200, answer.text
    return [str(user) for user in answer.context["page"].rows]


def subscribe(user: User, plan: str = "cplan_pro", status: str = "active") -> None:
    SubscriptionItem.objects.create(
        item_id=f"item_{user.pk}_{plan}", instance_id="ins", payer_kind="user",
        payer_id=user.clerk_id or "", plan_id=plan, plan_name="Pro", status=status,
    )  # fmt: skip


class TestSearch:
    @pytest.fixture(autouse=True)
    def cast(self, db: None) -> None:
        make_user("grace.hopper@navy.example", name="Grace O'Brien-Hopper", clerk_id="user_2Abc")
        make_user("zoë@example.com", name="Zoë Müller", clerk_id="user_2Xyz")
        make_user("1e5@example.com", name="")

    @pytest.mark.parametrize(
        "search",
        ["grace.hopper@navy.example", "GRACE", "hop", "brien", "navy", "hopper grace", "gra nav",
         "  grace  ", "o'brien", "user_2Abc", "user_2A"],
    )  # fmt: skip
    def test_beginnings_of_words_in_any_order_find_a_person(
        self, desk: Client, search: str
    ) -> None:
        assert found(desk, search=search) == ["grace.hopper@navy.example"]

    @pytest.mark.parametrize("search", ["zoë", "ZO", "müll"])
    def test_letters_of_any_alphabet_do(self, desk: Client, search: str) -> None:
        assert found(desk, search=search) == ["zoë@example.com"]

    def test_what_looks_like_a_number_is_a_word(self, desk: Client) -> None:
        assert found(desk, search="1e5") == ["1e5@example.com"]

    def test_an_id_of_ours_finds_a_person(self, desk: Client) -> None:
        zoe = User.objects.get(clerk_id="user_2Xyz")
        assert "zoë@example.com" in found(desk, search=str(zoe.pk))

    @pytest.mark.parametrize(
        "search",
        ["race", "%", "_", "'", "\\", "' OR 1=1 --", "a:* | b", "!grace", "user_2abc", "9" * 90,
         "grace nobody", "::", "\N{SNOWMAN}", "<script>"],
    )  # fmt: skip
    def test_what_means_something_elsewhere_finds_nobody(self, desk: Client, search: str) -> None:
        page = desk.get(PATH, {"search": search})
        assert page.status_code == 200
        assert search == "!grace" or page.context["page"].rows == []
        assert "<script>" not in page.text.replace("<script ", "")

    def test_what_finds_more_people_than_are_named_one_by_one_finds_all(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(user_search, "PREFETCHED", 1)
        assert len(found(desk, search="example")) == 4

    def test_nobody_is_an_empty_state_that_says_how_to_search(self, desk: Client) -> None:
        assert "Nobody like that" in desk.get(PATH, {"search": "nobody"}).text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"low": "x"}, "Balance from"), ({"low": "-1"}, "Balance from"), ({"high": "1.5"}, "to"),
        ({"low": "9" * 30}, "Balance from"), ({"low": "١٠"}, "Balance from"),
        ({"plan": "cplan_none"}, "Plan"), ({"signed_in": "5"}, "Signed in"),
        ({"state": "happy"}, "State"), ({"sort": "random"}, "Sort by"),
        ({"search": "x" * 101}, "Search"), ({"search": "a\0b"}, "Search"),
        ({"low": "5", "high": "4"}, "The lowest balance is above the highest."),
        ({"after": "1"}, "There is no such page."), ({"before": "1.x"}, "There is no such page."),
        ({"after": "9" * 40 + ".1"}, "There is no such page."),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_said_beside_it(
    desk: Client, query: dict[str, str], field: str
) -> None:
    answer = desk.get(PATH, query)
    assert answer.status_code == 400
    assert field in answer.text
    # htmx would leave a 400 out of the page.
    assert desk.get(PATH, query, headers=HTMX).status_code == 422


def test_people_are_filtered_by_balance(
    desk: Client, admin: User, alice: User, bob: User, carol: User
) -> None:
    assert found(desk, low="100") == ["alice@example.com"]
    assert found(desk, high="10") == ["carol@example.com", "bob@example.com", str(admin)]
    assert found(desk, low="1", high="99") == ["bob@example.com"]
    assert found(desk, high="0") == ["carol@example.com", str(admin)]


def test_people_are_filtered_by_plan(desk: Client, admin: User, alice: User, bob: User) -> None:
    make_plan("cplan_pro")
    for user, status in ((alice, "active"), (bob, "ended")):
        user.clerk_id = f"user_{user.pk}"
        user.save()
        subscribe(user, status=status)
    assert found(desk, plan="cplan_pro") == ["alice@example.com"]
    assert found(desk, plan="none") == ["bob@example.com", str(admin)]
    assert "Pro" in desk.get(PATH, {"search": "alice"}).text


def test_people_are_filtered_by_their_last_sign_in(
    desk: Client, admin: User, alice: User, bob: User
) -> None:
    User.objects.filter(pk=alice.pk).update(last_login=timezone.now() - timedelta(days=3))
    User.objects.filter(pk=bob.pk).update(last_login=timezone.now() - timedelta(days=40))
    assert found(desk, signed_in="7") == ["alice@example.com", str(admin)]
    assert found(desk, signed_in="90", search="bob") == ["bob@example.com"]


def test_people_are_filtered_by_state(
    desk: Client, admin: User, alice: User, bob: User, carol: User
) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    Identity.objects.create(clerk_id="user_c", user=carol, deleted_at=timezone.now())
    assert found(desk, state="inactive") == ["bob@example.com"]
    assert found(desk, state="gone") == ["carol@example.com"]
    assert found(desk, state="admin") == [str(admin)]
    assert "deleted" in desk.get(PATH, {"state": "gone"}).text


def test_a_row_says_what_is_there_what_is_held_and_when_it_was_used(
    desk: Client, alice: User, carol: User
) -> None:
    make_charge(alice, 3)
    charge = make_charge(alice, 4, hold=True)
    answer = desk.get(PATH, {"search": "alice"})
    [row] = answer.context["page"].rows
    assert (row.credits, row.held) == (93, 4)
    assert row.last_use is not None
    assert f'href="/admin/users/{alice.pk}"' in answer.text
    assert f'href="/admin/usage?user={alice.pk}&amp;state=held"' in answer.text
    held = desk.get(f"/admin/usage?user={alice.pk}&state=held").context["page"]
    assert [one.id for one in held.rows] == [charge.id]
    assert desk.get(PATH, {"search": "carol"}).context["page"].rows[0].last_use is None


def test_people_are_sorted(desk: Client, admin: User, alice: User, bob: User, carol: User) -> None:
    make_charge(bob)
    make_charge(alice)
    names = {user.pk: str(user) for user in (admin, alice, bob, carol)}
    a, b, c, staff = (names[user.pk] for user in (alice, bob, carol, admin))
    assert found(desk) == [c, b, a, staff]
    assert found(desk, sort="most") == [a, b, c, staff]
    assert found(desk, sort="least") == [c, staff, b, a]
    assert found(desk, sort="used") == [a, b, c, staff]


@pytest.mark.parametrize("search", ["", "example"])
@pytest.mark.parametrize("sort", ["newest", "most", "least", "used"])
def test_pages_hold_everybody_once_forwards_and_backwards(
    desk: Client, admin: User, sort: str, search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_search, "PAGE", 4)
    monkeypatch.setattr(user_search, "PREFETCHED", 1)
    for number in range(13):
        # Ties: balances of 0 (with a row and without), 5 and 10, three of each and more.
        user = make_user(f"u{number}@example.com", credits=5 * (number % 3))
        if number % 4 == 1 and number % 3:
            make_charge(user)
    asked = {"sort": sort, "search": search}
    whole = list(_walk(desk, asked, "after"))
    assert sorted(whole) == sorted(str(user) for user in User.objects.all())
    keys = [_balance(name) for name in whole]
    if sort in {"most", "least"}:
        assert keys == sorted(keys, reverse=sort == "most")
    if sort == "used":
        times = [_last_use(name) for name in whole]
        assert times == sorted(times, reverse=True)
    back = list(_walk(desk, asked, "before", start=_last_page(desk, asked)))
    assert back == whole


def _balance(name: str) -> int:
    balance = User.objects.get(email=name).credit_balance.first()
    return balance.credits_remaining if balance else 0


def _last_use(name: str) -> Any:
    """The id of this user's newest charge; 0 without one."""
    charges = User.objects.get(email=name).usage.filter(unit_cost__isnull=False)
    return charges.aggregate(last=Max("id", default=0))["last"]


def _walk(
    desk: Client, asked: dict[str, str], way: str, start: dict[str, str] | None = None
) -> list[str]:
    pages = []
    query: dict[str, str] | None = {**asked, **(start or {})}
    while query:
        page = desk.get(PATH, query).context["page"]
        pages.append([str(user) for user in page.rows])
        place = page.older if way == "after" else page.newer
        query = {**asked, way: str(place)} if place else None
    ordered = pages if way == "after" else reversed(pages)
    return [name for page in ordered for name in page]


def _last_page(desk: Client, asked: dict[str, str]) -> dict[str, str]:
    """The query of the last page."""
    query: dict[str, str] = {}
    while after := desk.get(PATH, {**asked, **query}).context["page"].older:
        query = {"after": str(after)}
    return query


def test_who_joins_meanwhile_shifts_no_page(
    desk: Client, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_search, "PAGE", 2)
    for number in range(4):
        make_user(f"u{number}@example.com")
    first = desk.get(PATH).context["page"]
    make_user("late@example.com")
    second = desk.get(PATH, {"after": str(first.older)}).context["page"]
    assert [str(user) for user in second.rows] == ["u1@example.com", "u0@example.com"]


def test_a_search_by_htmx_gets_the_table_alone(desk: Client, alice: User) -> None:
    answer = desk.get(PATH, {"search": "alice"}, headers=HTMX)
    assert "alice@example.com" in answer.text
    assert "<html" not in answer.text
    assert "HX-Request" in answer["Vary"]


@pytest.mark.parametrize("kind", ["HX-Boosted", "HX-History-Restore-Request"])
def test_a_boosted_link_and_a_restored_history_get_the_page(desk: Client, kind: str) -> None:
    assert "<html" in desk.get(PATH, headers={**HTMX, kind: "true"}).text


def test_a_page_takes_no_more_queries_for_more_people(
    desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        user = make_user(f"u{number}@example.com", credits=5, clerk_id=f"user_{number}")
        make_charge(user, hold=True)
        subscribe(user)
    with django_assert_max_num_queries(10):
        assert len(found(desk, search="example", sort="most")) == 31


def test_what_waits_for_a_second_admin_stands_above(desk: Client, alice: User) -> None:
    asked = make_adjustment_request(alice, delta=20_000)
    text = desk.get(PATH).text
    assert f"/admin/users/approvals/{asked.pk}" in text
    assert "+20,000 credits" in text


def test_a_search_goes_by_the_index(alice: User) -> None:
    # A plan for four people would be to read them all.
    sql("SET LOCAL enable_seqscan = off")
    plan = sql(
        "EXPLAIN SELECT id FROM credits_user"
        " WHERE adminpanel_person(email, name) @@ adminpanel_person_query('alice')"
    )
    assert any("Bitmap Index Scan on adminpanel_person_words" in line for (line,) in plan), plan


def test_a_persons_webhooks_by_host_alone(desk: Client, alice: User) -> None:
    WebhookEndpoint.objects.create(
        account_id=alice.pk, url="https://hooks.example.com/known-to-alice-alone", secret="x",
        active=False, disabled_reason="gone",
    )  # fmt: skip
    page = desk.get(f"{PATH}/{alice.pk}").text
    assert "hooks.example.com" in page
    assert "gone" in page
    assert "known-to-alice-alone" not in page
