"""GET /admin/usage.csv: everybody's rows as a file."""

import csv
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from credits.adjustments import adjust_credits
from credits.ledger import refund_charge
from credits.models import AuditEntry, UsageHistory, User
from credits.reports.rollup import close_days
from tests.adminpanel.usage.rows import FILTERS, spelt, three_days
from tests.clock import Clock
from tests.factories import make_charge, make_user

pytestmark = pytest.mark.django_db


class TestFile:
    def file(self, desk: Client, **query: Any) -> list[dict[str, str]]:
        query = {"from" if key == "first" else key: value for key, value in query.items()}
        answer = desk.get(f"/admin/usage.csv?{urlencode(query)}")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer["Content-Disposition"]
        content = answer.getvalue().decode()
        return list(csv.DictReader(StringIO(content)))

    @pytest.mark.parametrize("closed", [False, True], ids=["journal", "rollup"])
    @pytest.mark.parametrize("query, means", FILTERS, ids=[str(one) for one, _ in FILTERS])  # noqa: PT006
    def test_holds_what_the_page_holds(
        self, desk: Client, noon: Clock, alice: User, bob: User, query: Any, means: Any,
        closed: bool,
    ) -> None:  # fmt: skip
        three_days(alice, bob, noon)
        if closed:
            close_days()
        rows = UsageHistory.objects.select_related("user", "hold", "refund_of").order_by("-pk")
        expected = [(str(row.pk), str(row.credits_used)) for row in rows if means(row)]
        file = self.file(desk, **spelt(query))
        assert [(one["Row"], one["Credits used"]) for one in file] == expected

    def test_is_written_down_with_its_filters(self, desk: Client, admin: User, alice: User) -> None:
        self.file(desk, user="alice@example.com", kind="refund", first="2031-05-01", row="")
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.action, entry.user) == (admin, "usage.export", alice)
        assert entry.after == {"user": str(alice.pk), "kind": "refund", "from": "2031-05-01"}
        assert desk.head("/admin/usage.csv").status_code == 405, "Nothing would be taken."
        assert AuditEntry.objects.count() == 1

    def test_is_whole_however_long(self, desk: Client, alice: User, monkeypatch: Any) -> None:
        monkeypatch.setattr("config.pagination.BATCH", 7)
        for _ in range(30):
            make_charge(alice)
        assert len(self.file(desk)) == 31

    def test_nothing_in_it_runs_in_a_spreadsheet(self, desk: Client) -> None:
        user = make_user("=evil@example.com", name="x", credits=50)
        charge = make_charge(user, 3, details={"model": "+m"})
        refund_charge(charge_id=charge.id, reason="@SUM(A1)", idempotency_key="a", amount=1)
        adjust_credits(
            user_id=user.pk, delta=1, target=None, reason="=1+1", actor="-x", idempotency_key="b"
        )
        texts = ("User", "What", "Note", "Model", "Reason", "Kind")
        cells = [one[name] for one in self.file(desk) for name in texts]
        assert "'=evil@example.com" in cells and "'@SUM(A1)" in cells and "'+m" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]

    def test_belongs_to_admins(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        assert client.get("/admin/usage.csv").status_code == 404
