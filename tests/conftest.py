"""What every test can use: the cast, the ledger's clock, a running site. After each test that
touched the database the ledger is checked, and a difference fails the test."""

import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connection
from psycopg.pq import TransactionStatus
from pytest_django import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from xdist.scheduler import LoadGroupScheduling

from ai_chat.calls import counts
from credits.models import User, catalogue
from credits.models.catalogue import forget_labels
from tests import factories
from tests.ai_chat.images.fake import FakePainter
from tests.clock import Clock
from tests.fakes.provider import FakeProvider
from tests.fakes.scripted import serve
from tests.ledger import assert_ledger_is_consistent
from tests.live import Site, running_site
from tests.processes import ROOT
from tests.waiting import wait_past_midnight

#: Django does not manage these, so that its flush leaves them out.
JOB_TABLES = ["procrastinate_events", "procrastinate_periodic_defers", "procrastinate_jobs"]
#: What `migrate` writes, which no test changes: to write it anew takes longer than the flush.
KEPT_TABLES = {"django_content_type", "auth_permission"}

#: How many queries a page needs must not depend on when the labels were read last.
catalogue.LABEL_SECONDS = 10**6
#: What this process counts of requests is written where a test says so.
counts.DELAY = 10**6


def pytest_addoption(parser: pytest.Parser) -> None:
    described = "Run the tests in a random order, the same for the same number."
    parser.addoption("--shuffle", type=int, metavar="SEED", help=described)


class _OneWorkerForEachSite(LoadGroupScheduling):  # type: ignore[misc]
    """Files that keep a site with settings of their own go to one worker, which starts it once. By
    the file: pytest 9.2 takes no notice of the groups that xdist 3.8 writes into a test's id."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _keeps_its_own_site(file) else nodeid


@cache
def _keeps_its_own_site(file: str) -> bool:
    return bool(re.search(r"keep_site\([^)]", (ROOT / file).read_text()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    is_grouped = config.getvalue("dist") == "loadgroup"
    return _OneWorkerForEachSite(config, log) if is_grouped else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed: int | None = config.getoption("shuffle")
    if seed is not None:
        random.Random(seed).shuffle(items)


def pytest_runtest_setup() -> None:
    wait_past_midnight()


@pytest.fixture(scope="session", autouse=True)
def static_files_are_listed_once() -> Iterator[None]:
    """Each client of Django's makes all middleware anew, and WhiteNoise's looks at every static
    file: half of the time of a test that asks for one page."""
    list_files = WhiteNoiseMiddleware.add_files_from_finders
    listed: dict[tuple[str, int | None], dict[str, StaticFile]] = {}

    def list_once(middleware: WhiteNoiseMiddleware) -> None:
        kind = (middleware.static_prefix, middleware.max_age)
        if kind not in listed:
            list_files(middleware)
            listed[kind] = dict(middleware.files)
        middleware.files.update(listed[kind])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", list_once)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Installs the clock, and empties the ledger after a transactional test, which it refuses:
    triggers do not fire in a session that acts as a replica. Needs a superuser, and only tests do
    this. DELETE, as TRUNCATE takes a second for tables that hold a handful of rows."""

    def sql_flush(style: object, tables: list[str], **options: object) -> list[str]:
        emptied = [
            f'DELETE FROM "{table}"' for table in [*tables, *JOB_TABLES] if table not in KEPT_TABLES
        ]
        return ["SET LOCAL session_replication_role = replica", *emptied]

    connection.ops.sql_flush = sql_flush  # type: ignore[assignment, method-assign]
    flush.emit_post_migrate_signal = lambda *_: None  # type: ignore[attr-defined]
    with django_db_blocker.unblock():
        Clock().install()
        _never_wait_for_the_disk()
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # Of threads that still hold a connection: the database could not be dropped.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _never_wait_for_the_disk() -> None:
    """The test's database need not outlive a crash of the machine: a commit of this process, of a
    site or of a worker is over once it is in the server's memory."""
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def ledger_is_consistent(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that leaves the ledger with a difference, then sets its clock right."""
    if not _touches_the_database(request):
        yield
        return
    # Asked for here, so that the database is emptied after this fixture has looked at it.
    request.getfixturevalue("_django_db_helper")
    yield
    if not _transaction_is_broken():
        try:
            assert_ledger_is_consistent()
        finally:
            Clock().reset()
            forget_labels()


def _touches_the_database(request: pytest.FixtureRequest) -> bool:
    marked = request.node.get_closest_marker("django_db") is not None
    return marked or "_django_db_helper" in request.fixturenames


def _transaction_is_broken() -> bool:
    """Whether the test's transaction ended in an error: it is rolled back, and there is nothing to
    check."""
    raw = connection.connection
    return connection.in_atomic_block and raw.info.transaction_status == TransactionStatus.INERROR


@pytest.fixture
def clock(db: None) -> Clock:
    """The ledger's clock, for this test's database and every process connected to it."""
    return Clock()


@pytest.fixture
def alice(db: None) -> User:
    """Has a pack of 100 credits."""
    return factories.make_user("alice@example.com", name="Alice", credits=100)


@pytest.fixture
def bob(db: None) -> User:
    """Has a pack of 10 credits."""
    return factories.make_user("bob@example.com", name="Bob", credits=10)


@pytest.fixture
def carol(db: None) -> User:
    """Never had credits: there is no balance row yet."""
    return factories.make_user("carol@example.com", name="Carol")


@pytest.fixture
def admin(db: None) -> User:
    return factories.make_admin("admin@example.com", name="Admin")


@pytest.fixture
def start_site(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts running sites on the test's database: `start_site(OPENAI_BASE_URL=…)`, any variable of
    the environment. Stops them after the test."""
    with ExitStack() as sites:
        yield lambda **environment: sites.enter_context(
            running_site(environment, log=tmp_path / f"site-{len(list(tmp_path.iterdir()))}.log")
        )


@pytest.fixture(scope="session")
def kept_sites(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Site]]:
    """Sites that are started once and kept: a start costs seconds, and a site keeps no state. They
    end before the database does."""
    kept: dict[frozenset[tuple[str, str]], Site] = {}
    with ExitStack() as sites:

        def site_with(**environment: str) -> Site:
            key = frozenset(environment.items())
            if key not in kept:
                log = tmp_path_factory.mktemp("site") / "site.log"
                kept[key] = sites.enter_context(running_site(environment, log=log))
            return kept[key]

        yield site_with


@pytest.fixture
def keep_site(transactional_db: None, kept_sites: Callable[..., Site]) -> Callable[..., Site]:
    """As `start_site`, for tests that leave the site as they found it: it is shared."""
    return kept_sites


@pytest.fixture
def site(keep_site: Callable[..., Site]) -> Site:
    """A running site with the defaults of `tests/live.py`, shared."""
    return keep_site()


@pytest.fixture(scope="session")
def kept_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def provider(kept_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose figures begin at nought."""
    kept_provider.reset()
    return kept_provider


@pytest.fixture
def chat_site(keep_site: Callable[..., Site], provider: FakeProvider) -> Site:
    """Two worker processes that answer through the fake provider; shared."""
    return keep_site(OPENAI_BASE_URL=provider.base_url, TURNS_IN_FLIGHT="1000")


@pytest.fixture(scope="session")
def kept_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


@pytest.fixture
def var(kept_var: Path) -> Iterator[Path]:
    """Where the sites under test keep their files: empty."""
    yield kept_var
    media = kept_var / "media"
    media.unlink() if media.is_file() else shutil.rmtree(media, ignore_errors=True)


@pytest.fixture(scope="session")
def kept_painter() -> Iterator[FakePainter]:
    with serve(FakePainter()) as painter:
        yield painter


@pytest.fixture
def painter(kept_painter: FakePainter) -> FakePainter:
    """A provider of text and images that was never called."""
    kept_painter.reset()
    return kept_painter


@pytest.fixture
def place(keep_site: Callable[..., Site], provider: FakeProvider, var: Path) -> Site:
    """A site that keeps its files in `var`."""
    return keep_site(OPENAI_BASE_URL=provider.base_url, VAR_DIR=str(var))
