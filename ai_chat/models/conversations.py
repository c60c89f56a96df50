"""Conversations, their turns, and what models are told in them. Money is not here: each turn points
at its charge in the journal."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from ai_chat.jobs.models import FAILED, RUNNING, Job
from credits.models import AIModel


class ChatSettings(models.Model):
    """The one row of what admins decide about all chats."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    #: What every model is told first, in chats; the API of keys is not concerned.
    house_rule = models.TextField(blank=True, default="", db_default="")
    #: The model that gives chats their titles, at the operator's cost; null: a rule does.
    title_model = models.ForeignKey(AIModel, models.SET_NULL, null=True, related_name="+")
    #: Bytes of files and pictures that an account may keep.
    storage_bytes = models.BigIntegerField(default=2**30, db_default=2**30)
    #: Days after which files of chats are deleted; null: never.
    attachment_days = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="chat_settings_one")]

    def __str__(self) -> str:
        return "chats"

    @classmethod
    def current(cls) -> "ChatSettings":
        """The row, or the defaults while no admin has changed any."""
        return cls.objects.select_related("title_model").first() or cls()


class ChatPreferences(models.Model):
    """What a user decides about all of their chats. Without a row: the defaults."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="chat_preferences"
    )
    instructions = models.TextField(blank=True, default="", db_default="")
    #: The names of the models that were chosen last, for new chats; empty: those used last.
    text_model = models.CharField(max_length=120, blank=True, default="", db_default="")
    image_model = models.CharField(max_length=120, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return f"chat preferences of {self.user_id}"


class Preset(models.Model):
    """Instructions, a model and a temperature under a name: a user's own, or published by admins
    for everybody (no user)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="presets", db_index=False
    )
    name = models.CharField(max_length=60)
    instructions = models.TextField(blank=True)
    #: A model's name; empty: the one that is chosen anyway.
    model = models.CharField(max_length=120, blank=True)
    temperature = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"], name="preset_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name


class Versions(NamedTuple):
    """Where an entry of a conversation stands among its versions, and those beside it."""

    number: int
    of: int
    previous: uuid.UUID | None
    next: uuid.UUID | None


class Folder(models.Model):
    """A name under which a user keeps conversations together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="folders", db_index=False
    )
    name = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="folder_once")]

    def __str__(self) -> str:
        return self.name


class Conversation(models.Model):
    """A user's chat. Deleting it deletes its turns; the ledger keeps what they cost.

    Turns and image requests are its entries, and form a tree: each names the one before it as its
    `parent`, and those with the same parent are versions of each other. `current` is the last entry
    of the path that is shown; only what is on it is sent to models."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", db_index=False
    )
    title = models.CharField(max_length=120)
    #: The id that a client of the API gave its chat.
    external_id = models.CharField(max_length=200, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When its last turn began: the order in the rail.
    active_at = models.DateTimeField(db_default=Now())
    #: The id of the last entry that is shown; null without any. Not a foreign key: entries are of
    #: two kinds, and go with their conversation.
    current = models.UUIDField(null=True)
    #: Whether the user gave it its title.
    title_is_chosen = models.BooleanField(default=False, db_default=False)
    folder = models.ForeignKey(
        Folder, models.SET_NULL, null=True, related_name="conversations", db_index=False
    )
    pinned_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)
    #: When a temporary one is deleted; it is in no list. Null for others.
    expires_at = models.DateTimeField(null=True)
    #: Until when the model that gives titles may still give it one; null: it was not asked.
    title_due_until = models.DateTimeField(null=True)
    #: What its models are told besides the account's instructions.
    instructions = models.TextField(blank=True, default="", db_default="")
    preset = models.ForeignKey(Preset, models.SET_NULL, null=True, related_name="+", db_index=False)
    #: Of what models write; null: theirs, or the preset's.
    temperature = models.FloatField(null=True)
    #: The names of the models chosen for its next message and images; empty: those used last.
    text_model = models.CharField(max_length=120, blank=True, default="", db_default="")
    image_model = models.CharField(max_length=120, blank=True, default="", db_default="")
    #: Where its imported turns come from, for people; empty: it began here.
    imported_from = models.CharField(max_length=20, blank=True, default="", db_default="")

    class Meta:
        indexes = [
            models.Index(fields=["user", "-active_at"], name="conversation_of_user"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False),
                name="conversation_expiring",
            ),
            models.Index(
                fields=["user", "-pinned_at"],
                condition=models.Q(pinned_at__isnull=False),
                name="conversation_pinned",
            ),
            models.Index(
                fields=["folder", "-active_at"],
                condition=models.Q(folder__isnull=False),
                name="conversation_in_folder",
            ),
            models.Index(
                fields=["user", "-active_at"],
                condition=models.Q(archived_at__isnull=False),
                name="conversation_archived",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "external_id"],
                condition=models.Q(external_id__isnull=False),
                name="conversation_external_id_once",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def setup(self) -> "Setup":
        return Setup(self.instructions, self.preset_id, self.temperature)

    @property
    def beginning(self) -> "Beginning":
        """How another is begun in its place, if it is deleted while a message goes in."""
        return Beginning(self.setup, self.folder_id, self.expires_at is not None)


class Place(NamedTuple):
    """Where a message goes: after the entry `parent` of a conversation. What `is_version` stays
    there, as another version of what follows that entry; anything else follows what is shown last
    when it is charged. Without a conversation it begins one."""

    conversation: Conversation | None = None
    parent: uuid.UUID | None = None
    is_version: bool = False

    @property
    def conversation_id(self) -> uuid.UUID | None:
        return self.conversation.pk if self.conversation else None


class Setup(NamedTuple):
    """How a chat is set up: the instructions of its models, and their temperature (0 to 2; None:
    the preset's, else their own)."""

    instructions: str = ""
    preset_id: uuid.UUID | None = None
    temperature: float | None = None


class Beginning(NamedTuple):
    """How a message begins its conversation: set up like this, and in a folder of its user's or,
    where it is temporary, in no list."""

    setup: Setup = Setup()
    folder_id: uuid.UUID | None = None
    is_temporary: bool = False

    @property
    def columns(self) -> dict[str, Any]:
        """What `ai_chat_place` reads of it in the row of a job."""
        return {
            **self.setup._asdict(),
            "preset_id": self.setup.preset_id and str(self.setup.preset_id),
            "folder_id": self.folder_id and str(self.folder_id),
            "is_temporary": self.is_temporary,
        }


#: With nothing said, in no folder, and listed.
USUAL = Beginning()


class Turn(Job):
    """One message of a user and its answer."""

    class State(models.TextChoices):
        RUNNING = RUNNING
        ANSWERED = "answered"
        STOPPED = "stopped"
        FAILED = FAILED
        #: It came from elsewhere, and was never charged here.
        IMPORTED = "imported"

    class Cut(models.TextChoices):
        """Why an answer that was charged is not whole."""

        LENGTH = "length", "cut at the length limit"
        TIME = "time", "cut at the time limit"

    kind = "turn"
    recorder = "ai_chat_record_turn"
    text_column = "answer"

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="turns", db_index=False
    )
    prompt = models.TextField()
    answer = models.TextField(blank=True)
    #: The answer as HTML, made at its end, and the version of the renderer that made it (0: none).
    html = models.TextField(blank=True, default="", db_default="")
    html_version = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: What the model thought before it answered; kept at the end.
    reasoning = models.TextField(blank=True, default="", db_default="")
    cut = models.CharField(max_length=10, choices=Cut, blank=True, default="", db_default="")
    #: Seconds from the first thought to the first word of the answer; null where it thought nothing
    #: that was shown.
    reasoning_seconds = models.FloatField(null=True)
    #: The entry before it; null for the first of a conversation.
    parent = models.UUIDField(null=True)
    #: Files that were sent with the prompt: ids of Attachment, in their order. One that is deleted
    #: stays named here.
    attachments = ArrayField(models.UUIDField(), default=list, db_default=[])
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    #: Those of these files that are there, and how many are not: `load_files` sets both.
    files: Sequence[Any] = ()
    files_gone = 0

    #: Those beside it; only on an entry that is shown, if there are any.
    versions: Versions | None = None

    class Meta:
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="turns_of_conversation"),
            models.Index(fields=["conversation", "parent"], name="turns_by_parent"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="imported", charge__isnull=True)
                | ~models.Q(state="imported") & models.Q(charge__isnull=False),
                name="turn_charged_unless_imported",
            )
        ]
