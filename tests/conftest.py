"""Shared fixtures: one PostgreSQL a test run, one fresh migrated database a test that asks.

The server is the embedded one, or that of CARDOPS_DATABASE_URL; then everything runs on it.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from cardops.adapters.postgresql.connection import (
    SCHEMA,
    connect,
    with_database,
    with_search_path,
)
from cardops.adapters.postgresql.embedded import EmbeddedServer
from cardops.adapters.postgresql.migrate import migrate
from cardops.adapters.settings import Settings

TEST_HOME = "CARDOPS_TEST_HOME"


def pytest_configure(config: pytest.Config) -> None:
    """One home for all workers of a run, which an unprivileged server may enter."""
    if not hasattr(config, "workerinput"):
        home = Path(tempfile.mkdtemp(prefix="cardops-test-"))
        home.chmod(0o711)
        os.environ[TEST_HOME] = str(home)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(TEST_HOME), ignore_errors=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A database server, for tests that make their own databases on it."""
    settings = Settings.load()
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedServer(Path(os.environ[TEST_HOME]), settings.postgres_bin)
    server.join()
    yield server.url("postgres")
    server.leave()


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of a migrated database that no session is in: the pattern of all others."""
    name = f"cardops_template_{uuid.uuid4().hex[:12]}"
    with new_database(server_url, name):
        with connect(with_search_path(with_database(server_url, name), SCHEMA)) as session:
            migrate(session)
        yield name


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A fresh, migrated database of its own for one test; the search_path is set."""
    name = f"cardops_test_{uuid.uuid4().hex[:12]}"
    with new_database(server_url, name, template=template_database):
        yield with_search_path(with_database(server_url, name), SCHEMA)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A fresh database without any migration."""
    name = f"cardops_test_{uuid.uuid4().hex[:12]}"
    with new_database(server_url, name):
        yield with_search_path(with_database(server_url, name), SCHEMA)


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """The same, shared by the tests of one module."""
    name = f"cardops_test_{uuid.uuid4().hex[:12]}"
    with new_database(server_url, name, template=template_database):
        yield with_search_path(with_database(server_url, name), SCHEMA)


class new_database:  # noqa: N801 - reads as a with-statement
    """A database that exists inside the block."""

    def __init__(self, server_url: str, name: str, *, template: str = "template0") -> None:
        self._server_url = server_url
        self._name = sql.Identifier(name)
        self._template = sql.Identifier(template)

    def __enter__(self) -> None:
        command = sql.SQL("create database {} template {}")
        self._run(command.format(self._name, self._template))

    def __exit__(self, *_: object) -> None:
        self._run(sql.SQL("drop database {} with (force)").format(self._name))

    def _run(self, command: sql.Composed) -> None:
        with connect(self._server_url) as session:
            session.execute(command)
