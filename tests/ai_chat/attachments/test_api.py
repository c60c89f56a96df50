"""Files over the JSON API."""

from typing import Any
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import MULTIPART_CONTENT
from pytest_django import Settings

from ai_chat.attachments.services import add_file
from ai_chat.models import Attachment, ChatSettings
from credits.models import User
from tests.ai_chat.attachments.making import picture
from tests.api import Api, assert_problem

FILES = "/api/files"


def send(user: User, *contents: bytes, name: str = "a.txt") -> Any:
    files = [SimpleUploadedFile(name, content) for content in contents]
    return Api(user).post(FILES, {"file": files}, content_type=MULTIPART_CONTENT)


def test_a_program_sends_lists_reads_and_deletes_a_file(alice: User) -> None:
    sent = send(alice, picture("JPEG", (4, 2)), name="photo")
    assert sent.status_code == 201
    file = sent.json()
    assert (file["kind"], file["mediaType"], file["width"]) == ("picture", "image/jpeg", 4)
    assert (file["name"], file["conversationId"], file["isCut"]) == ("photo", None, False)
    api, address = Api(alice), f"{FILES}/{file['id']}"
    assert api.get(address).json() == file
    assert api.get(FILES).json() == {"items": [file], "nextCursor": None}
    content = api.get(f"{address}/content")
    assert (content["Content-Type"], len(content.getvalue())) == ("image/jpeg", file["bytes"])
    assert api.delete(address).status_code == 204
    assert_problem(api.get(address), 404, "not_found")


def test_pages_hold_every_file_once_newest_first(alice: User, bob: User) -> None:
    made = [str(add_file(user_id=alice.pk, name="a", content=b"a").pk) for _ in range(3)]
    add_file(user_id=bob.pk, name="b", content=b"b")
    first = Api(alice).get(f"{FILES}?limit=2").json()
    last = Api(alice).get(f"{FILES}?limit=2&cursor={first['nextCursor']}").json()
    assert [item["id"] for item in [*first["items"], *last["items"]]] == made[::-1]
    assert last["nextCursor"] is None
    assert_problem(Api(bob).get(f"{FILES}?cursor={made[0]}"), 404, "not_found")


def test_files_of_others_are_not_there(alice: User, bob: User) -> None:
    file = add_file(user_id=alice.pk, name="a", content=b"a")
    for file_id in (file.pk, uuid4()):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
            answer = Api(bob).send(method, f"{FILES}/{file_id}{path}")
            assert_problem(answer, 404, "not_found")
    assert Attachment.objects.exists()


def test_what_is_refused_says_why(alice: User, settings: Settings) -> None:
    error = assert_problem(send(alice, b"MZ" + bytes(99)), 400, "invalid")
    assert error["issues"][0]["path"] == ["file"]
    assert "cannot be read here" in error["message"]
    assert_problem(send(alice), 400, "invalid")
    assert "at most 1 file" in assert_problem(send(alice, b"a", b"b"), 400, "invalid")["message"]
    assert_problem(Api(alice).send("POST", FILES, b"{}"), 415, "unsupported_media_type")
    broken = Api(alice).send("POST", FILES, b"none", content_type="multipart/form-data")
    assert_problem(broken, 400, "malformed")
    ChatSettings.objects.create(storage_bytes=3)
    error = assert_problem(send(alice, b"1234"), 409, "storage_full")
    assert (error["limit"], error["used"]) == (3, 0)
    settings.ATTACHMENT_MAX_BYTES = 3
    assert assert_problem(send(alice, b"1234"), 413, "too_large")["limit"] == 3
    settings.LARGE_BODIES = {FILES: 10}
    assert assert_problem(send(alice, b"1"), 413, "too_large")["limit"] == 3
    settings.LARGE_BODIES = {FILES: 10_000}
    settings.REQUESTS_PER_MINUTE = 1
    assert_problem(send(alice, b"1"), 429, "too_many_requests")
    assert not Attachment.objects.exists()


def test_a_session_needs_its_csrf_token(alice: User) -> None:
    api = Api(alice, enforce_csrf_checks=True)
    file = {"file": SimpleUploadedFile("a", b"a")}
    assert_problem(api.post(FILES, file, content_type=MULTIPART_CONTENT), 403, "csrf_failed")
    assert not Attachment.objects.exists()
