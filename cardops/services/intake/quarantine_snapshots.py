"""Quarantined rows for the marts: where from, why, and whether each still waits. No records.

A date's snapshot has the rows of files that were claimed on it, those of files that ended late, and
again the rows that waited in an earlier snapshot and were released since: the last row counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import product
from typing import Final

import polars as pl

from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.lake.tables import QUARANTINED_ROWS, SNAPSHOT
from cardops.ports import IntakeLedger, Lake, ObjectStore
from cardops.rules.intake.files import IntakeFile, RowReason
from cardops.services.intake.quarantine import quarantined_rows

TABLE: Final = "quarantined_rows"
# A file that is not read that long after its claim is held or dead, and an alarm of its own.
LATEST: Final = timedelta(days=7)
_ROW: Final = ("intake_id", "row_number")


class QuarantineState(StrEnum):
    """`waiting` for the row it refers to; `released` when that came; else `refused`, for a person."""

    WAITING = "waiting"
    RELEASED = "released"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class QuarantineSnapshots:
    """Reads what intake set apart, and writes it to the lake."""

    intake_ledger: IntakeLedger
    failed_store: ObjectStore
    lake: Lake

    def write(self, business_date: date) -> pl.DataFrame:
        """Write the date's snapshot; its rows."""
        table = self.lake.scan(TABLE)
        others = pl.LazyFrame(schema={**QUARANTINED_ROWS, "business_date": pl.Date()})
        if table is not None:
            others = table.filter(pl.col("business_date") != business_date)
        written = set(others.select("intake_id").unique().collect()["intake_id"])
        frames = [
            *(self._rows_of(intake_file) for intake_file in self._files(business_date, written)),
            *self._released_since(others.filter(pl.col("business_date") < business_date)),
        ]
        frame = pl.concat([pl.DataFrame(schema=QUARANTINED_ROWS), *frames]).sort(_ROW)
        self.lake.write(TABLE, business_date, SNAPSHOT, frame)
        return frame

    def _files(self, business_date: date, written: Iterable[int]) -> Iterator[IntakeFile]:
        dates = [business_date - timedelta(days=days) for days in range(LATEST.days + 1)]
        for claimed_on, kind in product(dates, KINDS):
            for intake_file in self.intake_ledger.claimed_on(kind, claimed_on):
                has_rows = intake_file.outcome is not None and intake_file.outcome.quarantined
                if has_rows and intake_file.intake_id not in written:
                    yield intake_file

    def _rows_of(self, intake_file: IntakeFile) -> pl.DataFrame:
        rows = quarantined_rows(self.failed_store, intake_file)
        if rows is None:
            return pl.DataFrame(schema=QUARANTINED_ROWS)
        released = self.intake_ledger.released_rows(intake_file.intake_id)
        waits = pl.col("reasons").list.contains(str(RowReason.ORPHANED_REFERENCE))
        is_released = pl.col("row_number").is_in(sorted(released))
        state = (
            pl.when(is_released)
            .then(pl.lit(QuarantineState.RELEASED.value))
            .when(waits)
            .then(pl.lit(QuarantineState.WAITING.value))
            .otherwise(pl.lit(QuarantineState.REFUSED.value))
        )
        arrival = intake_file.arrival
        described = rows.with_columns(
            pl.lit(arrival.program).alias("program"),
            pl.lit(str(arrival.kind)).alias("kind"),
            pl.lit(intake_file.intake_id).alias("intake_id"),
            state.alias("state"),
            pl.lit(intake_file.business_date).alias("claimed_on"),
        )
        return _typed(described)

    def _released_since(self, earlier: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """Rows that waited in every earlier snapshot and do not wait any more."""
        is_waiting = pl.col("state") == QuarantineState.WAITING.value
        waiting = (
            earlier.filter(is_waiting)
            .join(earlier.filter(~is_waiting), on=_ROW, how="anti")
            .unique(_ROW)
            .collect()
        )
        for (intake_id,), rows in waiting.group_by("intake_id"):
            released = self.intake_ledger.released_rows(int(str(intake_id)))
            found = rows.filter(pl.col("row_number").is_in(sorted(released)))
            yield _typed(found.with_columns(pl.lit(QuarantineState.RELEASED.value).alias("state")))


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.col(name).cast(column_type) for name, column_type in QUARANTINED_ROWS.items()
    )
