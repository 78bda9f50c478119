"""Small files whose rows are judged together: numbered through, and settled file by file.

Belongs here: which row is of which file, and each file's own counts. The rows themselves are judged as
those of one file, in the order of the group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cardops.contracts.judging.files import quarantine_conflicts
from cardops.contracts.judging.lake_rows import NO_TERMS, write_lake_rows
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile, Terms
from cardops.rules.intake.files import FileOutcome
from cardops.rules.intake.groups import FileGroup


@dataclass(frozen=True, slots=True)
class SettledGroup:
    """The file for the lake with every file's rows, and by intake id the counts and what is quarantined.

    `quarantined`: `row_number` in the file, `reasons`, `raw`, `waits_for`, `ids`; no frame is empty.
    """

    lake_path: Path
    outcomes: Mapping[int, FileOutcome]
    quarantined: Mapping[int, pl.DataFrame]


def settle_group(
    workspace: Workspace,
    profile: KindProfile,
    outcomes: pl.DataFrame,
    group: FileGroup,
    row_counts: Sequence[int],
    terms: Terms = NO_TERMS,
) -> SettledGroup:
    """Write the accepted rows for the lake, quarantine those in conflict, and count by file.

    `row_counts`: the rows read of each file.
    """
    lake_path = write_lake_rows(workspace, profile, outcomes, _origin(group), terms)
    quarantine_conflicts(workspace, outcomes)
    accepted = pl.read_parquet(lake_path)
    quarantined = in_files(workspace.scan("quarantined").collect(), group)
    repeated = in_files(outcomes.filter(pl.col("outcome") == "duplicate"), group)
    counts = _Counts(accepted, quarantined, repeated, profile)
    return SettledGroup(
        lake_path,
        {
            intake_id: counts.outcome(intake_id, read)
            for intake_id, read in zip(group.intake_ids, row_counts, strict=True)
        },
        _by_file(quarantined),
    )


def in_files(rows: pl.DataFrame, group: FileGroup) -> pl.DataFrame:
    """The rows with their `intake_id`, and `row_number` as in their files."""
    at = np.searchsorted(group.rows_before, rows["row_number"].to_numpy(), side="left") - 1
    files, before = np.array(group.intake_ids), np.array(group.rows_before)
    return rows.with_columns(
        pl.Series("intake_id", files[at], dtype=pl.Int64),
        row_number=pl.col("row_number") - pl.Series(before[at], dtype=pl.Int64),
    )


class _Counts:
    """What became of the rows of each file, counted for all files at once."""

    def __init__(
        self,
        accepted: pl.DataFrame,
        quarantined: pl.DataFrame,
        repeated: pl.DataFrame,
        profile: KindProfile,
    ) -> None:
        self._accepted = rows_in_files(accepted)
        self._duplicate = rows_in_files(repeated)
        self._quarantined = rows_in_files(quarantined)
        self._reasons = _code_counts(quarantined, "reasons")
        self._flags = _code_counts(accepted, "flags")
        self._totals = totals_in_files(accepted, profile)

    def outcome(self, intake_id: int, read: int) -> FileOutcome:
        """The file's counts."""
        return FileOutcome(
            read=read,
            accepted=self._accepted.get(intake_id, 0),
            duplicate=self._duplicate.get(intake_id, 0),
            quarantined=self._quarantined.get(intake_id, 0),
            reasons=self._reasons.get(intake_id, {}),
            flags=self._flags.get(intake_id, {}),
            totals_minor=self._totals.get(intake_id, {}),
        )


def _origin(group: FileGroup) -> dict[str, pl.Expr]:
    keys = pl.Series([file.arrival.key for file in group.files], dtype=pl.String)
    ids = pl.Series(group.intake_ids, dtype=pl.Int64)
    before = pl.Series(group.rows_before, dtype=pl.Int64)
    # The last file of which no more rows stand before than before the row.
    at = pl.lit(before).search_sorted(pl.col("row_number"), side="left") - 1
    return {
        "program": pl.lit(group.program),
        "intake_id": pl.lit(ids).gather(at),
        "source_file": pl.lit(keys).gather(at),
        "row_number": pl.col("row_number") - pl.lit(before).gather(at),
        "batch_id": pl.lit(group.first.batch_id, pl.String),
    }


def _by_file(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    parts = rows.partition_by("intake_id", include_key=False, as_dict=True)
    return {int(str(intake_id)): part for (intake_id,), part in parts.items()}


def rows_in_files(rows: pl.DataFrame) -> dict[int, int]:
    """The rows of each file by its intake id; files without any are absent."""
    return dict(rows.group_by("intake_id").len().iter_rows())


def _code_counts(rows: pl.DataFrame, codes: str) -> dict[int, dict[str, int]]:
    each = rows.select("intake_id", codes).explode(codes, keep_nulls=False, empty_as_null=False)
    return _nested(each.group_by("intake_id", codes).len().sort("intake_id", codes))


def totals_in_files(rows: pl.DataFrame, profile: KindProfile) -> dict[int, dict[str, int]]:
    """The sums of each file by currency: intake id -> currency -> minor units."""
    if profile.control_totals is None:
        return {}
    amount, currency = profile.control_totals
    sums = rows.group_by("intake_id", currency).agg(pl.col(amount).cast(pl.Int128).sum())
    return _nested(sums.sort("intake_id", currency))


def _nested(rows: pl.DataFrame) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for intake_id, name, number in rows.iter_rows():
        found.setdefault(intake_id, {})[name] = number
    return found
