"""Shared fixtures: one PostgreSQL server per run, one migrated database per test that needs it.

The server is the embedded one, or that of CARDOPS_DATABASE_URL; then everything runs on it.
"""

import atexit
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest

from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.postgresql.connection import SCHEMA, with_search_path
from cardops.adapters.postgresql.kept_sessions import keep_sessions, stop_keeping_sessions
from cardops.adapters.postgresql.migrate import migrate
from cardops.settings import Settings
from tests.factories.databases import TEST_HOME, new_database, stop_flushing
from tests.factories.real_days import seconds_to_wait

# A database is 420 small files, and each test has one: 30 ms in memory, 250 on a disk. Homes and
# temporary folders are in memory too: what they flush costs nothing there. No test needs anything to
# survive the machine, and a killed process loses nothing in memory that it would not lose on a disk.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
MEMORY_BYTES = 8 * 2**30

# Workers get files in this order, then the rest. With a long file last, one worker would run it
# while the other is idle; xdist's default order is by number of tests.
LONGEST_FIRST = (
    "tests/end_to_end/test_killed_day.py",
    # A `cardops up` keeps two cores busy until it is ready: never two of them at once.
    "tests/orchestration/local/test_up_backfills.py",
    "tests/end_to_end/test_submitted_samples.py",
    "tests/end_to_end/",
    "tests/orchestration/local/test_up_upgrade.py",
    "tests/dbt/",
    "tests/orchestration/local/test_up_end_to_end.py",
    "tests/assets/",
    "tests/orchestration/",
    "tests/faults/",
    "tests/authorizer/",
    "tests/contracts/lake/",
    "tests/simulation/",
    "tests/adapters/",
    "tests/services/",
    "tests/house/",
)

# Files of which a test has begun in this process.
_BEGUN = set[str]()

# A busy machine is no reason to fail; each test has its timeout.
hypothesis.settings.register_profile(
    "cardops", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("cardops")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make one home for all workers of a run, which an unprivileged server may enter."""
    if hasattr(config.option, "loadscopereorder"):  # xdist's
        config.option.loadscopereorder = False
    if not hasattr(config, "workerinput"):
        in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
        home = Path(tempfile.mkdtemp(prefix="cardops-test-", dir=MEMORY if in_memory else None))
        home.chmod(0o711)
        os.environ[TEST_HOME] = str(home)
        _put_temporary_folders(config, home)
        # Users' shells do not set them. One would hide output that a process never flushed; with the
        # other each of hundreds of processes would compile what it imports of this repository.
        for variable in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
            os.environ.pop(variable, None)
    gc.disable()  # until all is collected: it grows to hundreds of megabytes, and nothing of it goes


def _put_temporary_folders(config: pytest.Config, home: Path) -> None:
    """Short names: a socket's path has 107 characters at most."""
    folder = home / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)  # as the machine's own, for a server of another user
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    if config.option.basetemp is None:
        config.option.basetemp = str(home / "t")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let each worker begin elsewhere in a folder, and find what another one has compiled of a clean checkout."""
    report = yield
    worker = getattr(collector.config, "workerinput", None)
    if isinstance(collector, pytest.Dir) and worker:
        found = report.result
        first = len(found) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        report.result = [*found[first:], *found[:first]]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays. All workers need the same order."""

    def rank(item: pytest.Item) -> tuple[int, str]:
        file = item.nodeid.partition("::")[0]
        matches = (file.startswith(prefix) for prefix in LONGEST_FIRST)
        place = next(
            (place for place, matched in enumerate(matches) if matched), len(LONGEST_FIRST)
        )
        return place, file

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside the timeout of the test
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a file wait for midnight where its tests would begin on one date and end on the next."""
    file = item.nodeid.partition("::")[0]
    if file not in _BEGUN and any(map(item.get_closest_marker, ("database", "dagster"))):
        _BEGUN.add(file)
        time.sleep(seconds_to_wait(file, datetime.now(UTC)))
    return (yield)


def pytest_collection_finish() -> None:
    """Exempt what was imported during collection from garbage collection: it stays anyway."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    atexit.register(_silence_leak_reports)
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(TEST_HOME), ignore_errors=True)


def _silence_leak_reports() -> None:
    """Keep the summary last: DuckDB's bindings print "leaked" objects when the process exits."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@pytest.fixture(scope="session", autouse=True)
def sessions_are_kept() -> Iterator[None]:
    """As in Dagster's processes: tests open a hundred thousand sessions, each dearer than most operations."""
    keep_sessions()
    yield
    stop_keeping_sessions()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A database server, for tests that make their own databases on it."""
    settings = Settings.load()
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedServer(Path(os.environ[TEST_HOME]), settings.postgres_bin)
    server.join()
    stop_flushing(server.url("postgres"))
    yield server.url("postgres")
    server.leave()


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of a migrated database without sessions: the template of all others."""
    with new_database(server_url) as url:
        # A session that were kept would forbid copies.
        with psycopg.connect(with_search_path(url, SCHEMA), autocommit=True) as session:
            migrate(session)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A fresh, migrated database of its own for one test; the search_path is set."""
    with new_database(server_url, template=template_database) as url:
        yield with_search_path(url, SCHEMA)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A fresh database without any migration."""
    with new_database(server_url) as url:
        yield with_search_path(url, SCHEMA)


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A fresh, migrated database shared by the tests of one module."""
    with new_database(server_url, template=template_database) as url:
        yield with_search_path(url, SCHEMA)
