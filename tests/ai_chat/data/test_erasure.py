"""What a closed account has made goes within minutes, files and database alike; what stays is what
`/privacy` says."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from ai_chat.data import jobs
from ai_chat.jobs.ending import Outcome, end_job
from ai_chat.jobs.models import RUNNING
from ai_chat.models import Conversation, DataJob, Image, ImageRequest, Turn
from ai_chat.providers.used import Used
from credits.clerk.identity import mark_deleted, upsert_person
from credits.clerk.parsing import parse_person
from credits.clerk.webhooks.inbox import receive
from credits.ledger import get_balance, sweep_holds
from credits.models import (
    AuthenticationEvent,
    Identity,
    Limit,
    RateLimit,
    RedeemCode,
    Session,
    SignUp,
    SpendDay,
    UsageHistory,
    Use,
    User,
    WebhookDelivery,
)
from credits.models.background import SILENCE
from credits.users import closing, letters
from credits.users.services import sign_up
from credits.uses import Asked, Tokens
from tests.ai_chat.chat import Chat
from tests.ai_chat.data.conftest import MARKER, Worker, ended, fill, wait_until_done
from tests.ai_chat.turns import charge_turn, text_model
from tests.clock import Clock
from tests.credits.ledger.counting import assert_counted
from tests.credits.packs.making import make_codes, take
from tests.factories import (
    PASSWORD,
    add_second_factor,
    code_of,
    make_admin,
    make_limit,
    make_token_price,
    make_user,
)
from tests.fakes.clerk import user_json
from tests.fakes.clerk_events import event
from tests.live import Site
from tests.parallel import backend_pid, in_background, in_parallel, wait_until_blocked
from tests.waiting import wait_for

#: Where the marker may be after an erasure, and why: docs/privacy.md.
MAY_HOLD = {"credits_authenticationevent"}


def tables_that_hold(text: str) -> set[str]:
    """The tables of which some row has this text in any column."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        names = [name for (name,) in cursor.fetchall()]
        found = set()
        for name in names:
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{name}" t WHERE t::text ILIKE %s)', [f"%{text}%"]
            )
            if cursor.fetchone()[0]:
                found.add(name)
    return found


def files_of(var: Path, user: User) -> list[Path]:
    media = var / "media"
    own = [media / folder / str(user.pk) for folder in ("images", "archives")]
    return [path for folder in own for path in folder.rglob("*")]


def close(place: Site, user: User) -> None:
    client = place.sign_in(user.email or "")
    assert client.post("/account/close", data={"password": PASSWORD}).status_code == 302


def test_nothing_of_a_closed_account_is_left(
    place: Site, mary: User, worker: Worker, var: Path
) -> None:
    program = fill(place, mary, chats=2)
    conversation = Conversation.objects.filter(user=mary).first()
    assert conversation
    program.client.post(f"/ai-chat/{conversation.pk}/rename", data={"title": MARKER})
    program.client.post("/account/data/archive")
    program.client.get("/sign-in")  # A session of its own, with the marker as its device.
    _, [code] = make_codes(make_admin())
    take(mary, code)
    rows = UsageHistory.objects.filter(account_id=mary.pk).count()
    filled = {"ai_chat_turn", "ai_chat_conversation", "ai_chat_imagerequest", "credits_user"}
    filled |= {"ai_chat_responseitem", "credits_apikey"}
    filled |= {"credits_webhookendpoint", "credits_webhookmessage"}
    assert filled <= tables_that_hold(MARKER)
    with worker():
        wait_until_done("archive")
        assert files_of(var, mary)
        close(place, mary)
        wait_until_done("erasure")
    assert tables_that_hold(MARKER) <= MAY_HOLD
    assert files_of(var, mary) == []
    assert not Session.objects.filter(user=mary).exists()
    mary.refresh_from_db()
    assert (mary.name, mary.email, mary.is_active) == ("", None, False)
    assert mary.closed_at
    assert UsageHistory.objects.filter(account_id=mary.pk).count() == rows
    assert RedeemCode.objects.get().account_id == mary.pk, "It stays redeemed, under a number."
    kinds = AuthenticationEvent.objects.filter(user=mary).values_list("kind", flat=True)
    assert "closed" in kinds


def test_the_address_is_free_and_its_welcome_credits_stay_spent(
    place: Site, worker: Worker
) -> None:
    first = sign_up(email="again@example.com", password=PASSWORD)
    assert get_balance(user_id=first.pk).remaining == 50
    close(place, first)
    second = sign_up(email="again@example.com", password=PASSWORD)
    assert second.pk != first.pk
    assert get_balance(user_id=second.pk).remaining == 0


def test_what_a_deleted_user_of_clerk_has_made_goes_with_what_clerk_said(
    place: Site, worker: Worker, var: Path
) -> None:
    person = user_json("user_1", email=f"{MARKER}@example.com", first_name=MARKER, at=1)
    receive(svix_id="msg_1", payload=event("user.created", person, at=1))
    letter = {"object": "email", "user_id": "user_1", "body": MARKER}
    receive(svix_id="msg_2", payload=event("email.created", letter, at=1))
    receive(svix_id="msg_3", payload=event("session.created", {"user_id": "user_1"}, at=1))
    WebhookDelivery.objects.filter(svix_id="msg_3").update(error=MARKER, payload={"x": MARKER})
    user = User.objects.get(clerk_id="user_1")
    fill(place, user)
    mark_deleted("user_1")
    with worker():
        wait_until_done("erasure")
    assert tables_that_hold(MARKER) == set()
    assert files_of(var, user) == []
    assert Identity.objects.get().deleted_at
    assert set(WebhookDelivery.objects.values_list("forgotten", flat=True)) == {True}


def test_a_worker_killed_in_the_middle_leaves_the_rest_to_the_next(
    place: Site, mary: User, worker: Worker, var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(place, mary)
    for number in range(400):
        Conversation.objects.create(user=mary, title=f"{MARKER} {number}")
    close(place, mary)
    job = DataJob.objects.get(user=mary, kind="erasure")
    with worker() as process:
        wait_for(lambda: 0 < Conversation.objects.count() < 395, "some to be deleted", pause=0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert Conversation.objects.exists()
    job.refresh_from_db()
    assert job.state == RUNNING
    DataJob.objects.update(heartbeat_at=timezone.now() - 2 * SILENCE)
    jobs.resume()
    with worker():
        wait_for(ended(job), "the erasure to be gone on with")
    assert tables_that_hold(MARKER) <= MAY_HOLD
    assert files_of(var, mary) == []
    job.refresh_from_db()
    assert job.processed == job.total


def test_what_is_still_made_is_waited_for_and_keeps_nothing(
    place: Site, mary: User, worker: Worker
) -> None:
    chat = Chat(place, mary)
    with worker(), chat.sending(f"{MARKER} [[tokens:600]] [[delay:0.1]]") as response:
        wait_for(Turn.objects.exclude(answer="").exists, "text to be delivered")
        close(place, mary)
        response.read()
        wait_until_done("erasure")
    assert not Turn.objects.exists()
    assert tables_that_hold(MARKER) <= MAY_HOLD


def test_what_a_killed_process_left_running_goes_once_its_lease_is_over(
    place: Site, mary: User, worker: Worker, clock: Clock
) -> None:
    fill(place, mary)
    lost = charge_turn(mary)
    close(place, mary)
    job = DataJob.objects.get(user=mary, kind="erasure")
    with worker():
        wait_for(lambda: not ImageRequest.objects.exists(), "all else to be erased")
        assert Turn.objects.get().pk == lost.pk
        clock.move(seconds=3600)
        sweep_holds()
        wait_for(ended(job), "the erasure")
    assert not Turn.objects.exists()


def test_a_spend_that_began_before_the_closing_is_waited_for(mary: User) -> None:
    with transaction.atomic():
        turn = charge_turn(mary)  # Nobody else sees it yet, and it was let in.
        in_background(lambda: closing.close(User.objects.get(pk=mary.pk))).result()
        job = DataJob.objects.get(user=mary)
        erasing = in_background(lambda: jobs.run(job.pk))
        wait_until_blocked(by=backend_pid())
    erasing.result()
    assert ended(job, DataJob.State.QUEUED)(), "It goes on once the answer has ended."
    assert Turn.objects.get().pk == turn.pk
    assert Turn.objects.get().stop_requested


def test_of_calls_by_tokens_the_figures_stay_and_add_up(mary: User, clock: Clock) -> None:
    """What they used and what limits counted: one had ended, one was never answered."""
    model = text_model(output_tokens=1000)
    make_token_price(model, output=10**9)
    make_limit(mary, 500)
    asked = Asked(100, 1000, 1)
    done, _ = (charge_turn(mary, model=model, asked=asked) for _ in range(2))
    used = Used(Tokens(100, 0, 0, 700, 0, Use.Source.PROVIDER))
    end_job(done, Outcome(Turn.State.ANSWERED, used=used), lambda _lost: {})
    closing.close(mary)
    job = DataJob.objects.get(user=mary)
    jobs.run(job.pk)
    assert ended(job, DataJob.State.QUEUED)()
    assert_counted(mary)
    clock.move(hours=1)
    sweep_holds()
    jobs.run(job.pk)
    assert ended(job)()
    assert not Turn.objects.exists()
    assert not Limit.objects.exists()
    assert sorted(Use.objects.values_list("output", "kept")) == [(0, 0), (700, 1)]
    assert get_balance(user_id=mary.pk)[:2] == (999, 0)
    assert SpendDay.objects.filter(account_id=mary.pk).count() == 1
    assert_counted(mary)


def test_closing_twice_at_once_is_closing_once(mary: User) -> None:
    in_parallel(2, lambda _: closing.close(User.objects.get(pk=mary.pk)))
    assert DataJob.objects.filter(user=mary).count() == 1


def test_the_page_of_a_closed_person_says_when_the_content_was_erased(
    mary: User, admin: User, client: Client
) -> None:
    closing.close(mary)
    client.force_login(admin)
    client.post("/admin/confirm", data={"password": PASSWORD})
    page = client.get(f"/admin/users/{mary.pk}").text
    assert f"closed {timezone.now():%-d %b %Y}" in page
    assert "content is being erased" in page
    jobs.run(DataJob.objects.get().pk)
    assert "content erased" in client.get(f"/admin/users/{mary.pk}").text


def test_files_that_no_row_names_go_too(place: Site, mary: User, worker: Worker, var: Path) -> None:
    for folder in (f"images/{mary.pk}/of-a-killed-process", f"archives/{mary.pk}"):
        (var / "media" / folder).mkdir(parents=True)
        (var / "media" / folder / "left.bin").write_bytes(b"x")
    close(place, mary)
    with worker():
        wait_until_done("erasure")
    assert files_of(var, mary) == []


def test_a_storage_that_does_not_delete_is_tried_again(
    place: Site, mary: User, var: Path, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MEDIA_ROOT = var / "media"  # type: ignore[attr-defined]
    fill(place, mary)
    close(place, mary)
    job = DataJob.objects.get(user=mary, kind="erasure")
    with monkeypatch.context() as broken:
        broken.setattr("ai_chat.files.default_storage.delete", lambda _: 1 / 0, raising=False)
        jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, Image.objects.count()) == (RUNNING, 1)
    DataJob.objects.update(heartbeat_at=timezone.now() - 2 * SILENCE)
    jobs.run(job.pk)
    assert ended(job)()
    assert files_of(var, mary) == []


def test_closing_twice_is_closing_once_and_nobody_else_is_touched(
    place: Site, mary: User, worker: Worker, alice: User
) -> None:
    fill(place, alice)
    upsert_person(parse_person(user_json("user_1", email="z@example.com", at=1)))
    for _ in range(2):
        mark_deleted("user_1")
    close(place, mary)
    with worker():
        for job in DataJob.objects.all():
            wait_for(ended(job), "the erasures")
    assert DataJob.objects.filter(kind="erasure").count() == 2
    assert Turn.objects.get().user == alice
    assert Image.objects.get().request.user == alice


def test_letters_and_wrong_passwords_do_not_keep_the_address(
    place: Site, mary: User, settings: Any
) -> None:
    settings.MAIL_CONFIGURED = True
    User.objects.filter(pk=mary.pk).update(new_email=mary.email)
    SignUp.objects.create(email=mary.email or "", password="x")
    letters.send_later(template="x.txt", subject="x", user=mary)
    former = User(pk=mary.pk, email=f"{MARKER}.former@example.com")  # As of before a change.
    letters.send_later(template="x.txt", subject="x", user=former)
    place.client().post("/sign-in", data={"username": mary.email, "password": "wrong"})
    wrong = RateLimit.objects.filter(key__startswith="guess:")
    assert wrong.exists()
    close(place, mary)
    assert not wrong.exists()
    assert not tables_that_hold(MARKER) & {"credits_signup", "credits_user"}
    assert "procrastinate_jobs" not in tables_that_hold(MARKER)


def test_the_only_admin_cannot_leave(place: Site, admin: User) -> None:
    client = place.sign_in("admin@example.com")
    page = client.post("/account/close", data={"password": PASSWORD})
    assert "You are the only admin here" in page.text
    make_user("second@example.com", is_staff=True)
    assert client.post("/account/close", data={"password": PASSWORD}).status_code == 302


def test_the_code_is_asked_for_where_there_is_a_second_factor(place: Site, mary: User) -> None:
    app = add_second_factor(mary)
    client = place.client(mary)
    form = {"password": PASSWORD, "code": "000000"}
    assert "This code is not right" in client.post("/account/close", data=form).text
    form["code"] = code_of(app.key)
    assert client.post("/account/close", data=form).status_code == 302
    assert not TOTPDevice.objects.exists()
    mary.refresh_from_db()
    assert (mary.is_active, mary.second_factor_at) == (False, None)


def test_the_password_is_asked(place: Site, mary: User) -> None:
    client = place.sign_in(mary.email or "")
    assert (
        "not your current password"
        in client.post("/account/close", data={"password": "wrong"}).text
    )
    mary.refresh_from_db()
    assert mary.is_active
