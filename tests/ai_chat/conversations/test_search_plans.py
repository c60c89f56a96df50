"""How the database searches and lists: by indexes, bounded by the user."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ai_chat.conversations.lists import chats_page, rail
from ai_chat.conversations.search import find_matches
from credits.models import User
from tests.bench.chats import fill
from tests.factories import make_user

#: Tables that grow with every message.
LARGE = ("ai_chat_searchentry", "ai_chat_turn", "ai_chat_conversation")


@pytest.fixture
def large(db: None) -> User:
    """A user with a tenth of 20,000 messages of 200 users."""
    user = make_user("large@example.com")
    fill(user, messages=20_000, users=200)
    return user


def plans_of(call: Any) -> list[str]:
    """The plan of each query that the call makes."""
    with CaptureQueriesContext(connection) as queries:
        call()
    plans = []
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
    return plans


def test_searches_and_lists_read_no_large_table_from_end_to_end(large: User) -> None:
    calls = [
        lambda: find_matches(user_id=large.pk, search="w15000"),
        lambda: find_matches(user_id=large.pk, search="w3 w40 w120"),
        lambda: find_matches(user_id=large.pk, search="w1"),
        lambda: find_matches(user_id=large.pk + 1, search="w1"),
        lambda: rail(user_id=large.pk),
        lambda: chats_page(user_id=large.pk),
    ]
    for call in calls:
        for plan in plans_of(call):
            assert not any(f"Seq Scan on {table}" in plan for table in LARGE), plan


@pytest.mark.parametrize("search", ["w15000", "w3 w40", "w1"])
def test_a_search_reads_the_words_of_its_user_alone(large: User, search: str) -> None:
    plan, *_ = plans_of(lambda: find_matches(user_id=large.pk, search=search))
    by_words = "Bitmap Index Scan on search_by_words" in plan
    # Words that many messages have are read from the latest of the user's backwards.
    assert by_words or "search_latest on ai_chat_searchentry" in plan, plan
    assert f"'{large.pk} w" in plan, plan
