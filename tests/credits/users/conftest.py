"""A browser that has to show its CSRF token, as real ones do; and the worker with its letters."""

import re
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core import mail
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from credits.users import tasks


class Browser:
    """Opens pages and sends their forms: the token comes from the page, never from a shortcut."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def get(self, url: str, **query: Any) -> Any:
        return self.client.get(url, query)

    def send(self, url: str, /, **fields: str | None) -> Any:
        """Opens the page and sends its form with these fields."""
        page = self.client.get(url, follow=True)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, f"{url} has no form."
        target = page.redirect_chain[-1][0] if page.redirect_chain else url
        return self.client.post(target, {**fields, "csrfmiddlewaretoken": token[1]})

    @property
    def signed_in(self) -> bool:
        return bool(self.client.get("/account").status_code == 200)


@pytest.fixture
def with_mail(settings: Any) -> None:
    settings.MAIL_CONFIGURED = True


#: Jobs that `work` has done: the table is the worker's own.
_done: set[int] = set()


def work() -> int:
    """Sends the letters that a worker would; returns how many jobs that took."""
    jobs = ProcrastinateJob.objects.filter(task_name__startswith="users.send_", status="todo")
    waiting = [job for job in jobs.order_by("pk") if job.pk not in _done]
    for job in waiting:
        getattr(tasks, job.task_name.removeprefix("users."))(**job.args)
        _done.add(job.pk)
    return len(waiting)


def link_in_letter(route: str) -> str:
    """The path of the link in the last letter, which begins with `route`."""
    start = f"{site_settings.SITE_URL}/{route}/"
    (address,) = [row for row in mail.outbox[-1].body.splitlines() if row.startswith(start)]
    assert len(address) < 78, "It would be broken where it is printed."
    return str(address.removeprefix(site_settings.SITE_URL))


@pytest.fixture
def browser(db: None) -> Browser:
    return Browser()


@pytest.fixture
def other_browser(db: None) -> Browser:
    return Browser()
