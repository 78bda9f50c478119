"""The embedded PostgreSQL: started on demand, shared by all processes of one home.

Belongs here: when it is started and stopped, and by which process. Its directories are in places,
the user it runs as in user, the calls of its programs in cluster, starting it again in watch.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from cardops.adapters.embedded_postgresql.cluster import Cluster
from cardops.adapters.embedded_postgresql.places import prepare_places
from cardops.adapters.embedded_postgresql.watch import ServerWatch
from cardops.adapters.file_locks import HolderStoppedError, SharedLock, recorded_lock
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

DATABASES: Final = ("cardops", "dagster")
START_TIMEOUT_SECONDS: Final = 300
POLL_SECONDS: Final = 0.05


class EmbeddedServer:
    """One process's use of the server of a home.

    `join` returns when the server accepts connections, whichever process started it; the last
    process to `leave` stops it. A process that is killed leaves it running for the next one. In
    between a thread starts it again when it is gone, unless another process is faster.
    """

    def __init__(self, home: Path, postgres_bin: Path | None = None) -> None:
        self._home = home.resolve()  # the same server by whichever path it is named
        self._postgres_bin = postgres_bin
        self._cluster: Cluster | None = None
        self._membership: SharedLock | None = None
        self._joined_by: int | None = None  # a process id: a forked child has not joined
        self._watch: ServerWatch | None = None

    @property
    def watch(self) -> ServerWatch | None:
        """What keeps the server running; None before `join` and after `leave`."""
        return self._watch

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
                    _give_up(self._cluster, membership)
                    raise
                self._membership, self._joined_by = membership, os.getpid()
            self._watch = ServerWatch(
                self._cluster.server_pid, self._start_again, name=f"The database of {self._home}"
            )
            self._watch.begin()
        except OSError as error:
            raise DatabaseUnavailableError(
                f"The embedded database under {self._home} cannot be set up: {error.strerror} "
                f"({error.filename}); fix that, or set CARDOPS_HOME to another place."
            ) from error

    def leave(self) -> None:
        """Stop using the server, and stop it where no other process uses it. Safe to call twice."""
        membership, self._membership = self._membership, None
        if membership is None or self._cluster is None or self._joined_by != os.getpid():
            return
        if self._watch is not None:
            self._watch.end()
            self._watch = None
        with self._start_lock():
            if membership.release():
                self._cluster.stop()

    def url(self, database: str) -> str:
        """URL of one of its databases, over the Unix socket."""
        if self._cluster is None:
            raise DatabaseUnavailableError("The embedded database was not started by this process.")
        host = quote(str(self._cluster.places.socket_directory), safe="/")
        return f"postgresql://cardops:{self._cluster.password()}@/{database}?host={host}"

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        """One process at a time starts and stops the server.

        A holder that was stopped by a signal is not waited for: it may never continue. PostgreSQL
        itself refuses a second server on the same data, and the watch starts one that a holder
        stops when it continues. Raises DatabaseUnavailableError where the holder creates the data.
        """
        control = self._home / "postgres"
        with ExitStack() as stack:
            try:
                stack.enter_context(recorded_lock(control / "start.lock"))
            except HolderStoppedError as error:
                cluster = self._cluster or Cluster(prepare_places(self._home), self._postgres_bin)
                if not cluster.places.data.exists():
                    raise DatabaseUnavailableError(_stopped(error)) from None
                try:
                    stack.enter_context(recorded_lock(control / "takeover.lock"))
                except HolderStoppedError as second:
                    raise DatabaseUnavailableError(_stopped(second)) from None
            yield

    def _start_again(self) -> bool:
        """Start the server if no process has done so; returns whether this one did."""
        cluster = self._cluster
        if cluster is None:
            return False
        if not cluster.places.data.exists():
            # Not `initialize`: an empty database in place of a lost one would look like no data.
            raise DatabaseUnavailableError(
                f"The embedded database cannot be started: its data directory "
                f"{cluster.places.data} is gone; restore it, or end all processes of this home."
            )
        with self._start_lock():
            was_gone = not cluster.is_alive()
            self._wait_until_ready(cluster)
        return was_gone

    def _ensure_running(self, cluster: Cluster) -> None:
        cluster.initialize()
        self._wait_until_ready(cluster)
        self._ensure_databases()

    def _wait_until_ready(self, cluster: Cluster) -> None:
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

    def _accepts_connections(self) -> bool:
        return PGconn.ping(self.url("postgres").encode()) == Ping.OK

    def _ensure_databases(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            rows = connection.execute("select datname from pg_database").fetchall()
            for database in set(DATABASES) - {name for (name,) in rows}:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))


def _give_up(cluster: Cluster, membership: SharedLock) -> None:
    """Stop a server that nobody can use; why it cannot be used is what the caller reports."""
    if membership.release():
        with suppress(DatabaseUnavailableError):
            cluster.stop()


def _stopped(error: HolderStoppedError) -> str:
    return (
        f"Process {error.pid}, which is starting or stopping the embedded database, was itself "
        f"stopped by a signal; continue it (kill -CONT {error.pid}) or end it (kill -9 {error.pid})."
    )
