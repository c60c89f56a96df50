"""Lists of a user's chats. Temporary ones are in none."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils import timezone

from ai_chat.models import Conversation, Folder
from config.pagination import Key, Page, paginate

CONVERSATIONS_SHOWN = 40
#: Of each folder in the rail; its page shows all.
SHOWN_IN_FOLDER = 10
#: The latest first.
ORDER = ("-active_at", "-pk")
KEY = (datetime, UUID)

IS_LISTED = Q(archived_at=None, expires_at=None)


class Rail(NamedTuple):
    """What the rail lists. `page` are the chats that are neither pinned nor in a folder; `folders`
    have their latest chats as `listed`, and how many there are as `many`."""

    page: Page[Conversation]
    pinned: Sequence[Conversation] = ()
    folders: Sequence[Folder] = ()


def rail(*, user_id: int, older_than: Key | None = None) -> Rail:
    """The rail's list; behind the key `older_than` it only goes on with the page."""
    own = Conversation.objects.filter(IS_LISTED, user_id=user_id)
    page = paginate(
        own.filter(pinned_at=None, folder=None),
        size=CONVERSATIONS_SHOWN,
        order=ORDER,
        older_than=older_than,
        onwards_only=True,
    )
    if older_than is not None:
        return Rail(page)
    pinned = own.filter(pinned_at__isnull=False).order_by("-pinned_at")
    return Rail(page, list(pinned), list(_with_chats(folders_of(user_id=user_id))))


def _with_chats(folders: QuerySet[Folder]) -> QuerySet[Folder]:
    is_shown = IS_LISTED & Q(pinned_at=None)
    latest = Conversation.objects.filter(is_shown).order_by("-active_at")[:SHOWN_IN_FOLDER]
    return folders.prefetch_related(Prefetch("conversations", latest, to_attr="listed"))


def folders_of(*, user_id: int) -> QuerySet[Folder]:
    """The user's folders by name, with how many chats are listed in each as `many`."""
    is_listed = Q(conversations__archived_at=None, conversations__expires_at=None)
    many = Count("conversations", filter=is_listed)
    return Folder.objects.filter(user_id=user_id).annotate(many=many).order_by("name")


def chats_page(
    *,
    user_id: int,
    folder: Folder | None = None,
    archived: bool = False,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    size: int = CONVERSATIONS_SHOWN,
) -> Page[Conversation]:
    """All chats of a user that are not archived, or the archived ones; of a folder, if given."""
    rows = Conversation.objects.filter(user_id=user_id, expires_at=None)
    rows = rows.filter(archived_at__isnull=not archived).select_related("folder")
    if folder:
        rows = rows.filter(folder=folder)
    return paginate(rows, size=size, order=ORDER, older_than=older_than, newer_than=newer_than)


def period_of(moment: datetime) -> str:
    """Under which heading a chat stands that was active at this moment, in the reader's zone."""
    day, today = timezone.localtime(moment).date(), timezone.localdate()
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if day >= today - timedelta(days=7):
        return "Previous 7 days"
    return _month(day, today)


def _month(day: date, today: date) -> str:
    return f"{day:%B}" if day.year == today.year else f"{day:%B %Y}"
