"""Links to copies of chats: what readers see, until when, and what they never see."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string
from PIL import Image as Pillow

from ai_chat.conversations.services import delete_conversation
from ai_chat.images.requests import delete_image
from ai_chat.markdown import RENDERER_VERSION
from ai_chat.models import (
    SHARES,
    Attachment,
    ChatSettings,
    Conversation,
    Image,
    ImageRequest,
    Share,
    ShareEntry,
    SharePicture,
    Turn,
)
from ai_chat.pages import shared
from ai_chat.sharing import copies, services
from ai_chat.sharing.services import end, share_chat, update_share
from config.errors import DomainError
from credits.models import User
from credits.users.closing import close
from tests.ai_chat.turns import charge_turn, make_turn
from tests.api import Api
from tests.factories import make_charge, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def chat(alice: User) -> Conversation:
    """Two answers, one of them with Markdown."""
    conversation = Conversation.objects.create(user=alice, title="About <b>the</b> sky")
    make_turn(conversation, "Why is it blue?", "It **scatters**.\n\n```python\nprint(1)\n```")
    make_turn(conversation, "And at night?", "Dark.")
    return conversation


def png() -> bytes:
    file = BytesIO()
    Pillow.new("RGB", (8, 6), "red").save(file, "PNG")
    return file.getvalue()


def add_images(conversation: Conversation) -> ImageRequest:
    made = ImageRequest.objects.create(
        user=conversation.user, conversation=conversation, parent=conversation.current,
        charge_id=make_charge(conversation.user).id, model="painter", prompt="A cat", size="8x6",
        count=1, state=ImageRequest.State.DELIVERED,
    )  # fmt: skip
    name = default_storage.save(f"{made.folder}/1.png", BytesIO(png()))
    Image.objects.create(
        request=made, file=name, content_type="image/png", width=8, height=6, bytes=len(png()),
        position=0,
    )  # fmt: skip
    conversation.current = made.pk
    conversation.save()
    return made


def attach(conversation: Conversation, name: str, kind: str) -> Attachment:
    file = default_storage.save(f"attachments/{uuid4()}.png", BytesIO(png()))
    return Attachment.objects.create(
        user=conversation.user, conversation=conversation, name=name, kind=kind, file=file,
        content_type="image/png", bytes=len(png()), width=8, height=6,
    )  # fmt: skip


def share(conversation: Conversation, **options: Any) -> Share:
    options = {"for_anybody": True, "days": 7, **options}
    return share_chat(user=conversation.user, conversation=conversation, **options)


def read(made: Share, user: User | None = None, path: str = "") -> Any:
    return Api(user).get(f"/shared/{made.token}{path}")


def test_a_reader_sees_the_chat_and_nothing_of_its_owner_or_money(
    chat: Conversation, bob: User
) -> None:
    made = share(chat)
    for reader in (None, bob):
        page = read(made, reader)
        text = page.content.decode()
        assert page.status_code == 200
        assert "About &lt;b&gt;the&lt;/b&gt; sky" in text
        assert "<strong>scatters</strong>" in text
        assert text.index("Why is it blue?") < text.index("And at night?")
        shown = re.sub(r'(href|src)="[^"]*"', "", text)
        for secret in ("credit", "alice", "Alice", "example.com", f'"{chat.user_id}"', "usage"):
            assert secret not in shown, secret
        assert str(chat.pk) not in text


def test_headers_keep_links_from_search_engines_caches_and_others(chat: Conversation) -> None:
    made = share(chat)
    for path in ("", "/report"):
        page = read(made, path=path)
        assert page["X-Robots-Tag"] == "noindex, nofollow"
        assert '<meta name="robots" content="noindex, nofollow">' in page.content.decode()
        assert "private" in page["Cache-Control"] and "no-cache" in page["Cache-Control"]
        policy = page["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script" not in page.content.decode()
    assert read(made)["Referrer-Policy"] == "no-referrer"
    assert read(made, path="/report")["Referrer-Policy"] == "same-origin"


def test_by_default_readers_have_to_sign_in(chat: Conversation, bob: User) -> None:
    made = share(chat, for_anybody=False)
    for path in ("", "/report", f"/images/{uuid4()}"):
        answer = read(made, path=path)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/sign-in")
    assert read(made, bob).status_code == 200


def test_pictures_go_with_the_copy_and_other_files_by_name(chat: Conversation, bob: User) -> None:
    made = add_images(chat)
    sent = attach(chat, "photo.png", "picture"), attach(chat, "plan & <b>.pdf", "pdf")
    make_turn(chat, "What is this?", "A photo.", attachments=[each.pk for each in sent])
    link = share(chat)
    text = read(link).content.decode()
    addresses = re.findall(r'<img src="([^"]+)"', text)
    assert len(addresses) == 2
    assert all(each.startswith(f"/shared/{link.token}/images/") for each in addresses)
    assert "plan &amp; &lt;b&gt;.pdf" in text
    delete_image(image=made.images.get())
    for each in sent:
        default_storage.delete(each.file)
        each.delete()
    for address in addresses:
        answer: Any = Api().get(address)
        assert b"".join(answer.streaming_content) == png()
        assert answer["Content-Type"] == "image/png"
        assert answer["X-Robots-Tag"]
    other = share(chat)
    stolen = addresses[0].replace(link.token, other.token)
    assert Api(bob).get(stolen).status_code == 404, "Only under its own link."


def test_the_copy_stays_as_it_was(chat: Conversation) -> None:
    made = share(chat)
    make_turn(chat, "A later question", "A later answer")
    Conversation.objects.filter(pk=chat.pk).update(title="Another title")
    Turn.objects.filter(prompt="And at night?").update(answer="Changed", html="")
    text = read(made).content.decode()
    assert "A later" not in text and "Another title" not in text and "Changed" not in text
    delete_conversation(conversation=chat)
    made.refresh_from_db()
    assert made.conversation is None
    assert "Why is it blue?" in read(made).content.decode()


def test_only_the_path_that_is_shown_is_copied(chat: Conversation) -> None:
    first = chat.turns.get(prompt="Why is it blue?")
    make_turn(chat, "Edited question", "Other answer", parent=first.pk)
    text = read(share(chat)).content.decode()
    assert "Edited question" in text and "And at night?" not in text


def test_an_answer_that_is_being_written_is_left_out(chat: Conversation, alice: User) -> None:
    running = charge_turn(alice, conversation=chat)
    assert running.is_running
    text = read(share(chat)).content.decode()
    assert "And at night?" in text and "Hi" not in re.sub(r"<[^>]+>", " ", text).split()
    empty = Conversation.objects.create(user=alice, title="Empty")
    page = Api(alice).post(f"/ai-chat/{empty.pk}/share", {"who": "anybody", "days": "7"})
    assert page.status_code == 422
    assert "nothing to share yet" in page.content.decode()
    assert not Share.objects.filter(conversation=empty).exists()


def test_a_copy_made_anew_comes_under_the_same_link(chat: Conversation) -> None:
    add_images(chat)
    made = share(chat)
    [before] = SharePicture.objects.all()
    make_turn(chat, "A later question", "A later answer")
    update_share(share=made, for_anybody=False, days=1, author="Alice", anew=True)
    made.refresh_from_db()
    assert (made.for_anybody, made.author) == (False, "Alice")
    page = read(made, chat.user).content.decode()
    assert "A later question" in page and "Alice" in page
    [after] = SharePicture.objects.all()
    assert before.pk != after.pk


def over(made: Share) -> None:
    Share.objects.filter(pk=made.pk).update(expires_at=timezone.now())


def take_down(made: Share) -> None:
    services.report(share=made, reporter=None, reason="abuse", text="")
    services.judge(actor=make_user(), share=made, take_down=True, reason="x")


def suspend(made: Share) -> None:
    User.objects.filter(pk=made.user_id).update(is_active=False)


def close_account(made: Share) -> None:
    close(made.user)
    made.user.is_active = False


@pytest.mark.parametrize("ending", [over, end, take_down, suspend, close_account, Share.delete])
def test_an_ended_link_says_no_more_than_one_that_never_was(
    chat: Conversation, bob: User, ending: Callable[[Share], object]
) -> None:
    add_images(chat)
    made = share(chat)
    [picture] = SharePicture.objects.all()
    ending(made)
    unknown = Api(bob).get("/shared/" + "x" * 43)
    for path in ("", "/report", "/continue", f"/images/{picture.pk}"):
        answer = read(made, bob, path)
        assert answer.status_code == 404
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer.content == unknown.content
    assert read(made).status_code == 404
    if made.user.is_active and ending is not suspend:
        with pytest.raises(DomainError):  # As one who had opened the page before.
            update_share(share=Share(pk=made.pk), for_anybody=True, days=1, anew=False)


def test_revoking_deletes_what_the_link_showed(
    chat: Conversation, media: Path, django_capture_on_commit_callbacks: Any
) -> None:
    add_images(chat)
    made = share(chat)
    assert list((media / SHARES).rglob("*.png"))
    with django_capture_on_commit_callbacks(execute=True):
        end(made)
    assert not ShareEntry.objects.exists()
    assert not list((media / SHARES).rglob("*.png"))
    made.refresh_from_db()
    assert made.state == Share.State.REVOKED


def test_what_has_ended_is_forgotten_and_what_is_open_stays(
    chat: Conversation, media: Path, django_capture_on_commit_callbacks: Any
) -> None:
    add_images(chat)
    live, expired, gone, down = (share(chat) for _ in range(4))
    over(expired)
    Share.objects.filter(pk=gone.pk).update(revoked_at=timezone.now() - timedelta(days=31))
    take_down(down)
    Share.objects.create(user=chat.user, token="unfinished", title="x")
    Share.objects.filter(token="unfinished").update(created_at=timezone.now() - timedelta(hours=2))
    with django_capture_on_commit_callbacks(execute=True):
        services.forget()
    assert set(Share.objects.all()) == {live, expired, down}
    kept = {entry.share_id for entry in ShareEntry.objects.all()}
    assert kept == {live.pk, down.pk}, "What was taken down can be looked at for a while."
    assert len(list((media / SHARES).rglob("*.png"))) == 2


def test_only_a_chat_of_ones_own_can_be_shared(chat: Conversation, bob: User, alice: User) -> None:
    form = {"who": "anybody", "days": "7"}
    assert Api(bob).post(f"/ai-chat/{chat.pk}/share", form).status_code == 404
    made = share(chat)
    for path in (f"/account/shares/{made.pk}/revoke", f"/account/shares/{made.pk}/update"):
        assert Api(bob).post(path, form).status_code == 404
    answer = Api(alice).post(f"/ai-chat/{chat.pk}/share", {**form, "named": "on"})
    assert answer.status_code == 302
    latest = Share.objects.latest("created_at")
    assert (latest.author, latest.for_anybody, len(latest.token)) == ("Alice", True, 43)
    page = Api(alice).get("/account/shares").content.decode()
    assert f"/shared/{latest.token}" in page
    assert Api(bob).get("/account/shares").content.decode().count("/shared/") == 0
    assert Api(alice).post(f"/account/shares/{latest.pk}/revoke").status_code == 302
    assert read(latest).status_code == 404


def test_views_are_counted_but_not_the_owners(chat: Conversation, bob: User) -> None:
    made = share(chat)
    read(made, bob)
    read(made)
    read(made, chat.user)
    Api(bob).head(f"/shared/{made.token}")
    made.refresh_from_db()
    assert made.views == 2


def test_the_log_has_no_token(chat: Conversation, settings: Any) -> None:
    settings.SHARED_REQUESTS_PER_MINUTE = 1
    made, written = share(chat), StringIO()
    options = settings.LOGGING["filters"]["tokens"]
    handler = logging.StreamHandler(written)
    handler.addFilter(import_string(options["()"])())
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        browser = Api(REMOTE_ADDR="192.0.2.7")
        statuses = [browser.get(f"/shared/{made.token}/report").status_code for _ in range(2)]
    finally:
        logger.removeHandler(handler)
    assert statuses == [200, 429]
    assert "/shared/…/report" in written.getvalue()
    assert made.token not in written.getvalue()


def test_a_guesser_is_slowed_down(chat: Conversation, settings: Any, bob: User) -> None:
    settings.SHARED_REQUESTS_PER_MINUTE = 3
    browser = Api(REMOTE_ADDR="192.0.2.9")
    answers = [browser.get(f"/shared/{number:043}").status_code for number in range(5)]
    assert answers == [404, 404, 404, 429, 429]
    assert read(share(chat), bob).status_code == 200


def test_readers_report_and_an_admin_judges(
    chat: Conversation, bob: User, admin: User, django_capture_on_commit_callbacks: Any
) -> None:
    made = share(chat)
    path = f"/shared/{made.token}/report"
    assert Api(bob).post(path, {"reason": "", "text": "x"}).status_code == 422
    sent = [
        Api().post(path, {"reason": "abuse", "text": "<b>bad</b>"}).status_code for _ in range(6)
    ]
    assert sent == [200] * 5 + [429]
    assert Api(admin).get("/admin").content.decode().count("1 shared chat reported") == 1
    page = Api(admin).get(f"/admin/shares/{made.pk}").content.decode()
    assert "&lt;b&gt;bad&lt;/b&gt;" in page
    quiet = share(chat)
    assert Api(admin).get(f"/admin/shares/{quiet.pk}").status_code == 404, "Nobody reported it."
    judged = Api(admin).post(f"/admin/shares/{made.pk}", {"act": "dismiss", "reason": "Harmless"})
    assert judged.status_code == 302
    assert read(made).status_code == 200
    assert "reported" not in Api(admin).get("/admin").content.decode()
    services.report(share=made, reporter=bob, reason="illegal", text="")
    Api(admin).post(f"/admin/shares/{made.pk}", {"act": "take_down", "reason": "It is."})
    assert read(made).status_code == 404
    entries = Api(admin).get("/admin/audit").content.decode()
    assert "share.take_down" in entries and "share.dismiss" in entries
    owner = Api(chat.user).get("/account/shares").content.decode()
    assert "took it down after a report" in owner and "bob@" not in owner and "Bob" not in owner


def test_html_of_an_earlier_renderer_is_made_anew(chat: Conversation) -> None:
    made = share(chat)
    entry = ShareEntry.objects.get(share=made, position=0)
    entry.content |= {"html": "<script>alert(1)</script>", "htmlVersion": RENDERER_VERSION - 1}
    entry.save()
    text = read(made).content.decode()
    assert "<script>" not in text and "<strong>scatters</strong>" in text
    entry.refresh_from_db()
    assert entry.content["htmlVersion"] == RENDERER_VERSION
    assert Turn.objects.filter(html__contains="<script>").count() == 0


def test_of_a_chat_that_says_too_much_the_latest_is_copied(
    chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = add_images(chat)
    make_turn(chat, "Last?", "Word." * 10)
    assert first.pk
    monkeypatch.setattr(copies, "MOST_CHARACTERS", 58)
    made = share(chat)
    assert [row.content["prompt"] for row in made.entries.all()] == ["Last?"]
    assert not made.pictures.exists()


def test_what_was_imported_is_said_to_be(chat: Conversation) -> None:
    Turn.objects.create(
        user=chat.user, conversation=chat, parent=chat.current, state=Turn.State.IMPORTED,
        model="gpt-4o", prompt="Who won?", answer="Me.",
    )  # fmt: skip
    Conversation.objects.filter(pk=chat.pk).update(current=Turn.objects.latest("created_at").pk)
    chat.refresh_from_db()
    assert read(share(chat)).content.decode().count(">Imported<") == 1


def test_a_long_copy_has_pages(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = Conversation.objects.create(user=alice, title="Long")
    for number in range(5):
        make_turn(conversation, f"Question {number}", "x")
    monkeypatch.setattr(copies, "ENTRIES_SHOWN", 2)
    made = share(conversation)
    first = read(made).content.decode()
    assert "Question 1" in first and "Question 2" not in first
    assert "Question 4" in read(made, path="?from=4").content.decode()
    for odd in ("?from=99", "?from=-1", "?from=x", "?from=" + "9" * 50, "?from=٣"):
        assert read(made, path=odd).status_code in {200, 404}


def test_a_picture_that_is_too_much_is_left_out(
    chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_images(chat)
    monkeypatch.setattr(copies, "MOST_BYTES", 10)
    assert "<img" not in read(share(chat)).content.decode()


def test_what_a_long_chat_shares_no_more_takes_no_room(
    chat: Conversation, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_images(chat)
    make_turn(chat, "And in the morning?", "Red.")
    monkeypatch.setattr(copies, "MOST_ENTRIES", 1)
    made = share(chat)
    assert [each.content["prompt"] for each in made.entries.all()] == ["And in the morning?"]
    assert not made.pictures.exists() and not (media / made.folder).exists()


def test_copies_and_links_are_bounded(
    chat: Conversation, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_SHARES", 2)
    for _ in range(2):
        share(chat)
    page = Api(alice).post(f"/ai-chat/{chat.pk}/share", {"who": "anybody", "days": "7"})
    assert (page.status_code, "as many as there can be" in page.content.decode()) == (422, True)
    monkeypatch.setattr(services, "MOST_SHARES", 100)
    monkeypatch.setattr(services, "COPIES_PER_HOUR", 2)
    page = Api(alice).post(f"/ai-chat/{chat.pk}/share", {"who": "anybody", "days": "7"})
    assert "Try again later" in page.content.decode()


def test_deleting_a_chat_says_what_happens_to_its_links(chat: Conversation, alice: User) -> None:
    made, browser = share(chat), Api(alice)
    assert "End the 1 link to copies" in browser.get(f"/ai-chat/{chat.pk}/delete").content.decode()
    assert "1 link to copies" in browser.get("/account/data/delete/chats").content.decode()
    browser.post(f"/ai-chat/{chat.pk}/delete", {"end_links": "1"})
    assert read(made).status_code == 404
    other = Conversation.objects.create(user=alice, title="Other")
    make_turn(other, "x", "y")
    kept = share(other)
    browser.post(f"/ai-chat/{other.pk}/delete")
    assert read(kept).status_code == 200


def test_a_form_of_a_reader_is_checked_for_forgery(chat: Conversation) -> None:
    made = share(chat)
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/shared/{made.token}/report", {"reason": "abuse"}).status_code == 403


def test_a_reader_goes_on_in_a_chat_of_their_own(chat: Conversation, carol: User) -> None:
    made, browser = share(chat), Api(carol)
    assert "Continue this chat?" in browser.get(f"/shared/{made.token}/continue").content.decode()
    for _ in range(2):
        answer = browser.post(f"/shared/{made.token}/continue")
    own = Conversation.objects.get(user=carol)
    assert answer["Location"] == f"/ai-chat/{own.pk}"
    assert [each.prompt for each in own.turns.order_by("created_at")] == [
        "Why is it blue?",
        "And at night?",
    ]
    page = browser.get(f"/ai-chat/{own.pk}").content.decode()
    assert page.count("Imported from a shared chat") == 2
    assert Api().post(f"/shared/{made.token}/continue").status_code == 302
    assert Conversation.objects.filter(external_id__startswith="import:").count() == 1


def test_a_link_that_ends_while_it_is_read_shows_nothing(
    chat: Conversation, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, read_copy = share(chat), copies.read_copy

    def end_and_read(found: Share, **place: int) -> Any:
        end(found)
        return read_copy(found, **place)

    monkeypatch.setattr(shared, "read_copy", end_and_read)
    assert read(made, bob).status_code == 404
    monkeypatch.undo()
    made, find_live = share(chat), services.find_live

    def find_and_end(token: str) -> Share | None:
        found = find_live(token)
        end(made)
        return found

    monkeypatch.setattr(services, "find_live", find_and_end)
    assert Api(bob).post(f"/shared/{made.token}/continue").status_code == 404
    assert not Conversation.objects.filter(user=bob).exists()


def test_a_link_that_ends_while_its_copy_is_made_stays_ended(
    chat: Conversation,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    add_images(chat)
    made, make_copy = share(chat), copies.make_copy

    def end_and_copy(found: Share, conversation: Conversation) -> Any:
        copy = make_copy(found, conversation)
        end(Share(pk=found.pk))
        return copy

    monkeypatch.setattr(services, "make_copy", end_and_copy)
    with pytest.raises(DomainError), django_capture_on_commit_callbacks(execute=True):
        update_share(share=made, for_anybody=True, days=1, anew=True)
    assert read(made).status_code == 404
    assert not ShareEntry.objects.exists()
    assert not SharePicture.objects.exists()


def test_copies_count_for_what_the_account_may_keep(chat: Conversation, alice: User) -> None:
    add_images(chat)
    ChatSettings.objects.update_or_create(id=1, defaults={"storage_bytes": len(png()) + 1})
    page = Api(alice).post(f"/ai-chat/{chat.pk}/share", {"who": "anybody", "days": "7"})
    assert page.status_code == 422
    assert "Delete some of them first" in page.content.decode()
    assert not Share.objects.exists()
