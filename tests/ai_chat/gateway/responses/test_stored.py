"""What is kept of responses: once however often it comes, until its day, and never another
account's."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from ai_chat.data.kept_responses import delete_kept, forget, kept_responses, set_keeping
from ai_chat.gateway.responses.fields import Fields, InvalidParameter
from ai_chat.gateway.responses.incoming import Item
from ai_chat.gateway.responses.stored import KeptItems, delete_response, find_response, today
from ai_chat.models import KeptResponse, ResponseItem
from credits.models import User
from tests.ai_chat.gateway.responses.kept import keep
from tests.factories import make_user
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
HELLO = {"role": "user", "content": "Hello"}


@pytest.fixture
def kept() -> KeptItems:
    return KeptItems(make_user().pk)


def texts(items: list[Item]) -> list[str]:
    contents = [item["content"] for item in items]
    return [each if isinstance(each, str) else each[0]["text"] for each in contents]


def unknown(kept: KeptItems, response_id: str) -> str:
    with pytest.raises(InvalidParameter) as caught:
        kept.conversation(response_id)
    return caught.value.code


def test_a_conversation_is_read_from_its_beginning_in_one_statement(kept: KeptItems) -> None:
    keep(kept, 1, HELLO, text="a")
    keep(kept, 2, {**HELLO, "content": "b"}, HELLO, text="c", previous_response_id="resp_1")
    keep(kept, 3, HELLO, text="d", previous_response_id="resp_2")
    assert kept.keeps
    with CaptureQueriesContext(
        connection,
    ) as statements:
        items = kept.conversation("resp_3")
    assert len(statements) == 1
    assert texts(items) == ["Hello", "a", "b", "Hello", "c", "Hello", "d"]


def test_what_comes_again_is_kept_once(kept: KeptItems) -> None:
    for number in range(3):
        keep(kept, number, HELLO, {**HELLO, "content": "More"})
    # Two messages, three answers, one request.
    assert ResponseItem.objects.count() == 6
    other = KeptItems(make_user().pk)
    keep(other, 9, HELLO)
    assert ResponseItem.objects.filter(account_id=other.account_id).count() == 3


def test_a_reference_is_kept_as_what_it_refers_to(kept: KeptItems) -> None:
    keep(kept, 1, HELLO)
    keep(kept, 2, {"type": "item_reference", "id": "msg_1"}, HELLO)
    assert texts(kept.conversation("resp_2")) == ["Hi", "Hello", "Hi"]


def test_what_is_referred_to_stays_as_long_as_who_refers(kept: KeptItems) -> None:
    keep(kept, 1, HELLO)
    tomorrow = today() + timedelta(days=1)
    ResponseItem.objects.update(expires_on=tomorrow)
    keep(kept, 2, HELLO, {"id": "msg_1"})
    ResponseItem.objects.filter(expires_on=tomorrow).delete()
    assert texts(kept.conversation("resp_2")) == ["Hello", "Hi", "Hi"]


def test_nothing_is_found_after_its_day(kept: KeptItems) -> None:
    keep(kept, 1, HELLO)
    KeptResponse.objects.update(expires_on=today())
    ResponseItem.objects.update(expires_on=today())
    assert unknown(kept, "resp_1") == "previous_response_not_found"
    with pytest.raises(InvalidParameter, match="not kept any more"):
        kept.items([Fields({"id": "msg_1"}, "input[0]")])
    assert find_response(account_id=kept.account_id, response_id="resp_1") is None
    keep(kept, 2, HELLO)
    forget()
    assert [*KeptResponse.objects.values_list("pk", flat=True)] == ["resp_2"]
    # The question came again and stays, with the answer to it and what was asked for.
    assert ResponseItem.objects.count() == 3


@pytest.mark.parametrize("days", [1, 30])
def test_nothing_is_kept_longer_than_the_setting_says(
    kept: KeptItems, settings: Any, days: int
) -> None:
    settings.API_RESPONSE_DAYS = days
    keep(kept, 1, HELLO)
    last = today() + timedelta(days=days)
    assert {*KeptResponse.objects.values_list("expires_on", flat=True)} == {last}
    assert {*ResponseItem.objects.values_list("expires_on", flat=True)} == {last}


def test_a_conversation_that_lacks_something_is_refused(kept: KeptItems) -> None:
    keep(kept, 1, HELLO)
    keep(kept, 2, HELLO, previous_response_id="resp_1")
    KeptResponse.objects.filter(pk="resp_1").delete()
    assert unknown(kept, "resp_2") == "previous_response_not_found"
    keep(kept, 3, HELLO)
    ResponseItem.objects.filter(pk="msg_3").delete()
    assert unknown(kept, "resp_3") == "previous_response_not_found"
    assert unknown(kept, "resp_4\0") == "previous_response_not_found"


def test_what_is_gone_on_from_has_the_room_of_one_body(kept: KeptItems, settings: Any) -> None:
    settings.LARGE_BODIES = {"/v1/responses": 100_000}
    long = {**HELLO, "content": "x" * 60_000}
    keep(kept, 1, long, text="a")
    assert len(kept.conversation("resp_1")) == 2
    keep(kept, 2, {**long, "content": "y" * 60_000}, previous_response_id="resp_1")
    assert refusal(kept.conversation, "resp_2") == "request_too_large"
    # However often one item is named, and however well it is packed.
    name = KeptResponse.objects.get(pk="resp_1").inputs[0]
    reference = Fields({"id": name}, "input[0]")
    assert kept.items([reference]) == [long]
    assert refusal(kept.items, [reference, reference]) == "request_too_large"


def refusal(read: Any, *args: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        read(*args)
    return caught.value.code


def test_other_accounts_have_nothing_of_it(kept: KeptItems) -> None:
    keep(kept, 1, HELLO)
    other = KeptItems(make_user().pk)
    assert unknown(other, "resp_1") == "previous_response_not_found"
    with pytest.raises(InvalidParameter) as caught:
        other.items([Fields({"id": "msg_1"}, "input[0]")])
    assert (caught.value.param, caught.value.code) == ("input[0].id", "item_not_found")
    assert find_response(account_id=other.account_id, response_id="resp_1") is None


@pytest.mark.parametrize("by", ["the site", "the account"])
def test_where_nothing_is_kept_it_is_said_what_to_do(
    kept: KeptItems, settings: Any, by: str
) -> None:
    if by == "the site":
        settings.API_RESPONSE_DAYS = 0
    kept = KeptItems(kept.account_id, wanted=by != "the account")
    assert not kept.keeps
    with pytest.raises(InvalidParameter, match="'store': false"):
        kept.conversation("resp_1")
    with pytest.raises(InvalidParameter, match="'store': false"):
        kept.items([Fields({"id": "msg_1"}, "input[0]")])


def test_who_wants_nothing_kept_has_nothing_kept(kept: KeptItems) -> None:
    keep(kept, 1, HELLO)
    other = KeptItems(make_user().pk)
    keep(other, 2, HELLO)
    set_keeping(account_id=kept.account_id, keeps=False)
    assert {*ResponseItem.objects.values_list("account", flat=True)} == {other.account_id}
    set_keeping(account_id=kept.account_id, keeps=True)
    keep(kept, 3, HELLO)
    assert find_response(account_id=kept.account_id, response_id="resp_3")


@pytest.mark.parametrize("why", ["turned off", "closed"])
def test_a_call_that_ends_after_it_was_turned_off_keeps_nothing(kept: KeptItems, why: str) -> None:
    assert kept.keeps
    user = User.objects.filter(pk=kept.account_id)
    if why == "closed":
        user.update(closed_at=Now())
    else:
        user.update(keeps_answers=False)
    keep(kept, 1, HELLO)
    assert not ResponseItem.objects.exists()
    assert not KeptResponse.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_calls_at_the_same_time_keep_the_same_items() -> None:
    kept = KeptItems(make_user().pk)
    items = [{**HELLO, "content": f"{number}"} for number in range(1000)]
    ways = [items, items[::-1]] * 4
    in_parallel(len(ways), lambda number: keep(kept, number, *ways[number]))
    assert KeptResponse.objects.count() == len(ways)
    assert ResponseItem.objects.count() == len(items) + len(ways) + 1


def test_a_deleted_response_leaves_what_others_have(kept: KeptItems) -> None:
    keep(kept, 1, HELLO, {**HELLO, "content": "Alone"})
    keep(kept, 2, HELLO, {"id": "msg_1"})
    first = find_response(account_id=kept.account_id, response_id="resp_1")
    assert first
    delete_response(first)
    assert texts(kept.conversation("resp_2")) == ["Hello", "Hi", "Hi"]
    assert "Alone" not in str([*ResponseItem.objects.values_list("item", flat=True)])


def test_what_no_database_takes_is_kept_without_it(kept: KeptItems) -> None:
    keep(kept, 1, {**HELLO, "content": "a\0b \\u0000"}, text="c\ud83d")
    assert texts(kept.conversation("resp_1")) == ["ab \\u0000", "c\N{REPLACEMENT CHARACTER}"]
    keep(kept, 2, {**HELLO, "extra": [float("nan"), float("-inf"), 1]})
    assert kept.conversation("resp_2")[0]["extra"] == [None, None, 1]


def test_all_that_is_kept_is_in_the_archive_and_goes_with_the_account(kept: KeptItems) -> None:
    keep(kept, 1, HELLO, instructions="Be kind.")
    [response] = kept_responses(account_id=kept.account_id)
    assert response["instructions"] == "Be kind."
    assert texts(response["input"]) == ["Hello"]
    assert texts(response["output"]) == ["Hi"]
    delete_kept(account_id=kept.account_id)
    assert not ResponseItem.objects.exists()
    assert not KeptResponse.objects.exists()
    keep(kept, 2, HELLO)
    User.objects.get(pk=kept.account_id).delete()
    assert not ResponseItem.objects.exists()
