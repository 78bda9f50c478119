"""The embedded PostgreSQL: started on demand, shared by all processes of one home.

Belongs here: when it is started and stopped, and by whom. Where it lies is in embedded_places,
as whom it runs in embedded_user, how its programs are called in embedded_cluster.
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
from cardops.adapters.embedded_postgresql.file_lock import Membership, alone
from cardops.adapters.embedded_postgresql.places import prepare_places
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

DATABASES: Final = ("cardops", "dagster")
START_TIMEOUT_SECONDS: Final = 300
POLL_SECONDS: Final = 0.05


class EmbeddedServer:
    """One process's share in the server of a home.

    `join` returns with the server answering, whoever started it; the last one to `leave`
    stops it. A process that dies leaves without stopping it, and the next one finds it again.
    """

    def __init__(self, home: Path, postgres_bin: Path | None = None) -> None:
        self._home = home.resolve()  # the same server by whichever path it is named
        self._postgres_bin = postgres_bin
        self._cluster: Cluster | None = None
        self._membership: Membership | None = None

    def join(self) -> None:
        """Raises DatabaseUnavailableError where the server cannot be started."""
        try:
            (self._home / "postgres").mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._cluster = Cluster(prepare_places(self._home), self._postgres_bin)
                membership = Membership(self._home / "postgres" / "users.lock")
                try:
                    self._ensure_running(self._cluster)
                except BaseException:
                    membership.end()
                    raise
                self._membership = membership
        except OSError as error:
            raise DatabaseUnavailableError(
                f"The embedded database under {self._home} cannot be set up: {error.strerror} "
                f"({error.filename}); mend that, or set CARDOPS_HOME to another place."
            ) from error

    def leave(self) -> None:
        """End this share; stops the server where it was the last. Leaving twice is no error."""
        membership, self._membership = self._membership, None
        if membership is None or self._cluster is None:
            return
        with self._alone():
            if membership.end():
                self._cluster.stop()

    def url(self, database: str) -> str:
        """URL of one of its databases, over the Unix socket."""
        if self._cluster is None:
            raise DatabaseUnavailableError("The embedded database was not joined.")
        host = quote(str(self._cluster.places.socket_directory), safe="/")
        return f"postgresql://cardops:{self._cluster.password()}@/{database}?host={host}"

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self._home / "postgres" / "start.lock")

    def _ensure_running(self, cluster: Cluster) -> None:
        cluster.initialize()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError(
                    f"The embedded database did not answer within {START_TIMEOUT_SECONDS} s; "
                    f"its log is {cluster.places.log}."
                )
            if cluster.is_alive():
                time.sleep(POLL_SECONDS)
            else:
                cluster.start()
        self._ensure_databases()

    def _answers(self) -> bool:
        return PGconn.ping(self.url("postgres").encode()) == Ping.OK

    def _ensure_databases(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            rows = connection.execute("select datname from pg_database").fetchall()
            for database in set(DATABASES) - {name for (name,) in rows}:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
