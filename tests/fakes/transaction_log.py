"""A TransactionLog in memory that exports the rows a test gives it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from typing_extensions import override

from cardops.contracts.lake.transaction_log import COLUMNS
from cardops.ports import DayExport, TransactionLog


@dataclass
class FakeExport(DayExport):
    """What one export wrote."""

    row_count: int
    watermark: str | None
    is_closed: bool
    content_sha256: str
    exported_at: datetime


class FakeTransactionLog(TransactionLog):
    """Days before `open_date` are closed."""

    def __init__(
        self, rows: Sequence[Mapping[str, Any]] = (), *, open_date: date = date.max
    ) -> None:
        self.rows = list(rows)
        self.open_date = open_date
        self.exports: dict[date, DayExport] = {}

    @override
    def export(self, business_date: date, target: Path) -> DayExport:
        day = pl.DataFrame(self.rows, schema=COLUMNS).filter(
            pl.col("occurred_at").dt.date() == business_date
        )
        order = ["program", "user_id", "currency", "ledger_seq", "kind", "event_key"]
        day.sort(order).write_parquet(target)
        return FakeExport(
            day.height,
            None,
            business_date < self.open_date,
            hashlib.sha256(target.read_bytes()).hexdigest(),
            datetime.now(UTC),
        )

    @override
    def record_export(self, business_date: date, export: DayExport) -> None:
        self.exports[business_date] = export

    @override
    def busy_dates(self) -> Sequence[date]:
        return sorted({row["occurred_at"].date() for row in self.rows})
