"""Sessions whose results are Arrow: the library reads COPY BINARY, and decodes it column by column.

Belongs here: opening one, with the errors of every other session. For large results that nothing else
needs to see in the same transaction.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from cardops.adapters.postgresql.connection import check_url, redacted
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from adbc_driver_manager import AdbcDatabase
    from adbc_driver_manager.dbapi import Cursor

MAX_DATABASES: Final = 4


@contextmanager
def arrow_session(url: str) -> Iterator["Cursor"]:
    """A cursor in a transaction that ends with the block, and keeps nothing.

    Raises DatabaseUnavailableError, whose message never contains the password.
    """
    # A tenth of a second, which only exports need.
    from adbc_driver_manager import AdbcConnection, Error  # noqa: PLC0415
    from adbc_driver_manager.dbapi import Connection  # noqa: PLC0415

    check_url(url)
    try:
        connection = AdbcConnection(_database(url, os.getpid()))
        kept = cast("AdbcDatabase", _Kept())
        with Connection(kept, connection) as session, session.cursor() as cursor:
            yield cursor
    except Error as error:
        # What the driver itself says may repeat the address, and so the password.
        reason = str(error).splitlines()[0] if error.sqlstate else "the connection failed"
        raise DatabaseUnavailableError(
            f"The database {redacted(url)} did not send all rows ({reason}); check that it runs and "
            "that CARDOPS_DATABASE_URL names it, then run the same again."
        ) from None


class _Kept:
    """Stands for the database of a session, which would close it with itself."""

    def close(self) -> None:
        """Nothing: the next session uses it."""


@functools.lru_cache(maxsize=MAX_DATABASES)
def _database(url: str, _pid: int) -> "AdbcDatabase":
    """What the driver knows of a database: all its types, asked once in a process and not for each session.

    It holds no connection. A forked process has its own.
    """
    from adbc_driver_postgresql import connect  # noqa: PLC0415

    return cast("AdbcDatabase", connect(url))
