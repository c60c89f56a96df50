"""The archive of all data of a user: a ZIP, written file by file to a temporary file and then
copied to the storage. Times are UTC."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import slugify

from ai_chat import files
from ai_chat.calls import log
from ai_chat.data.kept_responses import kept_responses
from ai_chat.models import Conversation, DataJob, Image, ImageRequest, Turn
from config.pagination import LATEST_FIRST, in_batches
from credits.api.usage_csv import COLUMNS
from credits.keys.states import key_states
from credits.models import (
    ApiKey,
    AuthenticationEvent,
    Limit,
    RedeemCode,
    Session,
    User,
    WebhookEndpoint,
    WebhookMessage,
)
from credits.models.background import TakenOver
from credits.statement.csv_file import csv_lines
from credits.statement.history import statement

#: Rows that are read at once.
BATCH = 100
#: Bytes that are copied at once.
PIECE = 1 << 20
README = """What Tally has of you, made on {made} (times are UTC).

profile.json    your account, where you are signed in, how you signed in lately, your limits,
                API keys and webhooks, what was announced lately, and codes you redeemed
statement.csv   every credit that moved
calls.csv       the calls of your API keys, without what was asked and answered
chats/          each chat as Markdown to read, and as JSON for programs
responses.json  kept responses of the API, with what was sent for them
images/         the pictures, and images.json with what was asked for
"""


class TooLarge(Exception):
    """An archive would be larger than ARCHIVE_MAX_BYTES."""

    def __init__(self) -> None:
        size = settings.ARCHIVE_MAX_BYTES // 10**9
        super().__init__(
            f"It would be larger than {size:,} GB. Take the pictures one by one and delete them, "
            "then ask again; or ask who runs this site."
        )


def make_archive(job: DataJob) -> None:
    """Makes the archive of a job, from the beginning, and stores it. Raises TooLarge, TakenOver,
    StorageFailed."""
    job.processed = 0
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    # Without a name, so that the system removes it when this process is killed.
    with TemporaryFile(dir=settings.VAR_DIR) as target:
        with ZipFile(target, "w", ZIP_DEFLATED) as archive:
            _Writer(job, archive, target).write()
        size = target.tell()
        target.seek(0)
        job.keep()
        name = files.save(f"{job.folder}/{job.pk}.zip", File(target))
    try:
        job.keep(file=name, bytes=size)
    except TakenOver:
        files.discard([name])
        raise


class _Writer:
    """Writes one archive, one file after the other."""

    def __init__(self, job: DataJob, archive: ZipFile, target: IO[bytes]) -> None:
        self.job, self.archive, self.target = job, archive, target
        self.conversations = Conversation.objects.filter(user_id=job.user_id)
        self.requests = ImageRequest.with_receipt().filter(user_id=job.user_id)

    def write(self) -> None:
        turns = Turn.objects.filter(conversation__in=self.conversations).count()
        self.job.total = turns + self.requests.count()
        with self._text("README.txt") as out:
            out.write(README.format(made=_time(timezone.now())))
        with self._text("profile.json") as out:
            _dump(_profile(self.job.user), out)
        with self._text("statement.csv") as out:
            rows = statement(user_id=self.job.user_id).select_related("grant")
            for lines in csv_lines(in_batches(rows), COLUMNS):
                out.write(lines)
                self._advance(0)
        with self._text("calls.csv") as out:
            for lines in csv_lines(log.batches(log.calls(user_id=self.job.user_id)), log.COLUMNS):
                out.write(lines)
                self._advance(0)
        for conversation in _each(self.conversations):
            self._write_chat(conversation)
        with self._text("responses.json") as out:
            kept = kept_responses(account_id=self.job.user_id)
            _dump_with({}, "responses", self._counted(kept), out)
        self._write_images()

    def _counted[Thing](self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The things, while the size of the archive is watched."""
        for thing in things:
            yield thing
            self._advance(0)

    def _advance(self, rows: int) -> None:
        self.job.processed += rows
        if self.target.tell() > settings.ARCHIVE_MAX_BYTES:
            raise TooLarge
        self.job.keep(processed=self.job.processed, total=self.job.total)

    def _write_chat(self, conversation: Conversation) -> None:
        words = slugify(conversation.title, allow_unicode=True)[:40]
        day = f"{conversation.created_at:%Y-%m-%d}"
        name = "-".join(filter(None, ["chats/" + day, words, str(conversation.pk)]))
        with self._text(f"{name}.md") as out:
            out.write(f"# {conversation.title}\n\nBegun {_time(conversation.created_at)}\n")
            for turn in self._turns(conversation):
                out.write(_as_markdown(turn))
        with self._text(f"{name}.json") as out:
            head = {
                "id": str(conversation.pk),
                "externalId": conversation.external_id,
                "title": conversation.title,
                "createdAt": _time(conversation.created_at),
            }
            _dump_with(head, "turns", map(_as_json, self._turns(conversation, counted=True)), out)

    def _turns(self, conversation: Conversation, *, counted: bool = False) -> Iterator[Turn]:
        """Its turns, oldest first. They are read twice, for two files, and `counted` once."""
        rows = Turn.with_receipt().filter(conversation=conversation)
        for batch in in_batches(rows, order=LATEST_FIRST, backwards=True, size=BATCH):
            yield from batch
            self._advance(len(batch) if counted else 0)

    def _write_images(self) -> None:
        for request in _each(self.requests):
            for image in request.images.all():
                self._copy(image)
            self._advance(1)
        with self._text("images/images.json") as out:
            made = map(_request_as_json, _each(self.requests))
            _dump_with({}, "requests", made, out)

    def _copy(self, image: Image) -> None:
        """Copies an image; one that is missing in the storage is in images.json alone."""
        try:
            source = default_storage.open(image.file)
        except FileNotFoundError:
            return
        with source, self._open(_image_name(image), compression=ZIP_STORED) as out:
            for piece in source.chunks(PIECE):
                out.write(piece)

    @contextmanager
    def _open(self, name: str, *, compression: int = ZIP_DEFLATED) -> Iterator[IO[bytes]]:
        info = ZipInfo(name, date_time=timezone.now().astimezone(UTC).timetuple()[:6])
        info.compress_type = compression
        with self.archive.open(info, "w", force_zip64=True) as out:
            yield out

    @contextmanager
    def _text(self, name: str) -> Iterator[TextIOWrapper]:
        with self._open(name) as out, TextIOWrapper(out, "utf-8", newline="") as text:
            yield text


def _each[Row: (Conversation, ImageRequest)](rows: QuerySet[Row]) -> Iterator[Row]:
    """All rows, newest first."""
    return chain.from_iterable(in_batches(rows, order=LATEST_FIRST, size=BATCH))


def _dump(value: Any, out: IO[str]) -> None:
    json.dump(value, out, ensure_ascii=False, indent=2)


def _dump_with(head: dict[str, Any], name: str, items: Iterable[Any], out: IO[str]) -> None:
    """A JSON object whose last member is a list, written item by item."""
    members = [f"  {json.dumps(key)}: {json.dumps(head[key], ensure_ascii=False)}" for key in head]
    out.write("{\n" + "".join(f"{member},\n" for member in members) + f'  "{name}": [')
    for number, item in enumerate(items):
        out.write(",\n    " if number else "\n    ")
        json.dump(item, out, ensure_ascii=False)
    out.write("\n  ]\n}\n")


def _time(moment: datetime | None) -> str | None:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "clerkId": user.clerk_id,
        "joinedAt": _time(user.date_joined),
        "lastSignInAt": _time(user.last_login),
        "newEmail": user.new_email,
        "emailProvedAt": _time(user.email_proved_at),
        "secondFactorAt": _time(user.second_factor_at),
        **_sign_ins(user),
        "alertsByMail": user.alerts_by_mail,
        "keepsAnswers": user.keeps_answers,
        **_limits_and_keys(user),
        **_announced(user),
    }


def _sign_ins(user: User) -> dict[str, Any]:
    sessions = Session.objects.filter(user=user).order_by("created_at")
    events = AuthenticationEvent.objects.filter(user=user).order_by("pk")
    return {
        "sessions": [
            {
                "createdAt": _time(session.created_at),
                "usedAt": _time(session.used_at),
                "address": session.address,
                "device": session.device,
            }
            for session in sessions
        ],
        "activity": [
            {
                "at": _time(event.created_at),
                "what": event.get_kind_display(),
                "address": event.address,
                "device": event.device,
            }
            for event in events
        ],
    }


def _limits_and_keys(user: User) -> dict[str, Any]:
    limits = Limit.objects.filter(account_id=user.pk).order_by("pk")
    keys = ApiKey.objects.filter(account_id=user.pk).order_by("pk")
    return {
        "limits": [
            {
                "period": limit.period,
                "credits": limit.credits,
                "hard": limit.hard,
                "alertAt": limit.alert_at,
                "since": f"{limit.since}",
                "byAdmin": limit.by_admin,
                "key": limit.api_key.public_id if limit.api_key else None,
            }
            for limit in limits.select_related("api_key")
        ],
        "apiKeys": [
            {
                "id": state.key.public_id,
                "createdAt": _time(state.key.created_at),
                "name": state.key.name,
                "scopes": state.key.scopes,
                "models": state.key.only_models,
                "expiresAt": _time(state.key.expires_at),
                "revokedAt": _time(state.key.revoked_at),
                "lastUsedAt": _time(state.last_used_at),
            }
            for state in key_states(keys)
        ],
    }


def _announced(user: User) -> dict[str, Any]:
    webhooks = WebhookEndpoint.objects.filter(account_id=user.pk).order_by("created_at")
    messages = WebhookMessage.objects.filter(account_id=user.pk).order_by("created_at")
    codes = RedeemCode.objects.filter(account_id=user.pk).order_by("redeemed_at")
    return {
        "webhooks": [
            {
                "createdAt": _time(webhook.created_at),
                "url": webhook.url,
                "description": webhook.description,
                "active": webhook.active,
            }
            for webhook in webhooks
        ],
        "announced": [
            {"at": _time(message.created_at), "what": message.kind, "data": message.payload}
            for message in messages
        ],
        "redeemedCodes": [
            {"at": _time(code.redeemed_at), "credits": code.batch.worth}
            for code in codes.select_related("batch")
        ],
    }


def _as_markdown(turn: Turn) -> str:
    answer = turn.answer or f"({turn.get_failure_display() or turn.get_state_display()})"
    return (
        f"\n## You, {_time(turn.created_at)}\n\n{turn.prompt}\n"
        f"\n## {turn.model_label}, {_time(turn.ended_at) or 'not ended'}\n\n{answer}\n"
    )


def _as_json(turn: Turn) -> dict[str, Any]:
    return {
        "id": str(turn.pk),
        "createdAt": _time(turn.created_at),
        "endedAt": _time(turn.ended_at),
        "model": turn.answered_by or turn.model,
        "prompt": turn.prompt,
        "reasoning": turn.reasoning,
        "reasoningSeconds": turn.reasoning_seconds,
        "answer": turn.answer,
        "state": turn.state,
        "failure": turn.failure,
        "parent": str(turn.parent) if turn.parent else None,
        "credits": turn.charged,
    }


def _request_as_json(request: ImageRequest) -> dict[str, Any]:
    return {
        "id": str(request.pk),
        "conversation": str(request.conversation_id) if request.conversation_id else None,
        "createdAt": _time(request.created_at),
        "model": request.answered_by or request.model,
        "prompt": request.prompt,
        "size": request.size,
        "state": request.state,
        "failure": request.failure,
        "credits": request.charged,
        "files": [_image_name(image) for image in request.images.all()],
    }


def _image_name(image: Image) -> str:
    return f"images/{image.pk}.{image.file.rpartition('.')[2]}"
