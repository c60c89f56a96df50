"""What is kept of people is one table: in the code, the docs and on the page."""

import html
import re

from django.test import Client

from ai_chat.data.privacy import KEPT
from tests.processes import ROOT


def test_the_docs_have_the_same_rows() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text()
    rows = re.findall(r"^\| (.*) \| (.*) \| (.*) \| (.*) \|$", page, re.MULTILINE)
    assert rows[1:] == [tuple(row) for row in KEPT]


def test_anybody_reads_it_before_signing_up(client: Client, db: None) -> None:
    assert 'href="/privacy"' in client.get("/sign-up").text
    page = html.unescape(client.get("/privacy").text)
    for row in KEPT:
        assert all(cell in page for cell in row)
