"""/admin/codes and /api/admin/codes: batches are made, exported once, watched and made void."""

import csv
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from credits.models import Approval, AuditEntry, CodeBatch, RedeemCode, User
from credits.packs.codes import digest_of
from tests.api import Api, assert_problem
from tests.credits.packs.making import day, make_codes, make_pack, take
from tests.factories import make_admin
from tests.live import Site
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
CODES = "/api/admin/codes"
NEW: dict[str, Any] = {"credits": 20, "count": 3, "lastDay": day(30)}


def fill_in(desk: Client, *, confirm: bool = True, **fields: Any) -> Any:
    form = {"pack": "", "worth": "20", "count": "3", "last_day": day(30), "once_per_user": "on",
            "reason": "The fair", "key": str(uuid4()), **fields}  # fmt: skip
    if confirm:
        form["confirm"] = "1"
    return desk.post("/admin/codes/new", form)


def rows_of(answer: Any) -> list[list[str]]:
    return list(csv.reader(StringIO(answer.content.decode())))


class TestMaking:
    def test_a_preview_and_then_the_batch(self, desk: Client, admin: User) -> None:
        shown = fill_in(desk, confirm=False)
        assert (shown.status_code, shown.context["total"]) == (200, 60)
        assert "Make 3 codes" in shown.text
        assert not CodeBatch.objects.exists()
        done = fill_in(desk)
        batch = CodeBatch.objects.get()
        assert (done.status_code, done.url) == (302, f"/admin/codes/{batch.pk}")
        assert (batch.worth, batch.count, batch.note, batch.made_by) == (20, 3, "The fair", admin)
        assert batch.once_per_user
        assert f"{batch.expires_at:%Y-%m-%d %H:%M}" == f"{day(31)} 00:00"

    def test_of_a_pack(self, desk: Client) -> None:
        pack = make_pack(credits=70)
        fill_in(desk, pack=str(pack.pk), worth="", once_per_user="")
        batch = CodeBatch.objects.get()
        assert (batch.pack, batch.worth) == (pack, 70)
        page = desk.get("/admin/codes").text
        assert "3 × Small" in page and "0 of 3" in page and "not exported" in page

    def test_pressed_twice_it_is_made_once(self, desk: Client) -> None:
        key = str(uuid4())
        assert [fill_in(desk, key=key).status_code for _ in range(2)] == [302, 302]
        other = fill_in(desk, key=key, count="4")
        assert (other.status_code, CodeBatch.objects.count()) == (422, 1)
        assert "used before, for something else" in other.text

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"count": "0"}, "Must be a whole number from 1 to 10,000."),
            ({"count": "-3"}, "Must be a whole number from 1 to 10,000."),
            ({"count": ""}, "Write a whole number from 1 to 10,000."),
            ({"count": "9" * 40}, "Must be a whole number from 1 to 10,000."),
            ({"worth": ""}, "Choose a pack, or write the credits of each code."),
            ({"worth": "1.5"}, "Must be a whole number"),
            ({"last_day": ""}, "Choose the last day."),
            ({"last_day": "soon"}, "Write a day as 2026-11-30."),
            ({"last_day": "2021-01-01"}, "This day is over."),
            ({"worth": "1000000000", "count": "2"}, "at most 1,000,000,000 credits"),
            ({"pack": "999"}, "is not one of the available choices"),
            ({"key": "x"}, "sent without what it needs"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, desk: Client, fields: dict[str, Any], sentence: str
    ) -> None:
        answer = fill_in(desk, **fields)
        assert answer.status_code == 422
        assert sentence in answer.text
        assert not CodeBatch.objects.exists()

    def test_a_second_admin_has_it_made(self, desk: Client, settings: Settings) -> None:
        settings.ADJUSTMENT_APPROVAL_CREDITS = 59
        assert "Ask a second admin" in fill_in(desk, confirm=False).text
        asked = fill_in(desk)
        approval = Approval.objects.get()
        assert asked.url == f"/admin/users/approvals/{approval.pk}"
        assert not CodeBatch.objects.exists()
        other = Client()
        other.force_login(make_admin())
        page = other.get(asked.url).text
        assert "Redeem codes 3 × 20 credits: 60 credits" in page and day(30) in page
        done: Any = other.post(asked.url, {"decision": "approve"})
        assert done.url == f"/admin/codes/{CodeBatch.objects.get().pk}"


class TestExport:
    def test_the_file_has_the_codes_once(self, desk: Client, alice: User) -> None:
        fill_in(desk)
        path = f"/admin/codes/{CodeBatch.objects.get().pk}"
        answer = desk.post(f"{path}/export")
        head, *rows = rows_of(answer)
        assert head == ["Code", "Credits", "Until (UTC)"]
        assert [row[1:] for row in rows] == [["20", f"{day(31)} 00:00:00"]] * 3
        assert answer["Content-Disposition"] == (
            f'attachment; filename="tally-codes-{CodeBatch.objects.get().pk}.csv"'
        )
        assert answer["Cache-Control"] == "no-store"
        saved = set(RedeemCode.objects.values_list("digest", flat=True))
        assert saved == {digest_of(code) for code, *_ in rows}
        assert take(alice, rows[0][0]).credits == 20
        again = desk.post(f"{path}/export")
        assert (again.status_code, "text/html" in again["Content-Type"]) == (409, True)
        assert "has exported these codes already, and they are kept nowhere" in again.text
        page = desk.get(path).text
        assert "1 of 3" in page and str(alice) in page
        for code, *_ in rows:
            assert code not in page

    def test_anew_after_a_broken_download(self, desk: Client, alice: User, bob: User) -> None:
        batch, codes = make_codes(make_admin(), 3)
        take(alice, codes[0])
        page = desk.get(f"/admin/codes/{batch.pk}").text
        assert "The 2 codes that nobody has redeemed end" in page
        answer = desk.post(f"/admin/codes/{batch.pk}/export", {"anew": "1"})
        _, *rows = rows_of(answer)
        assert len(rows) == 2
        assert take(bob, rows[0][0]).credits == 20

    def test_neither_code_nor_digest_is_in_the_audit(self, desk: Client) -> None:
        _, codes = make_codes(make_admin(), 3)
        page = desk.get("/admin/audit").text
        assert "codes.export" in page and "codes.make" in page
        for code in codes:
            assert code not in page and digest_of(code) not in page

    def test_a_link_does_not_export(self, desk: Client) -> None:
        fill_in(desk)
        path = f"/admin/codes/{CodeBatch.objects.get().pk}/export"
        assert desk.get(path).status_code == 405
        assert not RedeemCode.objects.exists()

    def test_at_a_running_site_one_of_ten_has_the_codes(
        self, keep_site: Callable[..., Site], admin: User
    ) -> None:
        desk = keep_site().client(admin)
        made = desk.post(CODES, json=NEW)
        path = f"{CODES}/{made.json()['id']}/export"
        answers = in_parallel(10, lambda _: desk.post(path, json={}).status_code)
        assert sorted(answers) == [200] + [409] * 9


class TestVoid:
    def test_it_ends_and_says_so(self, desk: Client, alice: User) -> None:
        batch, codes = make_codes(make_admin(), 2)
        take(alice, codes[0])
        done: Any = desk.post(f"/admin/codes/{batch.pk}/void", {"reason": "Lost\x00"})
        assert done.url == f"/admin/codes/{batch.pk}"
        page = desk.get(done.url).text
        assert "Void since" in page and "/export" not in page and "/void" not in page
        assert AuditEntry.objects.get(action="codes.void").reason == "Lost"
        assert desk.post(f"/admin/codes/{batch.pk}/export", {"anew": "1"}).status_code == 409


def test_pages_of_batches(desk: Client) -> None:
    admin = make_admin()
    for _ in range(51):
        make_codes(admin)
    first = desk.get("/admin/codes")
    assert len(first.context["page"].rows) == 50
    second = desk.get(f"/admin/codes?before={first.context['page'].older}")
    assert len(second.context["page"].rows) == 1
    assert desk.get("/admin/codes?before=x").status_code == 400
    assert desk.get("/admin/codes/99999999999999999999").status_code == 404


class TestApi:
    def test_it_does_what_the_pages_do(self, admin: User, alice: User) -> None:
        api = Api(admin)
        made = api.send("post", CODES, {**NEW, "note": "Fair"}, headers={"Idempotency-Key": "k"})
        body = made.json()
        assert (made.status_code, body["state"], body["count"], body["redeemed"]) == (
            201, "made", 3, 0,
        )  # fmt: skip
        again = api.send("post", CODES, {**NEW, "note": "Fair"}, headers={"Idempotency-Key": "k"})
        assert again.json() == body
        path = f"{CODES}/{body['id']}"
        exported = api.send("post", f"{path}/export", {})
        assert exported["Content-Type"] == "text/csv; charset=utf-8"
        _, *rows = rows_of(exported)
        assert_problem(api.send("post", f"{path}/export", {}), 409, "already_exported")
        redeemed = Api(alice).send("post", "/api/account/redeem", {"code": rows[0][0]})
        assert redeemed.json()["credits"] == 20
        assert api.get(path).json()["redeemed"] == 1
        assert len(rows_of(api.send("post", f"{path}/export", {"anew": True}))) == 3
        assert api.send("post", f"{path}/void", {"reason": "Over"}).json()["state"] == "void"
        assert api.get(CODES).json()["items"][0]["state"] == "void"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"count": 0}, "count"), ({"count": "3"}, "count"), ({"count": 10_001}, "count"),
            ({"credits": -1}, "credits"), ({"lastDay": "2021-01-01"}, "lastDay"),
            ({"lastDay": "2099-02-30"}, "lastDay"), ({"oncePerUser": 1}, "oncePerUser"),
            ({"packId": 10**30}, "packId"), ({"worth": 5}, "worth"),
        ],
    )  # fmt: skip
    def test_what_it_refuses(self, admin: User, change: dict[str, Any], field: str) -> None:
        answer = Api(admin).send("post", CODES, {**NEW, **change})
        body = assert_problem(answer, 400, "invalid")
        assert body["issues"][0]["path"] == [field]
        assert not CodeBatch.objects.exists()

    def test_what_is_too_much_waits(self, admin: User, settings: Settings) -> None:
        settings.ADJUSTMENT_APPROVAL_CREDITS = 59
        answer = Api(admin).send("post", CODES, NEW)
        assert (answer.status_code, answer.json()["kind"]) == (202, "codes.make")
