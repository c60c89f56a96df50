"""A browser that has to show its CSRF token, as real ones do."""

import re
from typing import Any

import pytest
from django.test import Client


class Browser:
    """Opens pages and sends their forms: the token comes from the page, never from a shortcut."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def get(self, url: str, **query: Any) -> Any:
        return self.client.get(url, query)

    def send(self, url: str, **fields: str | None) -> Any:
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
def browser(db: None) -> Browser:
    return Browser()


@pytest.fixture
def other_browser(db: None) -> Browser:
    return Browser()
