"""Seeding a database for the benchmarks."""

import pytest
from django.db import connection

from credits.models import User
from credits.reports.rollup import Slicing, slices
from tests.bench import seed
from tests.factories import make_charge, make_grant
from tests.ledger import assert_ledger_is_consistent


@pytest.mark.django_db
class TestSeeding:
    def seed(self, *arguments: str) -> None:
        seed.main(["--confirm-database", str(connection.settings_dict["NAME"]), *arguments])

    def test_what_is_made_is_a_ledger_that_stands(
        self, alice: User, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_charge(alice, 3)
        self.seed("--rows", "1500", "--users", "40", "--days", "70")
        assert "70 days closed" in capsys.readouterr().out
        rows = sum(one.rows for one in slices(Slicing()))
        assert 1500 <= rows < 1900
        kinds = {one.kind for one in slices(Slicing())}
        assert kinds == {"charge", "refund", "grant", "expiry"}
        assert_ledger_is_consistent()

    def test_the_ledger_goes_on_afterwards(self, alice: User) -> None:
        self.seed("--rows", "300", "--users", "10")
        make_charge(alice, 3)
        somebody = User.objects.filter(email__startswith="seed").latest("pk")
        make_grant(somebody, 5)
        make_charge(somebody, 2)
        assert_ledger_is_consistent()

    def test_a_second_time_adds_to_the_first(self) -> None:
        for _ in range(2):
            self.seed("--rows", "300", "--users", "10")
        assert User.objects.count() == 20

    def test_a_database_that_matters_is_named_first(self, settings: object) -> None:
        settings.EMBEDDED_DATABASE = False  # type: ignore[attr-defined]
        with pytest.raises(SystemExit, match="cannot be taken out again"):
            seed.main(["--rows", "10"])
        assert not User.objects.exists()
