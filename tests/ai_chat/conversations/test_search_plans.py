"""How the database searches and lists: by indexes, bounded by the user."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ai_chat.conversations.lists import chats_page, rail
from ai_chat.conversations.search import KEY, WALKED, Match, find_matches
from config.pagination import Page, key_of
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


def plans_of(call: Any, explain: str = "EXPLAIN") -> list[str]:
    """The plan of each query that the call makes."""
    with CaptureQueriesContext(connection) as queries:
        call()
    plans = []
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            cursor.execute(f"{explain} {query['sql']}")
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
    plans = plans_of(lambda: find_matches(user_id=large.pk, search=search))
    for plan in filter(lambda plan: "tsquery" in plan, plans):
        by_words = "Bitmap Index Scan on search_by_words" in plan
        # Words that many messages have are read from the latest of the user's backwards.
        assert by_words or "search_latest on ai_chat_searchentry" in plan, plan
        assert f"'{large.pk} w" in plan, plan


@pytest.mark.parametrize(
    ("search", "is_rare"),
    [
        ("w15000", True), ("w15000 w", True), ("none", True), ("w3 w14000", True),
        ("w0", False), ("w", False), ("w0 w1", False),
    ],
)  # fmt: skip
def test_the_index_of_words_is_asked_for_rare_words_alone(
    large: User, search: str, *, is_rare: bool
) -> None:
    def call() -> Page[Match]:
        return find_matches(user_id=large.pk, search=search)

    page = call()
    older = key_of(page.older, *KEY) if page.older else None
    calls = [call, lambda: find_matches(user_id=large.pk, search=search, older_than=older)]
    for each in calls:
        plans = "\n".join(plans_of(each, "EXPLAIN (ANALYZE, TIMING OFF)"))
        assert ("on search_by_words" in plans) is is_rare, plans
        walked = [int(rows) for rows in re.findall(r"Rows Removed by Filter: (\d+)", plans)]
        assert sum(walked) <= 2 * WALKED, plans
        indexed = re.findall(r"on search_by_words .*actual rows=(\d+)", plans)
        assert all(int(rows) < WALKED for rows in indexed), plans
