"""Links to copies of chats: making, changing and ending them, and what becomes of reports."""

from collections.abc import Collection
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from ai_chat import files
from ai_chat.models import SHARES, Conversation, Share, ShareEntry, SharePicture, ShareReport
from ai_chat.sharing.copies import Copy, make_copy
from config.errors import DomainError, TooManyRequests
from credits import audit, rate_limits
from credits.models import User

#: Links of one user that are open at the same time, and copies that they may make in an hour.
MOST_SHARES = 100
COPIES_PER_HOUR = 30
#: Days after which a link can end, besides never.
DAYS = (1, 7, 30)
#: How long a link that has ended is listed, and what was reported of it can be looked at.
ENDED_KEPT = timedelta(days=30)
#: How long making a copy may take; what is unfinished after it was given up.
COPYING = timedelta(hours=1)
HOUR = timedelta(hours=1)


class TooManyShares(DomainError):
    """MOST_SHARES links are open."""

    status = 409
    code = "too_many_shares"

    def __init__(self) -> None:
        super().__init__(f"You have {MOST_SHARES} open links, which is as many as there can be.")


class ShareEnded(DomainError):
    """The link has ended, and cannot be opened again."""

    status = 409
    code = "share_ended"

    def __init__(self) -> None:
        super().__init__("This link has ended. Make a new one.")


def shares_of(user_id: int) -> QuerySet[Share]:
    """The user's links, newest first."""
    shares = Share.objects.filter(user_id=user_id, copied_at__isnull=False)
    return shares.select_related("conversation")


def share_chat(
    *, user: User, conversation: Conversation, for_anybody: bool, days: int | None, author: str = ""
) -> Share:
    """Makes a copy of a chat and a link to it, which ends after so many days (None: never). Raises
    NothingToShare, TooManyShares, TooManyRequests, StorageFull, StorageFailed."""
    if Share.live().filter(user=user).count() >= MOST_SHARES:
        raise TooManyShares
    _count_copy(user)
    share = Share.objects.create(
        user=user,
        conversation=conversation,
        token=token_urlsafe(32),
        title=conversation.title,
    )
    return _fill(share, for_anybody=for_anybody, days=days, author=author)


def update_share(
    *, share: Share, for_anybody: bool, days: int | None, author: str = "", anew: bool
) -> Share:
    """Changes who may read a link and when it ends, counted from now; with `anew` what it shows
    becomes what its chat shows now. Raises ShareEnded, and what `share_chat` raises."""
    if not share.is_live:
        raise ShareEnded
    settings: dict[str, Any] = {"for_anybody": for_anybody, "days": days, "author": author}
    if anew and share.conversation:
        _count_copy(share.user)
        return _fill(share, **settings)
    with transaction.atomic():
        return _set(_locked(share), **settings)


def _count_copy(user: User) -> None:
    """Raises TooManyRequests after COPIES_PER_HOUR: each copies up to 100 MB of pictures."""
    if wait := rate_limits.take(f"shares:{user.pk}", limit=COPIES_PER_HOUR, window=HOUR):
        sentence = "You made many copies in the last hour. Try again later."
        raise TooManyRequests(sentence, retry_seconds=wait)


def _fill(share: Share, **settings: Any) -> Share:
    """Puts a new copy in the place of what the link shows, at once."""
    conversation = share.conversation
    assert conversation is not None
    before = list(share.pictures.values_list("pk", flat=True))
    try:
        copy = make_copy(share, conversation)
        with transaction.atomic():
            return _set(_locked(share), copy=copy, title=conversation.title, **settings)
    except BaseException:
        with transaction.atomic():
            _discard_pictures(share.pictures.exclude(pk__in=before))
            Share.objects.filter(pk=share.pk, copied_at__isnull=True).delete()
        raise


def _locked(share: Share) -> Share:
    """The row, which is not ended meanwhile. Raises ShareEnded."""
    row = Share.objects.select_for_update(of=("self",)).filter(pk=share.pk).first()
    if row is None or not row.is_live:
        raise ShareEnded
    return row


def _set(
    share: Share,
    *,
    for_anybody: bool,
    days: int | None,
    author: str,
    title: str = "",
    copy: Copy | None = None,
) -> Share:
    now = timezone.now()
    if copy:
        share.title, share.copied_at = title, now
        share.entries.all().delete()
        rows = [
            ShareEntry(share=share, position=place, content=content)
            for place, content in enumerate(copy.entries)
        ]
        ShareEntry.objects.bulk_create(rows, batch_size=100)
        kept = [each.pk for each in copy.pictures]
        _discard_pictures(share.pictures.exclude(pk__in=kept))
    share.for_anybody, share.author = for_anybody, author
    share.expires_at = now + timedelta(days=days) if days else None
    share.save(update_fields=["title", "copied_at", "for_anybody", "author", "expires_at"])
    return share


def _discard_pictures(pictures: QuerySet[SharePicture]) -> None:
    names = list(pictures.values_list("file", flat=True))
    pictures.delete()
    transaction.on_commit(lambda: files.discard(names))


@transaction.atomic
def end(share: Share) -> None:
    """Ends a link for good: what it showed is deleted. The row stays for ENDED_KEPT."""
    row = Share.objects.select_for_update(of=("self",)).filter(pk=share.pk).first()
    if row is None:
        return
    if row.revoked_at is None and row.taken_down_at is None:
        Share.objects.filter(pk=row.pk).update(revoked_at=timezone.now())
    if row.taken_down_at is None:
        _empty(row)


def links_of(*, user_id: int, chats: Collection[UUID]) -> list[Share]:
    """The open links to copies of these chats of the user's."""
    return list(Share.live().filter(user_id=user_id, conversation__in=chats))


def end_without_chat(links: Collection[Share]) -> None:
    """Ends those of these links whose chats are deleted by now."""
    for share in Share.objects.filter(
        pk__in=[each.pk for each in links], conversation__isnull=True
    ):
        end(share)


def _empty(share: Share) -> None:
    share.entries.all().delete()
    _discard_pictures(share.pictures.all())


def find_live(token: str) -> Share | None:
    """The link with this token, if it is open."""
    return Share.live().filter(token=token).select_related("user").first()


def count_view(share: Share) -> None:
    """Counts that somebody opened it."""
    Share.objects.filter(pk=share.pk).update(views=F("views") + 1)


def report(*, share: Share, reporter: User | None, reason: str, text: str) -> None:
    """Keeps what a reader says is wrong with a copy, for admins."""
    ShareReport.objects.create(share=share, reporter=reporter, reason=reason, text=text)


def reported() -> QuerySet[Share]:
    """Links that were reported, those with open reports first; `open_reports` counts these."""
    is_open = Count("reports", filter=Q(reports__closed_at__isnull=True))
    shares = Share.objects.filter(reports__isnull=False).select_related("user")
    return shares.annotate(open_reports=is_open, all_reports=Count("reports")).order_by(
        "-open_reports", "-created_at"
    )


@transaction.atomic
def judge(*, actor: User, share: Share, take_down: bool, reason: str) -> None:
    """An admin takes a reported copy down, or dismisses its open reports."""
    row = Share.objects.select_for_update(of=("self",)).get(pk=share.pk)
    now = timezone.now()
    closed = row.reports.filter(closed_at__isnull=True).update(closed_at=now)
    if take_down and row.taken_down_at is None:
        Share.objects.filter(pk=row.pk).update(taken_down_at=now)
    audit.record(
        actor=actor,
        action="share.take_down" if take_down else "share.dismiss",
        target=f"share {row.pk}",
        user_id=row.user_id,
        before={"reports": closed, "state": row.state},
        after={"state": Share.State.TAKEN_DOWN if take_down else row.state},
        reason=reason,
    )


def forget() -> None:
    """Deletes what links showed that have ended by themselves, links that ended ENDED_KEPT ago, and
    copies that were never finished."""
    now = timezone.now()
    over = Q(expires_at__lte=now) & Q(taken_down_at__isnull=True)
    for share in Share.objects.filter(over, entries__isnull=False).distinct():
        with transaction.atomic():
            _empty(share)
    before = now - ENDED_KEPT
    is_old = Q(expires_at__lte=before) | Q(revoked_at__lte=before) | Q(taken_down_at__lte=before)
    old = Share.objects.filter(is_old)
    unfinished = Share.objects.filter(copied_at__isnull=True, created_at__lte=now - COPYING)
    for share in [*old, *unfinished]:
        delete_share(share)


def delete_share(share: Share) -> None:
    """Deletes a link with all that belongs to it. Files go first, so that none is lost. Raises
    StorageFailed."""
    files.remove_folder(share.folder)
    share.delete()


def delete_all(*, user_id: int) -> None:
    """Deletes all links of a closed account. Raises StorageFailed."""
    for share in Share.objects.filter(user_id=user_id):
        delete_share(share)
    files.remove_folder(f"{SHARES}/{user_id}")
