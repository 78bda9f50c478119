"""What members of rings did: their transactions, their disputes, and which chargebacks each touches.

Belongs here: queries on DuckDB over the lake's Parquet. The last step of a dispute, and whether it ever
became a chargeback, are as dbt's int_disputes_current has them; a test compares the two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import polars as pl

from cardops.adapters.warehouse.ring_activity_sql import (
    DISPUTES,
    DISPUTES_WITH_USERS,
    SALES,
    TOTALS,
)
from cardops.adapters.warehouse.ring_columns import normalised_column
from cardops.adapters.warehouse.ring_components import components
from cardops.adapters.warehouse.sessions import DuckDbSessions
from cardops.contracts.lake.tables import empty_frame
from cardops.ports import Lake, RingActivity
from cardops.rules.fraud.identifiers import IdentifierKind

MEMORY_LIMIT: Final = "1GB"
_USER: Final = ["program", "user_id"]
_TABLES: Final = ("transactions", "orders", "chargebacks")


@dataclass(frozen=True, slots=True)
class FoundActivity(RingActivity):
    """Frames of the members' activity."""

    transactions: pl.DataFrame
    disputes: pl.DataFrame
    touches: pl.DataFrame


def find_activity(
    lake: Lake, sessions: DuckDbSessions, as_of: date, links: pl.DataFrame
) -> FoundActivity:
    """The activity of the users of these links by the date."""
    members = links.select(_USER).unique()
    with _session(lake, sessions, as_of) as session:
        session.register("members", members.to_arrow())
        session.execute(SALES)
        session.execute(DISPUTES)
        totals = pl.DataFrame(session.sql(TOTALS).to_arrow_table())
        found = pl.DataFrame(session.sql(DISPUTES_WITH_USERS).to_arrow_table())
    disputes = found.drop("transaction_id", *_shown_columns()).unique()
    return FoundActivity(totals, disputes, _touches(found, links))


def _shown_columns() -> list[str]:
    return ["device_id", "card_token", "email", "ip_address"]


def _touches(disputed: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Users and the chargebacks that they touch: of their own sales, or by what links them."""
    chargebacks = disputed.filter(~pl.col("is_inquiry"))
    own = chargebacks.select(*_USER, "dispute")
    shown = chargebacks.select(
        "program", "dispute", *map(normalised_column, IdentifierKind)
    ).unpivot(index=["program", "dispute"], variable_name="identifier_kind", value_name="value")
    linked = shown.unique().join(
        links.select(*_USER, "identifier_kind", "value"), on=["program", "identifier_kind", "value"]
    )
    touches = pl.concat([own, linked.select(own.columns)]).unique()
    return touches.with_columns(components(touches, _USER, ["program", "dispute"]).alias("part"))


@contextmanager
def _session(
    lake: Lake, sessions: DuckDbSessions, as_of: date
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session whose views have the rows of business dates up to the date, with every column."""
    with TemporaryDirectory() as spill, sessions.in_memory() as session:
        session.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        session.execute(f"set temp_directory = '{spill}'")
        session.execute("set TimeZone = 'UTC'")
        session.execute("set preserve_insertion_order = false")
        for table in _TABLES:
            shape = Path(spill) / f"{table}.parquet"
            empty_frame(table).write_parquet(shape)
            paths = [str(shape), *_files_until(lake.local_path(table), as_of)]
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            session.execute(
                f"create view {table} as select * from read_parquet("  # noqa: S608 - paths alone
                f"[{listed}], union_by_name = true, hive_partitioning = false)"
            )
        yield session


def _files_until(folder: Path, as_of: date) -> list[str]:
    """Files in folders of business dates up to the date, whose names sort as the dates do."""
    last = f"business_date={as_of.isoformat()}"
    return [str(path) for path in sorted(folder.glob("*/*.parquet")) if path.parent.name <= last]
