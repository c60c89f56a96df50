"""Accounts that are closed, banned or locked while something is made for them: it is stopped, in
whichever process, and settled as a stop."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from ai_chat.models import ImageRequest, Turn
from credits.clerk.identity import upsert_person
from credits.clerk.parsing import parse_person
from credits.exceptions import AccountClosed
from credits.ledger import get_balance
from credits.models import Hold, User
from credits.reasons import Reason
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.images.test_dialects import set_painter
from tests.ai_chat.images.test_outcomes import files_in
from tests.factories import PASSWORD, make_charge, make_grant
from tests.fakes.clerk import user_json
from tests.live import Site
from tests.waiting import wait_for

LONG = "[[tokens:600]] [[delay:0.1]]"
SILENT = "[[delay:30]]"


@pytest.fixture
def member(transactional_db: None, settings: Any) -> User:
    """Signed in with Clerk; has a pack of 100 credits."""
    settings.SIGNUP_CREDITS = 0
    identity, _ = upsert_person(parse_person(user_json("user_1", email="m@example.com", at=1)))
    assert identity.user
    make_grant(identity.user, 100)
    return identity.user


def change_at_clerk(**fields: Any) -> None:
    """What a webhook or a sync does, in this process, which is none of the site's."""
    now = int(time.time() * 1000)
    upsert_person(parse_person(user_json("user_1", email="m@example.com", at=now, **fields)))


def close(site: Site, user: User) -> None:
    """The account's owner closes it from another device."""
    answer = site.sign_in(user.email or "").post("/account/close", data={"password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def has_text() -> bool:
    return Turn.objects.exclude(answer="").exists()


def follow_to_the_end(chunks: Iterator[bytes]) -> None:
    """Reads what is left of a stream; returns once the site has closed it."""
    for _ in chunks:
        pass


def test_an_answer_is_stopped_and_charged_when_its_account_closes(chat: Chat) -> None:
    with chat.sending(LONG) as response:
        wait_for(has_text, "text to be delivered")
        close(chat.site, chat.user)
        follow_to_the_end(response.iter_bytes())
    turn = Turn.objects.get()
    assert (turn.state, turn.failure, turn.refund_id) == (Turn.State.STOPPED, "", None)
    assert (chat.balance, Hold.objects.count()) == (99, 0)
    assert chat.client.get("/ai-chat").status_code == 302, "Nobody is signed in any more."


def test_before_the_first_token_it_is_refunded(chat: Chat) -> None:
    with chat.sending(SILENT) as response:
        wait_for(Turn.objects.exists, "the charge")
        close(chat.site, chat.user)
        follow_to_the_end(response.iter_bytes())
    turn = Turn.objects.get()
    assert (turn.state, turn.failure) == (Turn.State.STOPPED, Reason.STOPPED_EARLY)
    assert (chat.balance, Hold.objects.count()) == (100, 0)


@pytest.mark.parametrize("fields", [{"banned": True}, {"locked": True}], ids=["ban", "lock"])
def test_a_ban_or_lock_at_clerk_stops_an_answer(
    chat_site: Site, member: User, fields: dict[str, Any]
) -> None:
    chat = Chat(chat_site, member)
    with chat.sending(LONG) as response:
        wait_for(has_text, "text to be delivered")
        change_at_clerk(**fields)
        follow_to_the_end(response.iter_bytes())
    assert Turn.objects.get().state == Turn.State.STOPPED
    assert chat.balance == 99


def test_an_answer_that_began_in_the_moment_of_a_ban_is_stopped_too(chat: Chat) -> None:
    with transaction.atomic():
        # Nobody else sees this yet, and whoever bans does not see the answer.
        User.objects.filter(pk=chat.user.pk).update(is_active=False)
        sending = chat.sending(LONG)
        response = sending.__enter__()
    assert response.status_code == 200
    follow_to_the_end(response.iter_bytes())
    sending.__exit__(None, None, None)
    assert Turn.objects.get().state == Turn.State.STOPPED


def test_a_ban_stops_images_and_those_that_were_made_stay_charged(
    keep_site: Callable[..., Site], painter: FakePainter, var: Path, member: User
) -> None:
    site = keep_site(OPENAI_BASE_URL=painter.base_url, VAR_DIR=str(var))
    studio = Program(site, member)
    set_painter(images_per_call=1)
    others = painter.will_send_one()
    with ThreadPoolExecutor() as pool:
        painting = pool.submit(studio.paint, "A tree", count=4)
        wait_for(lambda: len(painter.calls) == 4 and bool(files_in(var)), "the first image")
        change_at_clerk(banned=True)
        wait_for(lambda: not ImageRequest.objects.get().is_running, "the request to be stopped")
        others.set()
    assert painting.result().json()["state"] == "partial"
    assert ImageRequest.objects.get().images.count() == 1
    assert (studio.balance, Hold.objects.count()) == (95, 0)


def test_a_closed_account_spends_nothing_whoever_asked_before(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(AccountClosed):
        make_charge(alice)
    assert get_balance(user_id=alice.pk).remaining == 100
