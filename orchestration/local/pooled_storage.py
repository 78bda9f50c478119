"""Dagster's tables in PostgreSQL, through connections that a process keeps.

dagster_postgres opens one for each statement, with a password check and a new server process: about 980
for a daily close, and several for each look of a sensor. Its webserver alone asks for a pool. dagster.yaml
names the class below, so every process of a home has pools: webserver, daemon, code server, runs, commands.
"""

import select
from typing import TYPE_CHECKING, Any, Final

from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import event, pool
from sqlalchemy.exc import DisconnectionError
from typing_extensions import override

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

STATEMENT_TIMEOUT_MILLISECONDS: Final = 60_000
RECYCLE_SECONDS: Final = 3600
MAX_OVERFLOW: Final = 20


class PooledPostgresStorage(DagsterPostgresStorage):
    """The parent's storages, each with a pool, which they make by the method that the webserver calls."""

    def __init__(self, postgres_url: str, inst_data: "ConfigurableClassData | None" = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        for part in (self.run_storage, self.event_log_storage, self.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MILLISECONDS,
                pool_recycle=RECYCLE_SECONDS,
                max_overflow=MAX_OVERFLOW,
            )
        _replace_dead_connections()

    @classmethod
    @override
    def from_config_value(
        cls, inst_data: "ConfigurableClassData | None", config_value: Any
    ) -> "PooledPostgresStorage":
        return cls(pg_url_from_config(config_value), inst_data)


def _replace_dead_connections() -> None:
    """Let pools of this process open a new connection where a pooled one has lost its server.

    Dagster's pools do not: the first statement after the database was restarted would fail the run.
    """
    if not event.contains(pool.Pool, "checkout", _require_connection):
        event.listen(pool.Pool, "checkout", _require_connection)


def _require_connection(session: Any, _record: object, _checked_out: object) -> None:
    """Raises DisconnectionError, upon which the pool opens another connection.

    Nothing is sent: an idle session has something to read only when the server has ended it.
    Drivers without a socket of their own, such as SQLite's, lose no server.
    """
    if not hasattr(session, "fileno"):
        return
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError
