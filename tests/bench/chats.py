"""Searching among a million messages, and opening a long chat, against what pages do anyway."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.db import connection, transaction
from django.test import Client

from ai_chat.conversations.lists import rail
from ai_chat.conversations.search import find_matches
from ai_chat.models import Conversation
from credits.models import User
from tests.bench.measure import Prepare, in_turn, rate, ratio, row
from tests.factories import make_user

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "1000000"))
#: One user has a tenth of all messages, so many others the rest, in chats of 20.
USERS = 5000
CHAT = 20
#: Different words; of one message so many, the first ones of the vocabulary more often.
VOCABULARY, WORDS = 20_000, 40

STATEMENTS = [
    "SET LOCAL session_replication_role = replica",
    "SET LOCAL maintenance_work_mem = '512MB'",
    "SELECT setseed(0.42)",
    "DROP INDEX search_by_words",
    """
    CREATE TEMP TABLE writer ON COMMIT DROP AS
    SELECT n, nextval(pg_get_serial_sequence('credits_user', 'id')) AS id
    FROM generate_series(1, %(users)s) AS n
    """,
    """
    INSERT INTO credits_user (id, password, is_superuser, email, name, is_active, is_staff,
        alerts_by_mail, keeps_answers, date_joined)
    SELECT id, '!', false, format('writer%%s@example.com', n), '', true, false, true, true, now()
    FROM writer
    """,
    "INSERT INTO credits_account (id, kind) SELECT id, 'personal' FROM writer",
    """
    CREATE TEMP TABLE chat ON COMMIT DROP AS
    SELECT gen_random_uuid() AS id, c AS number, now() - interval '1 minute' * c AS at,
        CASE WHEN c %% 10 = 0 THEN %(large)s ELSE w.id END AS owner
    FROM generate_series(1, %(messages)s / %(chat)s) c
    JOIN writer w ON w.n = 1 + (c * 7919) %% %(users)s
    """,
    """
    INSERT INTO ai_chat_conversation (id, user_id, title, active_at)
    SELECT id, owner, format('Chat %%s', number), at FROM chat
    """,
    """
    CREATE TEMP TABLE message ON COMMIT DROP AS
    SELECT gen_random_uuid() AS id, c.id AS chat, c.owner, c.at + interval '1 second' * m AS at,
        ARRAY(SELECT 'w' || floor(%(vocabulary)s * power(random(), 3) + 0 * m)::int
            FROM generate_series(1, %(words)s)) AS words
    FROM chat c CROSS JOIN generate_series(1, %(chat)s) m
    """,
    """
    INSERT INTO ai_chat_turn (id, user_id, conversation_id, model, prompt, answer, state, failure,
        stop_requested, created_at)
    SELECT id, owner, chat, 'm', array_to_string(words[1:8], ' '), array_to_string(words[9:], ' '),
        'imported', '', false, at
    FROM message
    """,
    """
    INSERT INTO ai_chat_searchentry (entry, user_id, conversation_id, is_title, created_at, vector)
    SELECT id, owner, chat, 0, at,
        array_to_tsvector(ARRAY(SELECT owner || ' ' || word FROM unnest(words) word))
    FROM message
    """,
    (
        "CREATE INDEX search_by_words ON ai_chat_searchentry USING gin (vector)"
        " WITH (gin_pending_list_limit = 512)"
    ),
    "SET LOCAL session_replication_role = origin",
]


def bench_chats(folder: Path) -> None:
    del folder  # Nothing is logged.
    large = make_user("large@example.com", credits=500)
    fill(large)
    bench_search(large)
    bench_opening(large)


def fill(large: User, *, messages: int = MESSAGES, users: int = USERS) -> None:
    """Writes the messages of so many users, a tenth of them of the `large` one's."""
    values = {
        "messages": messages, "users": users, "large": large.pk, "chat": CHAT,
        "vocabulary": VOCABULARY, "words": WORDS,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, values)
        cursor.execute("ANALYZE ai_chat_searchentry, ai_chat_turn, ai_chat_conversation")


def bench_search(large: User) -> None:
    """Searches of a user with few messages, and of one with a tenth of all."""
    usual = User.objects.get(email="writer1@example.com")
    searches = {
        "a rare word": (usual, "w15000"),
        "a frequent word": (usual, "w3"),
        "a beginning": (usual, "w1"),
        "a rare word, 100,000 messages": (large, "w15000"),
        "three words, 100,000 messages": (large, "w3 w40 w120"),
        "a frequent word, 100,000 messages": (large, "w0"),
        "a beginning, 100,000 messages": (large, "w"),
    }
    contestants = {"the list": partial(rate, _listing(usual))}
    for name, (user, text) in searches.items():
        contestants[name] = partial(rate, _searching(user, text))
    figures = in_turn(contestants)
    for name in searches:
        best = f"{1000 / max(figures[name]):.1f} ms at best"
        row(f"search {name} / the rail's list", ratio(figures, name, "the list"), "", best)


def _listing(user: User) -> Prepare:
    return lambda _: lambda: rail(user_id=user.pk)


def _searching(user: User, text: str) -> Prepare:
    return lambda _: lambda: find_matches(user_id=user.pk, search=text)


def bench_opening(large: User) -> None:
    """The page of a chat of 2,000 turns, at its end and at an entry in its middle, against that of
    one of 20."""
    short, middle = _chat(large, 20), _chat(large, 2000)
    entry = middle.turns.order_by("created_at")[1000]
    paths = {
        "20 turns": f"/ai-chat/{short.pk}",
        "2,000 turns": f"/ai-chat/{middle.pk}",
        "2,000 turns, in the middle": f"/ai-chat/{middle.pk}?entry={entry.pk}",
    }
    figures = in_turn({name: partial(rate, _opening(large, path)) for name, path in paths.items()})
    for name in list(paths)[1:]:
        best = f"{1000 / max(figures[name]):.0f} ms at best"
        row(f"open a chat of {name} / of 20", ratio(figures, name, "20 turns"), "≥ 0.3", best)


def _chat(user: User, turns: int) -> Conversation:
    """A chat of so many turns, each after the one before."""
    chat = Conversation.objects.create(user=user, title=f"{turns} turns")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH made AS (
                SELECT n, gen_random_uuid() AS id FROM generate_series(1, %s) n
            ), linked AS (
                SELECT n, id, lag(id) OVER (ORDER BY n) AS parent FROM made
            ), turns AS (
                INSERT INTO ai_chat_turn (id, user_id, conversation_id, model, prompt, answer,
                    state, failure, stop_requested, created_at, parent)
                SELECT id, %s, %s, 'm', 'A question', repeat('An answer of a few words. ', 30),
                    'imported', '', false, now() + interval '1 second' * n, parent
                FROM linked
            )
            UPDATE ai_chat_conversation
            SET current = (SELECT id FROM linked ORDER BY n DESC LIMIT 1) WHERE id = %s
            """,
            [turns, user.pk, chat.pk, chat.pk],
        )
    return chat


def _opening(user: User, path: str) -> Prepare:
    def prepare(_: int) -> Callable[[], object]:
        client = Client()
        client.force_login(user)
        return partial(_open, client, path)

    return prepare


def _open(client: Client, path: str) -> None:
    answer = client.get(path, secure=True)
    assert answer.status_code == 200, f"{path} gave {answer.status_code}"
