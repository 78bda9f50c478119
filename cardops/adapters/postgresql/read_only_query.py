"""A person's own question to the live database, as runbooks have them: one statement, read-only."""

from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.connection import connect, with_options

# A look must not hold up whom it looks at, nor outlast the patience of who looks.
STATEMENT_TIMEOUT: Final = "60s"
LOCK_TIMEOUT: Final = "2s"


class QueryRefusedError(Exception):
    """The database did not answer the question; its own first words."""


def run_read_only_query(
    url: str, query: str, max_rows: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of columns, and as many rows at most. Raises QueryRefusedError."""
    bounded = with_options(
        url,
        "-cdefault_transaction_read_only=on",
        f"-cstatement_timeout={STATEMENT_TIMEOUT}",
        f"-clock_timeout={LOCK_TIMEOUT}",
    )
    with connect(bounded) as session:
        try:
            # A cursor of the server's, so that no table fills the memory here; it is declared in
            # one message that holds one statement, so that nothing can follow the question.
            with session.transaction(), session.cursor("look") as cursor:
                cursor.execute(query)
                found = cursor.fetchmany(max_rows)
                return [column.name for column in cursor.description or []], found
        except psycopg.Error as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise QueryRefusedError(said) from None
