"""The keyset paginator that every list uses."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from config.pagination import InvalidCursor, Key, cursor_of, key_of, paginate
from credits.models import SyncJob

MOMENTS = [datetime(2026, 3, 1, 12, minute // 2, 0, 123456, tzinfo=UTC) for minute in range(11)]
KINDS = (datetime, UUID)


@pytest.fixture
def jobs(db: None) -> None:
    """Eleven rows, of which two and two have the same time."""
    for number, moment in enumerate(MOMENTS):
        SyncJob.objects.create(actor=str(number), created_at=moment)


def walk(order: tuple[str, ...], **options: Any) -> tuple[list[Any], list[list[Any]]]:
    """All pages onwards, and all pages back from the last one."""
    rows = SyncJob.objects.all()
    page = paginate(rows, size=3, order=order, **options)
    pages = [page]
    while page.older:
        start = key_of(page.older, *KINDS)
        page = paginate(rows, size=3, order=order, older_than=start, **options)
        pages.append(page)
    back = [page]
    while page.newer:
        page = paginate(rows, size=3, order=order, newer_than=key_of(page.newer, *KINDS))
        back.append(page)
    return [row.pk for page in pages for row in page.rows], [page.rows for page in back]


@pytest.mark.parametrize(
    "order",
    [("-created_at", "-pk"), ("created_at", "pk"), ("-created_at", "pk"), ("created_at", "-pk")],
)
def test_each_row_comes_once_in_any_order_forwards_and_backwards(
    jobs: None, order: tuple[str, ...]
) -> None:
    expected = list(SyncJob.objects.order_by(*order).values_list("pk", flat=True))
    onwards, back = walk(order)
    assert onwards == expected
    assert [row.pk for rows in reversed(back) for row in rows] == expected
    assert len(back) == 4


def test_the_ends_lead_nowhere(jobs: None) -> None:
    order = ("-created_at", "-pk")
    whole = paginate(SyncJob.objects.all(), size=11, order=order)
    assert (len(whole.rows), whole.newer, whole.older) == (11, None, None)
    last = whole.rows[-1]
    behind = paginate(
        SyncJob.objects.all(), size=3, order=order, older_than=(last.created_at, last.pk)
    )
    assert (behind.rows, behind.newer, behind.older) == ([], None, None)


def test_what_lies_behind_is_looked_up_only_where_it_is_shown(
    jobs: None, django_assert_num_queries: Any
) -> None:
    start = (MOMENTS[-1], UUID(int=0))
    asked: dict[str, Any] = {"size": 3, "order": ("-created_at", "-pk"), "older_than": start}
    with django_assert_num_queries(1):
        assert paginate(SyncJob.objects.all(), onwards_only=True, **asked).newer is None
    with django_assert_num_queries(2):
        assert paginate(SyncJob.objects.all(), **asked).newer is not None


@pytest.mark.parametrize(
    "key", [(5,), (-3, 7), (MOMENTS[0],), (MOMENTS[0], UUID(int=7)), (UUID(int=2**128 - 1),)]
)
def test_a_cursor_is_the_text_of_a_key(key: Key) -> None:
    assert key_of(cursor_of(key), *(type(value) for value in key)) == key


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1.2.3", "1.x", "1.-", "²." + "0" * 32, "9" * 40 + "." + "0" * 32, "\0"]
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(InvalidCursor):
        key_of(text, *KINDS)
