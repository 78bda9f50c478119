"""The embedded PostgreSQL: started on demand, shared by all processes of one home.

Belongs here: when it is started and stopped, and by which process. Its directories are in places,
the user it runs as in user, the calls of its programs in cluster.
"""

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from cardops.adapters.embedded_postgresql.cluster import Cluster
from cardops.adapters.embedded_postgresql.places import prepare_places
from cardops.adapters.file_locks import SharedLock, exclusive_lock
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

DATABASES: Final = ("cardops", "dagster")
START_TIMEOUT_SECONDS: Final = 300
POLL_SECONDS: Final = 0.05


class EmbeddedServer:
    """One process's use of the server of a home.

    `join` returns when the server accepts connections, whichever process started it; the last
    process to `leave` stops it. A process that is killed leaves it running for the next one.
    """

    def __init__(self, home: Path, postgres_bin: Path | None = None) -> None:
        self._home = home.resolve()  # the same server by whichever path it is named
        self._postgres_bin = postgres_bin
        self._cluster: Cluster | None = None
        self._membership: SharedLock | None = None

    def join(self) -> None:
        """Raises DatabaseUnavailableError where the server cannot be started."""
        try:
            (self._home / "postgres").mkdir(parents=True, exist_ok=True)
            with self._start_lock():
                self._cluster = Cluster(prepare_places(self._home), self._postgres_bin)
                membership = SharedLock(self._home / "postgres" / "users.lock")
                try:
                    self._ensure_running(self._cluster)
                except BaseException:
                    membership.release()
                    raise
                self._membership = membership
        except OSError as error:
            raise DatabaseUnavailableError(
                f"The embedded database under {self._home} cannot be set up: {error.strerror} "
                f"({error.filename}); fix that, or set CARDOPS_HOME to another place."
            ) from error

    def leave(self) -> None:
        """Stop using the server, and stop it where no other process uses it. Safe to call twice."""
        membership, self._membership = self._membership, None
        if membership is None or self._cluster is None:
            return
        with self._start_lock():
            if membership.release():
                self._cluster.stop()

    def url(self, database: str) -> str:
        """URL of one of its databases, over the Unix socket."""
        if self._cluster is None:
            raise DatabaseUnavailableError("The embedded database was not started by this process.")
        host = quote(str(self._cluster.places.socket_directory), safe="/")
        return f"postgresql://cardops:{self._cluster.password()}@/{database}?host={host}"

    def _start_lock(self) -> AbstractContextManager[None]:
        return exclusive_lock(self._home / "postgres" / "start.lock")

    def _ensure_running(self, cluster: Cluster) -> None:
        cluster.initialize()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._accepts_connections():
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError(
                    f"The embedded database did not accept connections within "
                    f"{START_TIMEOUT_SECONDS} s; its log {cluster.places.log} says why."
                )
            if cluster.is_alive():
                time.sleep(POLL_SECONDS)
            else:
                cluster.start()
        self._ensure_databases()

    def _accepts_connections(self) -> bool:
        return PGconn.ping(self.url("postgres").encode()) == Ping.OK

    def _ensure_databases(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            rows = connection.execute("select datname from pg_database").fetchall()
            for database in set(DATABASES) - {name for (name,) in rows}:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
