"""The reader's time zone: a cookie, else UTC, which is then named."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from ai_chat.models import Conversation
from config.zones import zone_of
from credits.models import UsageHistory, User
from tests.clock import Clock
from tests.factories import make_charge, make_user
from tests.processes import ROOT

HOSTILE = [
    "", "Factory", "localtime", "../../etc/passwd", "/etc/localtime", "UTC\x00", "Mars/Olympus",
    "america/los_angeles", "posix/UTC", "x" * 4000, "Europe", "zone.tab", "GMT;rm", "Éire",
]  # fmt: skip
LOS_ANGELES = {"tz": "America/Los_Angeles"}


def reader(user: User, **cookies: str) -> Client:
    client = Client()
    client.force_login(user)
    for name, value in cookies.items():
        client.cookies[name] = value
    return client


@pytest.mark.parametrize("name", HOSTILE)
def test_what_names_no_zone_is_none(name: str) -> None:
    assert zone_of(name) is None


@pytest.mark.parametrize("name", ["Europe/Zurich", "Asia/Kathmandu", "Etc/GMT+8", "UTC"])
def test_what_names_a_zone_is_one(name: str) -> None:
    assert str(zone_of(name)) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_cookie_is_utc(alice: User, name: str) -> None:
    client = Client(headers={"Cookie": f"tz={name}"})
    assert client.get("/pricing").status_code == 200
    assert timezone.get_current_timezone_name() == "UTC"


def test_the_zone_ends_with_the_request(alice: User) -> None:
    reader(alice, **LOS_ANGELES).get("/usage")
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.fixture
def evening(clock: Clock) -> User:
    """Somebody who spent a credit on 31 October in the evening of Los Angeles, which is November
    in UTC; the clock has changed since, on the first."""
    clock.freeze(datetime(2026, 10, 20, 12, tzinfo=UTC))
    user = make_user("eve@example.com", credits=100)
    clock.freeze(datetime(2026, 11, 1, 6, 30, tzinfo=UTC))
    make_charge(user)
    clock.freeze(datetime(2026, 11, 2, 7, 30, tzinfo=UTC))
    make_charge(user)
    return user


OCTOBER, NOVEMBER = "from=2026-10-31&to=2026-10-31", "from=2026-11-01&to=2026-11-01"


def test_a_day_of_the_statement_is_the_readers(evening: User) -> None:
    client = reader(evening, **LOS_ANGELES)
    first, second = UsageHistory.objects.filter(unit_cost__isnull=False).order_by("pk")
    page = client.get(f"/usage?{OCTOBER}").text
    assert f'id="row-{first.pk}"' in page and f'id="row-{second.pk}"' not in page
    assert "31 Oct 23:30" in " ".join(page.split())
    assert "31 Oct: 1 spent" in page
    page = client.get(f"/usage?{NOVEMBER}").text  # A day of 25 hours.
    assert f'id="row-{second.pk}"' in page and f'id="row-{first.pk}"' not in page
    assert "days and times in America/Los Angeles" in page
    page = reader(evening).get(f"/usage?{NOVEMBER}").text
    assert f'id="row-{first.pk}"' in page and "days and times in UTC" in page


def test_the_file_has_the_rows_of_the_page_with_times_in_utc(evening: User) -> None:
    answer: Any = reader(evening, **LOS_ANGELES).get(f"/usage.csv?{OCTOBER}")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert "2026-11-01 06:30:00" in lines[1]


def test_the_api_stays_in_utc(evening: User) -> None:
    found = reader(evening, **LOS_ANGELES).get(f"/api/credits/usage?{NOVEMBER}").json()
    assert "2026-11-01T06:30:00" in str(found) and "-07:00" not in str(found)


def test_the_rail_is_grouped_by_the_readers_days(alice: User) -> None:
    Conversation.objects.create(
        user=alice, title="Late", active_at=datetime(2025, 3, 1, 3, 0, tzinfo=UTC)
    )
    for url in ("/ai-chat", "/ai-chat/all"):
        assert "<h2>February 2025</h2>" in reader(alice, **LOS_ANGELES).get(url).text
        assert "<h2>March 2025</h2>" in reader(alice).get(url).text


def test_what_is_summed_by_days_in_utc_says_so_with_its_rows(admin: User, evening: User) -> None:
    desk = reader(admin, **LOS_ANGELES)
    page = desk.get(f"/admin/usage?{NOVEMBER}").text
    assert "days and times in UTC" in page
    assert "1 Nov 26 06:30:00" in page
    assert "times in America/Los Angeles" in desk.get("/admin/audit").text


def test_every_page_says_which_zone_its_times_are_in() -> None:
    """Beside each time (`moment`), or once for the page (`zone`); two pages are always in UTC."""
    for path in Path(ROOT, "templates").rglob("*.html"):
        text = path.read_text()
        if "days and times in UTC" not in text:
            bare = re.search(r"\|date:[\"'][^\"']*H:i", text)
            assert not bare or "{{ zone }}" in text, path
            assert not re.search(r"(imes in|</time>) UTC", text), path


def test_a_time_names_its_zone_only_where_the_readers_is_not_known(alice: User) -> None:
    """Somebody who lives in UTC knows it."""
    moment = "{{ at|moment:'j M Y H:i' }}"
    at = datetime(2025, 3, 1, 3, 0, tzinfo=UTC)
    for name, text in [
        ("", "1 Mar 2025 03:00 UTC"),
        ("UTC", "1 Mar 2025 03:00"),
        ("Asia/Kathmandu", "1 Mar 2025 08:45"),
    ]:
        with timezone.override(zone_of(name)):
            assert Template(moment).render(Context({"at": at})) == text


@pytest.mark.parametrize(
    ("at", "time", "day"),
    [
        (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), "00:30", "00:30"),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "31 Oct 23:30", "31 Oct"),
        (datetime(2025, 12, 31, 9, 0, tzinfo=UTC), "31 Dec 2025 01:00", "31 Dec 2025"),
    ],
)
def test_a_list_says_of_a_time_what_today_does_not_say(
    monkeypatch: pytest.MonkeyPatch, at: datetime, time: str, day: str
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 1, 20, 0, tzinfo=UTC))
    with timezone.override(zone_of("America/Los_Angeles")):
        text = Template("{{ at|recent }}|{{ at|recent:'day' }}").render(Context({"at": at}))
    assert text == f"{time}|{day}"
