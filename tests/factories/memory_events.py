"""Dagster's event log in memory, written and read over the one connection that it holds anyway.

Dagster opens another one for each statement and sets it up by two more, which is a quarter of what a run
of five assets takes in a test.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from sqlalchemy import Connection


@contextmanager
def one_connection_an_event_log() -> Iterator[None]:
    """In the block."""
    own = InMemoryEventLogStorage._connect
    this_thread = threading.get_ident()

    @contextmanager
    def connect(storage: InMemoryEventLogStorage) -> Iterator[Connection]:
        if threading.get_ident() != this_thread:  # a connection is its thread's
            with own(storage) as connection:
                yield connection
            return
        with storage._db_lock, storage._held_conn.begin():
            yield storage._held_conn

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InMemoryEventLogStorage, "_connect", connect)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_event_logs() -> Iterator[None]:
    """For the tests of the folder that imports it."""
    with one_connection_an_event_log():
        yield
