"""Hashing passwords: few at a time, and no database connection is held meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.db import connection
from django.test import Client

from config import hashing
from config.errors import HttpError
from credits.models import User
from tests.credits.users.conftest import Browser, link_in_letter, work
from tests.factories import PASSWORD
from tests.live import Site
from tests.waiting import PATIENCE, wait_for

NEW = "a quite different staple"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For every hash that is made: whether the thread had a connection to the database."""
    seen: list[bool] = []
    encode = MD5PasswordHasher.encode

    def noted(self: Any, password: str, salt: str) -> str:
        seen.append(connection.connection is not None)
        return str(encode(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", noted)
    return seen


def sign_in(browser: Browser, alice: User) -> Any:
    return browser.send("/sign-in", username=alice.email, password=PASSWORD)


def sign_in_wrongly(browser: Browser, alice: User) -> Any:
    return browser.send("/sign-in", username=alice.email, password="a guess")


def sign_in_as_nobody(browser: Browser, alice: User) -> Any:
    return browser.send("/sign-in/password", username="x@example.com", password="a guess")


def sign_up(browser: Browser, alice: User) -> Any:
    return browser.send("/sign-up", email="new@example.com", password=PASSWORD)


def sign_up_by_letter(browser: Browser, alice: User) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.MAIL_CONFIGURED", True)
        return sign_up(browser, alice)


def change_address(browser: Browser, alice: User) -> Any:
    browser.client.force_login(alice)
    return browser.send("/account", name="", email="new@example.com", password=PASSWORD)


def change_password(browser: Browser, alice: User) -> Any:
    browser.client.force_login(alice)
    return browser.send("/account/password", old_password=PASSWORD, new_password=NEW)


def reset_password(browser: Browser, alice: User) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.MAIL_CONFIGURED", True)
        browser.send("/password-reset", email=alice.email)
        work()
        return browser.send(link_in_letter("reset"), new_password=NEW)


def confirm(browser: Browser, alice: User) -> Any:
    User.objects.update(is_staff=True)
    browser.client.force_login(alice)
    return browser.send("/admin/confirm", password=PASSWORD)


@pytest.mark.parametrize(
    ("use", "hashes"),
    [
        (sign_in, 1),
        (sign_in_wrongly, 1),
        (sign_in_as_nobody, 1),
        (sign_up, 1),
        (sign_up_by_letter, 1),
        (change_address, 1),
        (change_password, 2),
        (reset_password, 1),
        (confirm, 1),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_meanwhile(
    browser: Browser, alice: User, held: list[bool], use: Callable[..., Any], hashes: int
) -> None:
    assert use(browser, alice).status_code in {200, 302}
    assert held == [False] * hashes


def test_so_many_are_made_at_once_so_many_wait_and_others_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)
    encode = MD5PasswordHasher.encode

    def slow(self: Any, password: str, salt: str) -> str:
        begun.release()
        assert go.wait(PATIENCE)
        return str(encode(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", slow)
    room = settings.HASHES_AT_WORK + settings.HASHES_WAITING
    with ThreadPoolExecutor(room) as threads:
        jobs = [threads.submit(make_password, "x") for _ in range(room)]
        for _ in range(settings.HASHES_AT_WORK):
            assert begun.acquire(timeout=PATIENCE)
        wait_for(lambda: hashing._in_line._value == 0, "the line to be full")
        with pytest.raises(HttpError) as refusal:
            make_password("x")
        assert not begun.acquire(blocking=False), "More at work than there are places."
        go.set()
        assert all(job.result(PATIENCE) for job in jobs)
    assert (refusal.value.status, refusal.value.retry_seconds) == (503, 5)
    assert make_password("x")


def test_the_site_answers_while_strangers_sign_in(
    start_site: Callable[..., Site], alice: User, tmp_path: Path
) -> None:
    """40 sign-ins at once with made-up addresses, none of whose hashes comes to an end."""
    gate = tmp_path / "gate"
    site = start_site(HASH_GATE=str(gate), DATABASE_POOL_SIZE="2", WEB_THREADS="16")
    gate.touch()
    in_line = 2 * (2 + 1)  # In two processes: HASHES_AT_WORK and, of 16 threads, HASHES_WAITING.
    with ThreadPoolExecutor(40) as threads:
        flood = [threads.submit(_sign_in, site, number) for number in range(40)]

        def all_others_are_refused() -> bool:
            return sum(job.done() for job in flood) >= 40 - in_line

        wait_for(all_others_are_refused, "those to be refused for whom there is no room")
        for path in ("/healthz", "/pricing", "/usage", "/sign-in"):
            assert httpx.get(f"{site.base_url}{path}", trust_env=False).status_code in {200, 302}
        assert site.client(alice).get("/usage").status_code == 200
        assert not all(job.done() for job in flood), "Some are at work all this time."
        gate.unlink()
        statuses = [job.result(PATIENCE) for job in flood]
    assert set(statuses) == {200, 503}
    assert site.client().get("/sign-in").status_code == 200


def _sign_in(site: Site, number: int) -> int:
    form = {"username": f"nobody{number}@example.com", "password": "a guess"}
    return site.client().post("/sign-in", data=form).status_code


def test_a_hash_of_djangos_own_still_opens(client: Client, alice: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    User.objects.update(password=make_password(PASSWORD))
    settings.PASSWORD_HASHERS = ["config.hashing.PasswordHasher"]
    form = {"username": alice.email, "password": PASSWORD}
    assert client.post("/sign-in", form).status_code == 302
