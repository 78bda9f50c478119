"""An operator's query on the live database, as the runbooks have them: one read-only statement."""

from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.connection import connect, with_options
from cardops.rules.errors import ExplainedError

# A query must not block the traffic it reads, nor outlast the operator's patience.
STATEMENT_TIMEOUT: Final = "60s"
LOCK_TIMEOUT: Final = "2s"


class QueryRefusedError(ExplainedError):
    """The database refused or failed the query; the message has the first line of its error."""


def run_read_only_query(
    url: str, query: str, max_rows: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and at most `max_rows` rows. Raises QueryRefusedError."""
    bounded = with_options(
        url,
        "-cdefault_transaction_read_only=on",
        f"-cstatement_timeout={STATEMENT_TIMEOUT}",
        f"-clock_timeout={LOCK_TIMEOUT}",
    )
    with connect(bounded) as session:
        try:
            # A server-side cursor bounds the memory here. Its declaration is one message with one
            # statement, so no second statement can follow the query.
            with session.transaction(), session.cursor("query") as cursor:
                cursor.execute(query)
                rows = cursor.fetchmany(max_rows)
                return [column.name for column in cursor.description or []], rows
        except psycopg.Error as error:
            message = (str(error).splitlines() or [type(error).__name__])[0]
            raise QueryRefusedError(f"The query failed: {message}") from None
