"""Files go with their conversation and their account, when they are old, and when nobody knows
them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from ai_chat.attachments import keeping
from ai_chat.attachments.services import add_file
from ai_chat.conversations.services import delete_conversation
from ai_chat.data import jobs
from ai_chat.models import Attachment, ChatSettings, Conversation, DataJob
from credits.models import User
from tests.parallel import backend_pid, in_background, wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)


def sent(user: User, name: str = "a.txt", *, days: float = 0) -> Attachment:
    """A file that was sent in a conversation so many days ago."""
    file = add_file(user_id=user.pk, name=name, content=b"text")
    file.conversation = Conversation.objects.create(user=user, title="Plans")
    return age(file, days)


def age(file: Attachment, days: float) -> Attachment:
    file.created_at = timezone.now() - timedelta(days=days)
    file.save()
    return file


def stored(media: Path) -> set[str]:
    return {path.name for path in media.rglob("*") if path.is_file()}


def kept(media: Path) -> set[str]:
    """The names of the files that are kept, in the database and in the storage alike."""
    files = Attachment.objects.all()
    assert {str(file.pk) for file in files} == stored(media)
    return {file.name for file in files}


def test_a_deleted_conversation_takes_its_files_along(alice: User, media: Path) -> None:
    gone = sent(alice, "gone")
    sent(alice, "other")
    assert gone.conversation
    delete_conversation(conversation=gone.conversation)
    assert kept(media) == {"other"}


def test_an_erased_account_takes_all_its_files_along(alice: User, bob: User, media: Path) -> None:
    sent(alice)
    add_file(user_id=alice.pk, name="unsent", content=b"text")
    (media / "attachments" / str(alice.pk) / "left").write_bytes(b"of a killed process")
    sent(bob, "of bob")
    job = DataJob.objects.create(user=alice, kind=DataJob.Kind.ERASURE)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert job.state == DataJob.State.DONE
    assert kept(media) == {"of bob"}


def test_what_is_sent_at_the_last_moment_stays(alice: User, media: Path) -> None:
    late = age(add_file(user_id=alice.pk, name="late", content=b"text"), 1.01)
    chat = Conversation.objects.create(user=alice, title="Plans")
    with transaction.atomic():
        Attachment.objects.filter(pk=late.pk).update(conversation=chat)
        forgetting = in_background(keeping.forget)
        wait_until_blocked(by=backend_pid())
    forgetting.result()
    assert kept(media) == {"late"}


def test_what_was_not_sent_within_a_day_is_deleted(alice: User, media: Path) -> None:
    age(add_file(user_id=alice.pk, name="forgotten", content=b"text"), 1.01)
    age(add_file(user_id=alice.pk, name="today", content=b"text"), 0.99)
    sent(alice, "sent", days=400)
    keeping.forget()
    assert kept(media) == {"today", "sent"}


def test_files_are_deleted_after_the_days_that_an_admin_allows(alice: User, media: Path) -> None:
    ChatSettings.objects.create(attachment_days=30)
    sent(alice, "old", days=30.1)
    sent(alice, "young", days=29.9)
    keeping.forget()
    assert kept(media) == {"young"}
    assert Conversation.objects.count() == 2


def test_what_killed_processes_left_is_found(alice: User, media: Path) -> None:
    sent(alice, "known")
    folder = media / "attachments" / str(alice.pk)
    for name, minutes in (("left", 61), ("being-saved", 1)):
        (folder / name).write_bytes(b"text")
        moment = timezone.now().timestamp() - minutes * 60
        os.utime(folder / name, (moment, moment))
    keeping.discard_left()
    assert stored(media) - {str(Attachment.objects.get().pk)} == {"being-saved"}
