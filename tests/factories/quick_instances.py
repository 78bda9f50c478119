"""Dagster's instances made and used in less time, for tests that make one each.

Belongs here: what Dagster does again and again with the same outcome. Its event log in memory opens a
connection for each statement and sets it up by two more; and for each of its three stores it reads every
migration it ever had, to find the newest: half a second of a processor for an instance.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from sqlalchemy import Connection


@pytest.fixture(scope="session", autouse=True)
def quick_instances() -> Iterator[None]:
    """For the tests of a folder whose conftest imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InMemoryEventLogStorage, "_connect", _held_connection())
        patch.setattr(ScriptDirectory, "from_config", _read_once())
        yield


def _held_connection() -> Callable[[InMemoryEventLogStorage], AbstractContextManager[Connection]]:
    """The one connection that the log holds anyway."""
    own, this_thread = InMemoryEventLogStorage._connect, threading.get_ident()

    @contextmanager
    def connect(storage: InMemoryEventLogStorage) -> Iterator[Connection]:
        if threading.get_ident() != this_thread:  # a connection is its thread's
            with own(storage) as connection:
                yield connection
            return
        with storage._db_lock, storage._held_conn.begin():
            yield storage._held_conn

    return connect


def _read_once() -> Callable[[Config], ScriptDirectory]:
    """The migrations of each folder, read by the first who asks."""
    own, found = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: Config) -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        if folder not in found:
            found[folder] = own(config)
        return found[folder]

    return from_config
