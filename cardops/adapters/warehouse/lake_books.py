"""The books as the lake has them: closing balances and transaction log, compared with DuckDB.

Belongs here: reading the lake's Parquet within a memory limit. Does not belong here: what a
difference means (cardops.services.reconciliation).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import polars as pl
from typing_extensions import override

from cardops.adapters.warehouse import lake_books_sql as sql
from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from cardops.contracts.columns.types import TOTAL
from cardops.contracts.lake.tables import SNAPSHOT
from cardops.ports import Lake, LakeBooks
from cardops.rules.reconciliation.comparisons import LakeIncompleteError

DEFAULT_MEMORY_LIMIT: Final = "512MB"
_NOTHING_DIFFERS: Final = pl.DataFrame(
    schema={
        **dict.fromkeys(("program", "user_id", "currency"), pl.String()),
        **dict.fromkeys(("balances", "held_balances"), TOTAL),
        **dict.fromkeys(("transaction_log", "transaction_log_holds"), TOTAL),
    }
)


class DuckDbLakeBooks(LakeBooks):
    """Queries Parquet files of the lake on a DuckDB connection of their own each."""

    def __init__(
        self,
        lake: Lake,
        sessions: DuckDbSessions | None = None,
        *,
        memory_limit: str = DEFAULT_MEMORY_LIMIT,
    ) -> None:
        self._lake = lake
        self._sessions = sessions or PlainDuckDbSessions()
        self._memory_limit = memory_limit

    @override
    def differing_accounts(
        self, business_date: date, *, opening: date | None = None
    ) -> pl.DataFrame:
        balances = self._balances_file(business_date)
        log = self._lake.local_path("transaction_log")
        if not balances.exists():
            raise LakeIncompleteError(f"no closing balances for {business_date}", "balances")
        if not any(log.glob("*/*.parquet")):
            raise LakeIncompleteError("no transaction log", "transaction_log")
        values = {
            "balances": str(balances),
            "log": f"{log}/*/*.parquet",
            "first": opening or date.min,
            "day": business_date,
        }
        if opening is not None:
            values["opening"] = str(self._balances_file(opening))
        return self._differing(values)

    @override
    def has_closing_balances(self, business_date: date) -> bool:
        return self._balances_file(business_date).exists()

    @override
    def balances_sha256(self, business_date: date) -> str | None:
        try:
            with self._balances_file(business_date).open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    @override
    def exported_dates(self) -> set[date]:
        return {
            date.fromisoformat(file.parent.name.removeprefix("business_date="))
            for file in self._lake.local_path("transaction_log").glob("business_date=*/*.parquet")
        }

    def _balances_file(self, business_date: date) -> Path:
        folder = self._lake.local_path("balances") / f"business_date={business_date}"
        return folder / f"{SNAPSHOT}.parquet"

    @override
    def log_file(self, business_date: date) -> Path:
        folder = self._lake.local_path("transaction_log") / f"business_date={business_date}"
        return folder / f"{SNAPSHOT}.parquet"

    def _differing(self, values: dict[str, object]) -> pl.DataFrame:
        """What the last of three steps finds; most dates end with the first or the second."""
        is_carried = "opening" in values
        with self._session() as session:
            if is_carried and _value(session, sql.CARRIED_FORWARD, values):
                return _NOTHING_DIFFERS
            suspects = sql.SUSPECTS.format(
                opening=sql.OPENING_ROWS if is_carried else sql.NO_OPENING_ROWS,
                since="> $first" if is_carried else ">= $first",
            )
            # The opening has the rows of its own date.
            session.execute(suspects, values).fetchall()
            if not _value(session, "select count(*) from suspects", {}):
                return _NOTHING_DIFFERS
            query = sql.DIFFERING_ACCOUNTS.format(
                opening=sql.OPENING if is_carried else sql.NO_OPENING
            )
            return pl.DataFrame(session.sql(query, params=values).to_arrow_table())

    @contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with TemporaryDirectory() as spill, self._sessions.in_memory() as session:
            session.execute(f"set memory_limit = '{self._memory_limit}'")
            session.execute(f"set temp_directory = '{spill}'")
            # Rows need no order here, and keeping one takes memory.
            session.execute("set preserve_insertion_order = false")
            yield session


def _value(session: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object]) -> object:
    ((value,),) = session.execute(query, values).fetchall()
    return value
