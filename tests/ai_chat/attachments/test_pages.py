"""Files over HTTP: sent by a form with and without scripts, shown to their owner, deleted."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from ai_chat.attachments.services import add_file
from ai_chat.models import Attachment
from credits.models import User
from tests.ai_chat.attachments.making import picture
from tests.api import Api

JSON = {"Accept": "application/json"}


def form(*contents: bytes, **more: str) -> dict[str, Any]:
    files = [SimpleUploadedFile(f"{number}.txt", each) for number, each in enumerate(contents)]
    return {"file": files, **more}


def test_a_program_of_the_page_gets_json(alice: User) -> None:
    answer = Api(alice).post("/ai-chat/files", form(b"one", b"two"), headers=JSON)
    assert answer.status_code == 201
    first, second = answer.json()["files"]
    assert (first["name"], first["kind"], first["characters"]) == ("0.txt", "text", 3)
    assert {first["id"], second["id"]} == {str(file.pk) for file in Attachment.objects.all()}


def test_htmx_gets_a_list_and_a_plain_form_goes_back(alice: User) -> None:
    api = Api(alice)
    fragment = api.post("/ai-chat/files", form(b"one"), headers={"HX-Request": "true"})
    assert "0.txt" in fragment.text
    assert "<html" not in fragment.text
    assert api.post("/ai-chat/files", form(b"one", next="/ai-chat"))["Location"] == "/ai-chat"
    for foreign in ("https://evil.example/", "//evil.example", ""):
        answer = api.post("/ai-chat/files", form(b"one", next=foreign))
        assert answer["Location"] == "/account/files"


def test_what_is_refused_says_why(alice: User, settings: Settings) -> None:
    api = Api(alice)
    answer = api.post("/ai-chat/files", form(bytes(9)), headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid")
    assert "cannot be read here" in answer.json()["message"]
    assert api.post("/ai-chat/files", {}, headers=JSON).status_code == 400
    page = api.post("/ai-chat/files", form(bytes(9)))
    assert page.status_code == 400
    assert "cannot be read here" in page.text
    settings.LARGE_BODIES = {"/ai-chat/files": 100}
    answer = api.post("/ai-chat/files", form(b"a" * 100), headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_a_form_of_another_site_is_refused(alice: User) -> None:
    api = Api(alice, enforce_csrf_checks=True)
    answer = api.post("/ai-chat/files", form(b"one"), headers=JSON)
    assert answer.status_code == 403
    assert not Attachment.objects.exists()


def test_a_picture_is_shown_and_anything_else_saved_by_its_owner_alone(
    alice: User, bob: User
) -> None:
    shown = add_file(user_id=alice.pk, name="a\u202egnp.exe", content=picture())
    saved = add_file(user_id=alice.pk, name="a.html", content=b"<script>alert(1)</script>")
    answer = Api(alice).get(f"/ai-chat/files/{shown.pk}")
    assert answer.getvalue().startswith(b"\x89PNG")
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"] == 'inline; filename="agnp.png"'
    answer = Api(alice).get(f"/ai-chat/files/{saved.pk}")
    assert answer["Content-Type"] == "text/plain"
    assert answer["Content-Disposition"] == 'attachment; filename="a.html"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer.getvalue() == b"<script>alert(1)</script>"
    for file_id in (shown.pk, saved.pk, uuid4()):
        assert Api(bob).get(f"/ai-chat/files/{file_id}").status_code == 404
        assert Api(bob).post(f"/ai-chat/files/{file_id}/delete").status_code == 404
    assert Attachment.objects.count() == 2


@pytest.mark.parametrize(("headers", "status"), [({}, 302), (JSON, 204)])
def test_a_file_is_deleted_after_a_question(
    alice: User, headers: dict[str, str], status: int
) -> None:
    file = add_file(user_id=alice.pk, name="plan.txt", content=b"one")
    question = Api(alice).get(f"/ai-chat/files/{file.pk}/delete")
    assert "plan.txt" in question.text
    assert Attachment.objects.exists()
    answer = Api(alice).post(f"/ai-chat/files/{file.pk}/delete", headers=headers)
    assert answer.status_code == status
    assert not Attachment.objects.exists()
