"""How any process gets at the database: the URL of a setting, or the embedded server.

`database(settings)` for a block of work, `connect_info(settings)` for the rest of a process's
life; both apply migrations. Belongs here: URLs and sessions, no table of any subject.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import psycopg

from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.adapters.postgresql.migrate import migrate
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.settings import Settings

SCHEMA: Final = "cardops"
DAGSTER_SCHEMA: Final = "dagster"
CONNECT_TIMEOUT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Addresses that psycopg, asyncpg and SQLAlchemy all understand.

    `url` is for Cardops's own tables (its search_path is set), `dagster_url` for Dagster's.
    """

    url: str
    dagster_url: str
    is_embedded: bool


# One share in the embedded server a process; a forked child has to join for itself.
_joined: dict[tuple[int, str], tuple[DatabaseUrl, EmbeddedServer | None]] = {}


@contextmanager
def database(settings: Settings) -> Iterator[DatabaseUrl]:
    """The database, started where it is the embedded one, migrated, until the block ends.

    Raises DatabaseUnavailableError, MigrationChangedError.
    """
    addresses, server = _reach(settings)
    try:
        yield addresses
    finally:
        if server is not None:
            server.leave()


def connect_info(settings: Settings) -> DatabaseUrl:
    """The database, migrated, until this process ends. Asking again costs nothing."""
    key = (os.getpid(), settings.database_url or str(settings.home))
    if key not in _joined:
        _joined[key] = _reach(settings)
        if _joined[key][1] is not None:
            atexit.register(_leave, key)
    return _joined[key][0]


def connect(url: str, *, autocommit: bool = True) -> psycopg.Connection:
    """A session. Raises DatabaseUnavailableError, which never shows the password."""
    check_url(url)
    try:
        return psycopg.connect(url, autocommit=autocommit, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            f"The database {_shown(url)} cannot be reached: {_reason(error)}; check that it runs "
            "and that CARDOPS_DATABASE_URL names it."
        ) from None
    except psycopg.ProgrammingError:
        raise DatabaseUnavailableError(
            f"The URL of the database {_shown(url)} cannot be read; check CARDOPS_DATABASE_URL, "
            "and write special characters of the password as %XX."
        ) from None


def with_search_path(url: str, schema: str) -> str:
    """The URL with the schema as its search_path, beside whatever options it has."""
    return with_options(url, f"-csearch_path={schema}", "-ctimezone=UTC")


def with_options(url: str, *options: str) -> str:
    """The URL with server options added, e.g. `-cstatement_timeout=5s`."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query["options"] = " ".join([*query.get("options", "").split(), *options])
    # quote, not quote_plus: libpq takes a plus sign for itself.
    return _unsplit(parts, urlencode(query, quote_via=quote, safe="/"))


def check_url(url: str) -> None:
    """Raises DatabaseUnavailableError where it has no readable address, or a port that is none."""
    try:
        address = urlsplit(url)
    except ValueError:  # nothing of it is shown: where its password ends is not known
        raise DatabaseUnavailableError(
            "The URL of the database cannot be read: its address has brackets that are none of an "
            "IPv6 address; mend CARDOPS_DATABASE_URL, and write brackets of the password as %5B, %5D."
        ) from None
    try:
        _ = address.port
    except ValueError:
        raise DatabaseUnavailableError(
            f"The URL of the database {_shown(url)} has a port that is not a number from 1 to "
            "65535; mend CARDOPS_DATABASE_URL."
        ) from None


def _reach(settings: Settings) -> tuple[DatabaseUrl, EmbeddedServer | None]:
    if settings.database_url:
        return _given(settings.database_url, settings), None
    server = EmbeddedServer(settings.home, settings.postgres_bin)
    server.join()
    try:
        addresses = DatabaseUrl(
            with_search_path(server.url("cardops"), SCHEMA), server.url("dagster"), is_embedded=True
        )
        with connect(addresses.url) as session:
            _prepare(session, settings)
    except BaseException:
        server.leave()
        raise
    return addresses, server


def _prepare(session: psycopg.Connection, settings: Settings) -> None:
    """Migrate, and register the program of files that lie in no program's folder."""
    migrate(session)
    session.execute(
        "insert into programs (program, currency) values (%s, %s) on conflict do nothing",
        [DEFAULT_PROGRAM, settings.default_currency],
    )


def _given(url: str, settings: Settings) -> DatabaseUrl:
    check_url(url)
    addresses = DatabaseUrl(
        with_search_path(url, SCHEMA), with_search_path(url, DAGSTER_SCHEMA), is_embedded=False
    )
    with connect(addresses.url) as session:
        _prepare(session, settings)
        session.execute(f"create schema if not exists {DAGSTER_SCHEMA}")
    return addresses


def _leave(key: tuple[int, str]) -> None:
    if key[0] == os.getpid():
        _, server = _joined.pop(key)
        if server is not None:
            server.leave()


def _reason(error: psycopg.OperationalError) -> str:
    """Libpq's own words, without the address before them and the hints below."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("\t")]
    told = lines[-1].rpartition("failed: ")[2] if lines else "no reason was given"
    return " ".join(told.split()).removeprefix("FATAL: ").rstrip(".?")


def _shown(url: str) -> str:
    """The URL's host and database, without user and password."""
    address = urlsplit(url).netloc.rpartition("@")[2]
    return f"{address or 'on a local socket'}{urlsplit(url).path}"


def _unsplit(parts: SplitResult, query: str) -> str:
    # urlunsplit would drop the empty authority of a URL such as postgresql:///cardops.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")
