"""A small day's files, and the result of an undisturbed run."""

import fcntl
import os
import pickle
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cardops.settings import Settings
from simulation.generator import generate
from tests.factories.databases import TEST_HOME, new_database, new_home
from tests.factories.demo_days import Ending, Instance, companies_of, ending
from tests.factories.real_days import today


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    generate(rows=250, seed=11, history_end=date(2026, 11, 1), out=folder)
    return folder


@pytest.fixture(scope="module")  # another date is another day
def undisturbed(day: Path) -> Ending:
    """The undisturbed day in directories, on its own embedded server; run once for all workers and files of a date."""
    result = Path(os.environ[TEST_HOME]) / f"undisturbed-{today()}"
    with result.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            result.write_bytes(pickle.dumps(_undisturbed(day)))
        end: Ending = pickle.loads(result.read_bytes())  # noqa: S301 - written just above
        return end


def _undisturbed(day: Path) -> Ending:
    with new_home() as home:
        instance = Instance(home)
        with companies_of(instance):
            assert instance.run(day) == 0
            return ending(instance)


@pytest.fixture
def instance(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """An instance with no setting but its home, unless the tests run on a given server."""
    if Settings.load().database_url:
        yield request.getfixturevalue("given_instance")
        return
    with new_home() as home:
        yield Instance(home)


@pytest.fixture
def given_instance(server_url: str) -> Iterator[Instance]:
    """An instance with a given database, on the server that the tests run on."""
    with new_home() as home, new_database(server_url) as url:
        yield Instance(home, {"database_url": url})
