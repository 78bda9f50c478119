"""How a process reaches the database: by the URL of a setting, or on the embedded server.

`database(settings)` is for a block, `connect_info(settings)` for the rest of the process's life;
both apply migrations. Belongs here: URLs and sessions, no table of any subject.
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
from cardops.adapters.postgresql.kept_sessions import open_session
from cardops.adapters.postgresql.migrate import migrate
from cardops.ports import DatabaseWatch
from cardops.rules.intake.files import DEFAULT_PROGRAM
from cardops.settings import Settings

SCHEMA: Final = "cardops"
DAGSTER_SCHEMA: Final = "dagster"
CONNECT_TIMEOUT_SECONDS: Final = 10
# A crash of the server may lose Dagster's last half second of events: never one that a commit of ours
# followed, and money is in commits of ours alone.
UNFLUSHED: Final = "-csynchronous_commit=off"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """URLs that psycopg, asyncpg and SQLAlchemy all accept.

    `url` is for Cardops's tables (its search_path is set), `dagster_url` for Dagster's, whose commits
    do not wait for the disk (docs/decisions/0059).
    """

    url: str
    dagster_url: str
    is_embedded: bool


# Each process joins the embedded server once; a forked child must join for itself.
_joined: dict[tuple[int, str], tuple[DatabaseUrl, EmbeddedServer | None]] = {}


@contextmanager
def database(settings: Settings) -> Iterator[DatabaseUrl]:
    """The migrated database until the block ends; the embedded server is started if needed.

    Raises DatabaseUnavailableError, MigrationChangedError.
    """
    addresses, server = _open(settings)
    try:
        yield addresses
    finally:
        if server is not None:
            server.leave()


def connect_info(settings: Settings) -> DatabaseUrl:
    """The migrated database until this process ends; further calls return the same."""
    key = _key(settings)
    if key not in _joined:
        _joined[key] = _open(settings)
        if _joined[key][1] is not None:
            atexit.register(_leave, key)
    return _joined[key][0]


def database_watch(settings: Settings) -> DatabaseWatch | None:
    """What keeps the embedded server running that this process joined; None for a given URL."""
    joined = _joined.get(_key(settings))
    return joined[1].watch if joined and joined[1] else None


def connect(url: str, *, autocommit: bool = True) -> psycopg.Connection:
    """A session. Raises DatabaseUnavailableError, whose message never contains the password."""
    check_url(url)
    try:
        return open_session(url, autocommit=autocommit, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            f"The database {redacted(url)} cannot be reached: {_reason(error)}; check that it runs "
            "and that CARDOPS_DATABASE_URL names it."
        ) from None
    except psycopg.ProgrammingError:
        raise DatabaseUnavailableError(
            f"The URL of the database {redacted(url)} cannot be read; check CARDOPS_DATABASE_URL, "
            "and write special characters of the password as %XX."
        ) from None


def with_search_path(url: str, schema: str) -> str:
    """The URL with the schema as its search_path; its other options stay."""
    return with_options(url, f"-csearch_path={schema}", "-ctimezone=UTC")


def with_options(url: str, *options: str) -> str:
    """The URL with server options added, e.g. `-cstatement_timeout=5s`."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query["options"] = " ".join([*query.get("options", "").split(), *options])
    # quote, not quote_plus: libpq does not read a plus sign as a space.
    return _unsplit(parts, urlencode(query, quote_via=quote, safe="/"))


def check_url(url: str) -> None:
    """Raises DatabaseUnavailableError where the address cannot be parsed or the port is invalid."""
    try:
        address = urlsplit(url)
    except ValueError:  # the message shows nothing of it: where the password ends is unknown
        raise DatabaseUnavailableError(
            "The URL of the database cannot be read: its address has brackets that are not those "
            "of an IPv6 address; correct CARDOPS_DATABASE_URL, and write brackets of the password "
            "as %5B, %5D."
        ) from None
    try:
        _ = address.port
    except ValueError:
        raise DatabaseUnavailableError(
            f"The URL of the database {redacted(url)} has a port that is not a number from 1 to "
            "65535; correct CARDOPS_DATABASE_URL."
        ) from None


def _key(settings: Settings) -> tuple[int, str]:
    return os.getpid(), settings.database_url or str(settings.home)


def _open(settings: Settings) -> tuple[DatabaseUrl, EmbeddedServer | None]:
    if settings.database_url:
        return _open_external(settings.database_url, settings), None
    server = EmbeddedServer(settings.home, settings.postgres_bin)
    server.join()
    try:
        addresses = DatabaseUrl(
            with_search_path(server.url("cardops"), SCHEMA),
            with_options(server.url("dagster"), UNFLUSHED),
            is_embedded=True,
        )
        with connect(addresses.url) as session:
            _prepare(session, settings)
    except BaseException:
        server.leave()
        raise
    return addresses, server


def _prepare(session: psycopg.Connection, settings: Settings) -> None:
    """Migrate, and create the program that owns files outside every program's folder."""
    migrate(session)
    session.execute(
        "insert into programs (program, currency) values (%s, %s) on conflict do nothing",
        [DEFAULT_PROGRAM, settings.default_currency],
    )


def _open_external(url: str, settings: Settings) -> DatabaseUrl:
    check_url(url)
    addresses = DatabaseUrl(
        with_search_path(url, SCHEMA),
        with_options(with_search_path(url, DAGSTER_SCHEMA), UNFLUSHED),
        is_embedded=False,
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
    """The reason that libpq gives, without the address before it and the hints below."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("\t")]
    reason = lines[-1].rpartition("failed: ")[2] if lines else "no reason was given"
    return " ".join(reason.split()).removeprefix("FATAL: ").rstrip(".?")


def redacted(url: str) -> str:
    """The URL's host and database, without user and password."""
    address = urlsplit(url).netloc.rpartition("@")[2]
    return f"{address or 'on a local socket'}{urlsplit(url).path}"


def _unsplit(parts: SplitResult, query: str) -> str:
    # urlunsplit would drop the empty authority of a URL such as postgresql:///cardops.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")
