"""/admin/audit: the record of what admins did."""

import csv
import re
from datetime import UTC, datetime
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from adminpanel.audit import record
from adminpanel.audit.record import actions
from credits import audit
from credits.catalogue.plans import create_plan
from credits.catalogue.prices import set_feature_costs
from credits.models import AuditEntry, User
from tests.adminpanel.settings.words import words
from tests.clock import Clock
from tests.factories import make_admin
from tests.ledger import refused_by, sql

PAGE = "/admin/audit"
SYNC = "8b43063f-0209-57d8-8660-a6237be77b3d"


def note(**fields: Any) -> AuditEntry:
    return audit.record(**{"actor": None, "action": "test.note", **fields})


def shown(answer: Any) -> list[int]:
    return [line.entry.pk for line in answer.context["page"].rows]


class TestReading:
    def test_an_entry_says_who_what_before_after_why_and_from_where(
        self, desk: Client, admin: User, alice: User
    ) -> None:
        note(
            actor=admin, action="credits.adjust", target="row 17", user_id=alice.pk,
            before={"balance": 1200}, after={"balance": 700, "isGift": True}, reason="A mistake",
        )  # fmt: skip
        text = words(desk.get(PAGE))
        assert "admin@example.com credits.adjust row 17 alice@example.com" in text
        assert "balance 1,200 → 700 is gift yes A mistake command" in text

    def test_a_price_and_a_plan_are_readable(self, desk: Client, admin: User) -> None:
        set_feature_costs(actor=admin, costs={"ai_text_chat": 3})
        create_plan(actor=None, clerk_id="cplan_pro", name="Pro", credits=500)
        text = words(desk.get(PAGE))
        assert "admin@example.com price.change ai_text_chat 1 → 3" in text
        assert "a command plan.add cplan_pro id cplan_pro name Pro credits a month 500" in text

    def test_what_was_refunded_are_credits_of_no_month(self, desk: Client) -> None:
        note(target="row 17", after={"credits": 2, "refund": 18, "failed": [], "page": None})
        assert "row 17 credits 2 refund 18 command" in words(desk.get(PAGE))

    @pytest.mark.parametrize(
        ("target", "href"),
        [("row 17", "/admin/usage?row=17"), ("request 3", "/admin/users/approvals/3"),
         ("delivery 5 (user.created)", "/admin/webhooks/5"),
         (f"sync {SYNC}", f"/admin/sync/{SYNC}"),
         ("sync x", ""), ("delivery", ""), ("failed deliveries 1 to 2", ""), ("cplan_pro", "")],
    )  # fmt: skip
    def test_leads_to_what_it_was_done_to(self, desk: Client, target: str, href: str) -> None:
        note(target=target)
        found = re.findall(rf'<a href="([^"]*)">{re.escape(target)}</a>', desk.get(PAGE).text)
        assert found == ([href] if href else [])

    def test_without_entries_it_says_what_comes(self, desk: Client) -> None:
        assert "Nothing was done yet" in words(desk.get(PAGE))

    def test_pages_go_down_and_up_again(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record, "PAGE", 2)
        ids = [note().pk for _ in range(5)][::-1]
        first = desk.get(PAGE)
        second = desk.get(f"{PAGE}?before={first.context['page'].older}")
        third = desk.get(f"{PAGE}?before={second.context['page'].older}")
        assert [shown(first), shown(second), shown(third)] == [ids[:2], ids[2:4], ids[4:]]
        assert third.context["page"].older is None
        assert first.context["page"].newer is None
        assert shown(desk.get(f"{PAGE}?after={third.context['page'].newer}")) == ids[2:4]

    def test_entries_of_meanwhile_shift_no_page(
        self, desk: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record, "PAGE", 2)
        ids = [note().pk for _ in range(4)][::-1]
        older = desk.get(PAGE).context["page"].older
        note()
        assert shown(desk.get(f"{PAGE}?before={older}")) == ids[2:]

    def test_a_page_needs_no_query_for_each_entry(
        self, desk: Client, alice: User, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(30):
            note(user_id=alice.pk)
        with django_assert_max_num_queries(12):
            desk.get(PAGE)


class TestFilters:
    def test_by_who(self, desk: Client, admin: User) -> None:
        dora = make_admin("dora@example.com", clerk_id="user_dora")
        mine, hers, nobodys = note(actor=admin).pk, note(actor=dora).pk, note().pk
        for who in ("dora@example.com", " Dora@Example.com ", str(dora.pk), "user_dora"):
            assert shown(desk.get(PAGE, {"actor": who})) == [hers]
        assert shown(desk.get(PAGE, {"actor": admin.pk})) == [mine]
        assert shown(desk.get(PAGE, {"actor": "command"})) == [nobodys]

    def test_by_action_and_account(self, desk: Client, alice: User, bob: User) -> None:
        hers = note(action="charge.refund", user_id=alice.pk).pk
        note(action="charge.refund", user_id=bob.pk)
        note(action="sync.start")
        query = {"action": "charge.refund", "user": "alice@example.com"}
        assert shown(desk.get(PAGE, query)) == [hers]
        assert actions() == ["charge.refund", "sync.start"]

    def test_by_days_both_included(self, desk: Client, clock: Clock) -> None:
        ids = {}
        for day in (1, 2, 3, 4):
            clock.freeze(datetime(2031, 5, day, 23, 59, 59, tzinfo=UTC))
            with connection.cursor() as cursor:
                cursor.execute("SELECT credits_now()")
                [now] = cursor.fetchone()
            entry = AuditEntry(action="test.note", origin="command", created_at=now)
            entry.save()
            ids[day] = entry.pk
        query = {"from": "2031-05-02", "to": "2031-05-03"}
        assert shown(desk.get(PAGE, query)) == [ids[3], ids[2]]

    @pytest.mark.parametrize(
        "query",
        ["from=x", "from=2031-02-30", "from=2031-02-02&to=2031-01-01", "actor=nobody@example.com",
         "user=99999", "user=" + "9" * 400, "before=x", "before=-1", "before=" + "9" * 40,
         "actor=%00", "action=%00", "user=command"],
    )  # fmt: skip
    def test_a_filter_that_means_nothing_is_said_and_kept(self, query: str, desk: Client) -> None:
        answer = desk.get(f"{PAGE}?{query}")
        assert answer.status_code == 400
        assert 'class="note bad" role="alert"' in answer.text

    def test_no_match_offers_the_way_back(self, desk: Client) -> None:
        note()
        assert "Nothing like this was done" in words(desk.get(f"{PAGE}?action=none"))

    def test_the_link_shows_the_same_again(self, desk: Client, admin: User) -> None:
        entry = note(actor=admin)
        answer = desk.get(PAGE, {"actor": "admin@example.com", "action": "test.note", "to": ""})
        [link] = re.findall(r'href="([^"]*)">(?:(?!</?a).)*Link to this view', answer.text, re.S)
        assert shown(desk.get(unescape(link))) == [entry.pk]
        for field in ('value="admin@example.com"', 'value="test.note" selected'):
            assert field in answer.text


class TestFile:
    def table(self, desk: Client, query: str = "") -> list[dict[str, str]]:
        answer = desk.get(f"{PAGE}.csv{query}")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(StringIO(answer.getvalue().decode())))

    def test_a_row_has_everything(self, desk: Client, admin: User, alice: User) -> None:
        entry = note(
            actor=admin, action="credits.adjust", target="row 17", user_id=alice.pk, before=5,
            after={"name": "é", "credits": 7}, reason="Why",
        )  # fmt: skip
        [row] = self.table(desk)
        assert datetime.fromisoformat(row.pop("Time (UTC)"))
        assert row == {
            "Entry": str(entry.pk), "Who": "admin@example.com", "Who (id)": str(admin.pk),
            "Action": "credits.adjust", "Target": "row 17", "User (id)": str(alice.pk),
            "Credits": "", "Row": "", "Approved by (id)": "", "Before": "5",
            "After": '{"credits": 7, "name": "é"}', "Reason": "Why", "From where": "command",
        }  # fmt: skip

    def test_the_filters_hold_and_every_entry_is_there_once(
        self, desk: Client, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("config.pagination.BATCH", 3)
        ids = [note(actor=admin).pk for _ in range(8)]
        note()
        rows = self.table(desk, "?actor=admin@example.com&from=&before=")
        assert [int(row["Entry"]) for row in rows] == ids[::-1]
        assert len(self.table(desk)) == 9 + 1, "With the entry of the first file."

    @pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1"])
    def test_what_looks_like_a_formula_is_text(self, formula: str, desk: Client) -> None:
        note(target=formula, reason=formula, before=formula, after=-7)
        [row] = self.table(desk)
        assert row["Target"] == row["Reason"] == f"'{formula}"
        assert row["Before"].startswith('"')
        assert row["After"] == "-7", "Numbers stay numbers."

    def test_a_filter_that_means_nothing_is_400(self, desk: Client) -> None:
        assert desk.get(f"{PAGE}.csv?from=x").status_code == 400
        assert not AuditEntry.objects.exists()

    def test_who_took_it_is_an_entry_of_its_own(self, desk: Client, admin: User) -> None:
        assert self.table(desk, "?actor=&action=usage.export&before=3") == []
        assert self.table(desk) != [], "The next file tells of this one."
        [first, second] = AuditEntry.objects.order_by("pk")
        assert (first.actor, first.action, first.origin) == (admin, "audit.export", "127.0.0.1")
        assert first.after == {"action": "usage.export"}
        assert second.after is None
        assert "audit.export audit action usage.export" in words(desk.get(PAGE))

    def test_it_is_a_file_to_keep(self, desk: Client) -> None:
        answer = desk.get(f"{PAGE}.csv")
        assert answer["Content-Disposition"].startswith('attachment; filename="tally-audit-')


class TestAppendOnly:
    def test_nothing_changes_or_removes_an_entry(self, db: None) -> None:
        entry = note()
        with refused_by("audit", message="append-only"):
            AuditEntry.objects.update(actor_name="somebody else")
        with refused_by("audit", message="append-only"):
            entry.delete()
        with refused_by("audit", message="append-only"):
            sql("TRUNCATE credits_auditentry")
        assert AuditEntry.objects.get() == entry

    def test_the_page_has_nothing_that_changes_it(self, desk: Client, db: None) -> None:
        note()
        assert desk.post(PAGE).status_code == 405
        assert desk.delete(PAGE).status_code == 405

    def test_what_fails_leaves_no_entry(self, admin: User) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
            set_feature_costs(actor=admin, costs={"ai_text_chat": 3})
            raise RuntimeError
        assert not AuditEntry.objects.exists()
