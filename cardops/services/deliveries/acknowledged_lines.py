"""The accepted rows behind the lines of a chargeback file that its card company rejected.

Belongs here: finding them in the lake. What becomes of them is recorded with the acknowledgement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from cardops.ports import IntakeLedger, Lake
from cardops.rules.deliveries.acknowledgements import (
    LineKey,
    RejectedLine,
    RejectedRow,
    RejectedRows,
)
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder

_KEY: Final = ("case_number", "stage", "action_sequence")
_STAGE: Final = ("network", "case_number", "stage")


@dataclass(frozen=True, slots=True)
class FileLines:
    """Finds lines of chargeback files."""

    builder: ChargebackFileBuilder
    intake_ledger: IntakeLedger
    lake: Lake

    def find(
        self,
        record: ChargebackFileRecord,
        rejected: Sequence[RejectedLine],
        rejected_rows: RejectedRows,
    ) -> list[RejectedRow]:
        """The row of each rejected line that is a line of the file; of one without network, each.

        A row of whose stage a later step is known does not reopen: it would tell an older state.
        """
        if not rejected:
            return []
        batch = self.intake_ledger.batch(record.batch_id)
        named = {line.key: line for line in rejected}
        lines = self.builder.lines(batch, record.network).select(
            "network", *_KEY, "intake_id", "row_number"
        )
        found = lines.join(_frame(list(named)), on=list(_KEY), how="semi").collect()
        latest = self._latest_steps(record.program, found)
        by_network = {(line.network, line.key): line for line in rejected}
        rows = []
        for network, case_number, stage, step, intake_id, row_number in found.iter_rows():
            key = LineKey(case_number, stage, step)
            line = by_network.get((network, key)) or by_network.get((None, key))
            if line is not None:
                is_latest = step >= latest.get((network, case_number, stage), step)
                may_reopen = is_latest and rejected_rows is RejectedRows.REOPEN
                rows.append(RejectedRow(line, network, intake_id, row_number, may_reopen))
        return rows

    def _latest_steps(self, program: str, found: pl.DataFrame) -> dict[tuple[str, str, str], int]:
        """The last step that is known of each dispute's stage, whichever batch it is in."""
        rows = self.lake.scan("chargebacks")
        if rows is None or found.is_empty():
            return {}
        cases = found["case_number"].unique().to_list()
        steps = (
            rows.filter((pl.col("program") == program) & pl.col("case_number").is_in(cases))
            .group_by(_STAGE)
            .agg(pl.col("action_sequence").max())
            .collect()
        )
        return {(network, case, stage): step for network, case, stage, step in steps.iter_rows()}


def _frame(keys: Sequence[LineKey]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "case_number": [key.case_number for key in keys],
            "stage": [key.stage for key in keys],
            "action_sequence": [key.action_sequence for key in keys],
        },
        schema={"case_number": pl.String, "stage": pl.String, "action_sequence": pl.Int64},
    )
