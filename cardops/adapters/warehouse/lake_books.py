"""The books as the lake has them: closing balances and transaction log, compared with DuckDB.

Belongs here: reading the lake's Parquet within a memory limit. Does not belong here: what a
difference means (cardops.services.reconciliation).
"""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl
from typing_extensions import override

from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from cardops.contracts.lake.tables import SNAPSHOT
from cardops.ports import Lake, LakeBooks
from cardops.rules.reconciliation.comparisons import LakeIncompleteError

DEFAULT_MEMORY_LIMIT: Final = "512MB"

# The log is added up from an opening balance, which has every row of its date up to its `ledger_seq`
# (and none dated later). Without one, from nothing.
# First every account's plain sums are compared. Only for those that differ, log rows written after
# the balance was read (a later ledger_seq) are excluded, so live traffic during the export makes no
# break. An account with log rows of an earlier day but without a balance is a break against zero.
_DIFFERING_ACCOUNTS: Final = """
    with balances as (
        select program, user_id, currency, ledger_minor, held_minor, ledger_seq
        from read_parquet($balances)
    ),
    opening as (
        select program, user_id, currency, ledger_minor, held_minor, ledger_seq
        from {opening}
    ),
    log as (
        select l.program, l.user_id, l.currency, l.posted_minor, l.held_change_minor, l.ledger_seq,
            l.business_date
        from read_parquet(
            $log, hive_partitioning = true, hive_types = {{'business_date': date}}
        ) as l
        left join opening using (program, user_id, currency)
        where l.business_date between $first and $day
            and (l.posted_minor <> 0 or l.held_change_minor <> 0)
            and (l.business_date > $first or l.ledger_seq > coalesce(opening.ledger_seq, 0))
        union all by name
        select program, user_id, currency, ledger_minor as posted_minor,
            held_minor as held_change_minor, 0 as ledger_seq, $first::date as business_date
        from opening
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
    select program, user_id, currency, balances::decimal(38, 0) as balances,
        held_balances::decimal(38, 0) as held_balances,
        transaction_log::decimal(38, 0) as transaction_log,
        transaction_log_holds::decimal(38, 0) as transaction_log_holds
    from (from checked union all by name from unknown)
    where balances <> transaction_log or held_balances <> transaction_log_holds
    order by program, user_id, currency
"""
_OPENING: Final = "read_parquet($opening)"
_NOTHING: Final = "(select * from read_parquet($balances) limit 0)"


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
        files = {"balances": str(balances), "log": f"{log}/*/*.parquet"}
        if opening is None:
            return self._query(_NOTHING, {**files, "first": date.min, "day": business_date})
        opened = {"opening": str(self._balances_file(opening)), "first": opening}
        return self._query(_OPENING, {**files, **opened, "day": business_date})

    @override
    def has_closing_balances(self, business_date: date) -> bool:
        return self._balances_file(business_date).exists()

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

    def _query(self, opening: str, values: dict[str, object]) -> pl.DataFrame:
        with TemporaryDirectory() as spill, self._sessions.in_memory() as session:
            session.execute(f"set memory_limit = '{self._memory_limit}'")
            session.execute(f"set temp_directory = '{spill}'")
            relation = session.sql(_DIFFERING_ACCOUNTS.format(opening=opening), params=values)
            return pl.DataFrame(relation.to_arrow_table())
