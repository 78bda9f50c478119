"""The roads through the lake: closing balances against the log, deposits against their files.

Belongs here: reading them. The query reads Parquet with DuckDB within a memory limit, and imports no
Dagster, so that `cardops reconcile` starts fast.
"""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import polars as pl

from cardops.contracts.lake.reconciliation import breaks_in, file_sides
from cardops.ports import Books, Lake
from cardops.rules.reconciliation import FILE_COMPARISONS

DEFAULT_MEMORY_LIMIT: Final = "512MB"
BALANCES_NAME: Final = "snapshot"

# All accounts by plain sums first. Only where those differ, the rows that were written after the
# balance was read (a later ledger_seq) are left out: live traffic while the log is exported makes
# no break. An account with rows of an earlier day but without a balance is a break against zero.
_COMPARE: Final = """
    with balances as (
        select program, user_id, currency, ledger_minor, held_minor, ledger_seq
        from read_parquet($balances)
    ),
    log as (
        select program, user_id, currency, posted_minor, held_change_minor, ledger_seq,
            business_date
        from read_parquet($log, hive_partitioning = true, hive_types = {'business_date': date})
        where business_date <= $day and (posted_minor <> 0 or held_change_minor <> 0)
    ),
    sums as (
        select program, user_id, currency, sum(posted_minor) as posted,
            sum(held_change_minor) as held, min(business_date) as first_on
        from log group by all
    ),
    suspects as (
        select balances.*
        from balances left join sums using (program, user_id, currency)
        where ledger_minor <> coalesce(posted, 0) or held_minor <> coalesce(held, 0)
    ),
    checked as (
        select suspects.program, suspects.user_id, suspects.currency,
            any_value(ledger_minor) as balances, any_value(held_minor) as held_balances,
            coalesce(sum(posted_minor), 0) as transaction_log,
            coalesce(sum(held_change_minor), 0) as transaction_log_holds
        from suspects left join log
            on suspects.program = log.program and suspects.user_id = log.user_id
                and suspects.currency = log.currency and log.ledger_seq <= suspects.ledger_seq
        group by all
    ),
    unknown as (
        select program, user_id, currency, 0 as balances, 0 as held_balances,
            posted as transaction_log, held as transaction_log_holds
        from sums anti join balances using (program, user_id, currency)
        where first_on < $day
    )
    select program, user_id, currency, balances::bigint as balances,
        held_balances::bigint as held_balances, transaction_log::bigint as transaction_log,
        transaction_log_holds::bigint as transaction_log_holds
    from (from checked union all by name from unknown)
    where balances <> transaction_log or held_balances <> transaction_log_holds
    order by program, user_id, currency
"""


class LakeIncompleteError(RuntimeError):
    """The lake lacks what a reconciliation of that day needs; the message says what and how."""


def differing_accounts(
    lake: Lake, business_date: date, *, memory_limit: str = DEFAULT_MEMORY_LIMIT
) -> pl.DataFrame:
    """Accounts whose closing balance and log differ, one column a side; empty where all agree.

    Raises LakeIncompleteError where the day has no closing balances or no log was ever exported:
    nothing to compare is never taken for nothing wrong.
    """
    balances = _balances_of(lake, business_date)
    log = lake.local_path("transaction_log")
    _require(balances.exists(), f"no closing balances for {business_date}", "balances")
    _require(any(log.glob("*/*.parquet")), "no transaction log", "transaction_log")
    return _compare(balances, log, business_date, memory_limit)


def file_breaks(books: Books, lake: Lake, business_date: date) -> pl.DataFrame:
    """Deposit files whose control totals, postings and lake rows differ."""
    files = books.deposit_files(business_date)
    return breaks_in(file_sides(files, lake.scan("deposits")), FILE_COMPARISONS)


def is_closed_in_lake(lake: Lake, business_date: date) -> bool:
    """Whether the lake has the day's closing balances."""
    return _balances_of(lake, business_date).exists()


def exported_dates(lake: Lake) -> set[date]:
    """The business dates whose log is in the lake."""
    return {
        date.fromisoformat(folder.parent.name.removeprefix("business_date="))
        for folder in lake.local_path("transaction_log").glob("business_date=*/*.parquet")
    }


def _balances_of(lake: Lake, business_date: date) -> Path:
    folder = lake.local_path("balances") / f"business_date={business_date}"
    return folder / f"{BALANCES_NAME}.parquet"


def _compare(balances: Path, log: Path, business_date: date, memory_limit: str) -> pl.DataFrame:
    with TemporaryDirectory() as spill, duckdb.connect() as session:
        session.execute(f"set memory_limit = '{memory_limit}'")
        session.execute(f"set temp_directory = '{spill}'")
        values = {"balances": str(balances), "log": f"{log}/*/*.parquet", "day": business_date}
        return pl.DataFrame(session.sql(_COMPARE, params=values).to_arrow_table())


def _require(present: bool, lack: str, asset: str) -> None:  # noqa: FBT001 - a condition, not a mode
    if not present:
        raise LakeIncompleteError(
            f"The lake has {lack}, so its books cannot be compared; materialize `{asset}` first."
        )
