"""A dump of the whole store, restored into a server of its own, for a block.

Belongs here: PostgreSQL's own pg_dump and pg_restore, and a digest of each table on both sides. The store
itself is only read, in one snapshot.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cardops.adapters.embedded_postgresql.binaries import DEFAULT_MAJOR, choose_binaries, major_of
from cardops.adapters.embedded_postgresql.places import prepare_places
from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.postgresql.connection import SCHEMA, connect
from cardops.rules.reconciliation.drills import DrillFailedError, Restore, TableDigest

DEBIAN: Final = Path("/usr/lib/postgresql")
# A row's digest does not depend on the server's settings of how values are written.
_WRITTEN_ALIKE: Final = """
select set_config(name, value, false)
from (values ('timezone', 'UTC'), ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'),
    ('bytea_output', 'hex'), ('extra_float_digits', '1')) as setting (name, value)
"""
_TABLES: Final = """
select table_name
from information_schema.tables
where table_schema = %s and table_type = 'BASE TABLE'
order by table_name
"""
# A sum of digests does not depend on the rows' order.
_DIGEST: Final = """
select count(*), coalesce(sum(('x' || left(md5(row::text), 15))::bit(60)::bigint::numeric), 0)::text
from {table} as row
"""


@contextmanager
def restored_store(
    url: str, postgres_bin: Path | None, say: Callable[[str], None]
) -> Iterator[tuple[str, Restore]]:
    """URL of the restored store, and how the restore went; server and dump are removed at the end.

    Raises DrillFailedError, DatabaseUnavailableError.
    """
    with TemporaryDirectory(prefix="cardops-drill-") as folder:
        home, dump = Path(folder) / "home", Path(folder) / "store.dump"
        home.mkdir()
        programs = postgres_bin or _programs_of(_major_of_server(url), home)
        say("Dumping the store.")
        began = time.monotonic()
        original = _dump(url, programs, dump)
        dumped = time.monotonic()
        say("Restoring the dump into a server of its own.")
        with _scratch_server(home, programs) as server:
            restored_url = server.url("cardops")
            _call([programs / "pg_restore", "--exit-on-error", "--no-owner", dump], restored_url)
            restored = time.monotonic()
            say("Comparing every table with the store at the time of the dump.")
            with connect(restored_url) as session:
                copies = digests(session)
            yield (
                restored_url,
                Restore(
                    tables=original,
                    restored=copies,
                    dump_bytes=dump.stat().st_size,
                    dump_seconds=dumped - began,
                    restore_seconds=restored - dumped,
                ),
            )


def _major_of_server(url: str) -> int:
    with connect(url) as session:
        return _major(session)


def _major(session: psycopg.Connection) -> int:
    return session.info.server_version // 10_000


def _programs_of(major: int, home: Path) -> Path:
    """Programs of the server's own version where there are some: a dump may have what another does not know."""
    debian = DEBIAN / str(major) / "bin"
    if major != DEFAULT_MAJOR and (debian / "pg_dump").exists():
        return debian
    return choose_binaries(home / "postgres" / "none", None)


def _dump(url: str, programs: Path, dump: Path) -> Mapping[str, TableDigest]:
    """Write the dump; the digests of all tables in the same snapshot."""
    with connect(url, autocommit=False) as session:
        session.isolation_level = IsolationLevel.REPEATABLE_READ
        session.read_only = True
        server, installed = _major(session), major_of(programs)
        if server > installed:
            raise DrillFailedError(
                f"The store's server is PostgreSQL {server}, and pg_dump in {programs} is of version "
                f"{installed}, which cannot dump it; set CARDOPS_POSTGRES_BIN to programs of version {server}."
            )
        row = session.execute("select pg_export_snapshot()").fetchone()
        snapshot = f"--snapshot={row[0] if row else ''}"
        options = ["--format=custom", f"--schema={SCHEMA}", "--no-owner", "--no-privileges"]
        _call([programs / "pg_dump", *options, snapshot, f"--file={dump}"], url)
        return digests(session)


def digests(session: psycopg.Connection) -> Mapping[str, TableDigest]:
    """Each table of the store as the session sees it."""
    session.execute(_WRITTEN_ALIKE)
    found = {}
    for (table,) in session.execute(_TABLES, [SCHEMA]).fetchall():
        query = sql.SQL(_DIGEST).format(table=sql.Identifier(SCHEMA, table))
        row = session.execute(query).fetchone()
        if row is not None:
            found[table] = TableDigest(*row)
    return found


@contextmanager
def _scratch_server(home: Path, postgres_bin: Path | None) -> Iterator[EmbeddedServer]:
    """A server in a home of its own; as root its data are elsewhere, and are removed, too."""
    base = prepare_places(home).base
    server = EmbeddedServer(home, postgres_bin)
    try:
        server.join()
        yield server
    finally:
        server.leave()
        shutil.rmtree(base, ignore_errors=True)


def _call(command: list[Path | str], url: str) -> None:
    """Run a program on a database; its password is in no list of processes."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    password = parts.pop("password", None)
    parts.pop("options", None)
    secret = {} if password is None else {"PGPASSWORD": password}
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
        [*map(str, command), f"--dbname={make_conninfo('', **parts)}"],
        env={**os.environ, **secret},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise DrillFailedError(
            f"{Path(command[0]).name} failed: {lines[0]}; nothing of the store was changed. Fix that and "
            "run the drill again."
        )
