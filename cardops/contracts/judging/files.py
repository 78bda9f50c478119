"""One whole file, from its bytes to the rows that are accepted, quarantined or repeated.

Belongs here: what follows from the file and its circumstances alone. Nothing is stored but the
workspace; what the result changes outside is in cardops.services.intake.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from cardops.contracts.judging.judging import (
    Circumstances,
    judge_rows,
    lake_values,
    referenced_rows,
)
from cardops.contracts.judging.quarantine import mask_card_number_in_raw
from cardops.contracts.judging.versions import row_outcomes
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import SourceFile
from cardops.rules.intake.files import FileOutcome, IntakeFile, RowReason

_ORPHAN: Final = str(RowReason.ORPHANED_REFERENCE)
# Outcomes of valid rows that are quarantined; each is its row's reason.
_NOT_APPLIED: Final = (str(RowReason.CONFLICTING_DUPLICATE), str(RowReason.RECALLED_BEFORE))


@dataclass(frozen=True, slots=True)
class FileCircumstances:
    """What a file is judged by, beside its content.

    `currency` is the program's. `referenced` is the lake table that rows refer to, `earlier` the
    lake table of the file's own kind; None where there is none yet. `orphans`: see `Circumstances`.
    """

    intake_file: IntakeFile
    currency: str
    now: datetime
    batch_mode: str | None = None
    referenced: pl.LazyFrame | None = None
    earlier: pl.LazyFrame | None = None
    orphans: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SettledFile:
    """A file whose rows all have an outcome: the file for its lake table, and the counts."""

    lake_path: Path
    outcome: FileOutcome


def judge_file(
    content: BinaryIO, profile: KindProfile, circumstances: FileCircumstances, workspace: Workspace
) -> InputRows:
    """Fill the datasets `text`, `valid` (typed) and `quarantined` (with all reasons).

    Raises FileRefusedError, before any row is judged.
    """
    rows = InputRows(SourceFile(circumstances.intake_file.arrival.key, content), profile.contract)
    default = [pl.col(name).fill_null(circumstances.currency) for name in profile.program_currency]
    for chunk in rows.chunks():
        workspace.add("text", mask_card_number_in_raw(chunk).with_columns(default))
    judged_by = Circumstances(
        now=circumstances.now,
        referenced=_referenced(workspace, profile, circumstances),
        batch_mode=circumstances.batch_mode,
        orphans=circumstances.orphans,
    )
    is_valid = pl.col("reasons").list.len() == 0
    for chunk in workspace.chunks("text"):
        judged = judge_rows(chunk, profile, judged_by)
        workspace.add("valid", lake_values(judged.filter(is_valid), profile))
        quarantined = judged.filter(~is_valid)
        workspace.add(
            "quarantined", quarantined.select("row_number", "reasons", "raw", _waits_for(profile))
        )
    return rows


def compare_with_earlier(
    workspace: Workspace, profile: KindProfile, circumstances: FileCircumstances
) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row, of a kind whose rows no ledger applies."""
    table, intake_file = circumstances.earlier, circumstances.intake_file
    own_program = pl.col("program") == intake_file.arrival.program
    before = pl.col("intake_id") < intake_file.intake_id
    earlier = None if table is None else table.filter(own_program, before)
    return row_outcomes(workspace.scan("valid"), earlier, profile)


def settle_file(
    workspace: Workspace, profile: KindProfile, outcomes: pl.DataFrame, intake_file: IntakeFile
) -> SettledFile:
    """Write the accepted rows for the lake, quarantine those in conflict, and count all.

    Figures of accepted rows are read from what was written, never from what was merely valid.
    """
    lake_path = _write_lake_file(workspace, profile, outcomes, intake_file)
    _quarantine_conflicts(workspace, outcomes)
    reasons = workspace.scan("quarantined").select(pl.col("reasons").explode()).collect()
    accepted = pl.scan_parquet(lake_path)
    outcome = FileOutcome(
        read=workspace.count("text"),
        accepted=accepted.select(pl.len()).collect().item(),
        duplicate=outcomes.filter(pl.col("outcome") == "duplicate").height,
        quarantined=workspace.count("quarantined"),
        reasons=dict(sorted(Counter(reasons.to_series().drop_nulls()).items())),
        flags=_flag_counts(accepted),
        totals_minor=_control_totals(accepted, profile),
    )
    return SettledFile(lake_path, outcome)


def _write_lake_file(
    workspace: Workspace, profile: KindProfile, outcomes: pl.DataFrame, intake_file: IntakeFile
) -> Path:
    accepted = outcomes.filter(pl.col("outcome") == "accepted").drop("outcome")
    rows = workspace.scan("valid").join(accepted.lazy(), on="row_number").sort("row_number")
    origin = _origin(intake_file)
    table = rows.select(
        *(
            origin.get(name, pl.col(name)).cast(column_type).alias(name)
            for name, column_type in profile.lake_table.items()
        )
    )
    path = workspace.folder / "lake.parquet"
    table.sink_parquet(path)
    return path


def _quarantine_conflicts(workspace: Workspace, outcomes: pl.DataFrame) -> None:
    """Rows whose id was accepted before with other content, or whose deposit was recalled."""
    conflicts = outcomes.filter(pl.col("outcome").is_in(_NOT_APPLIED)).lazy()
    rows = workspace.scan("valid").join(conflicts, on="row_number")
    quarantined = rows.select(
        "row_number",
        pl.concat_list("outcome").alias("reasons"),
        "raw",
        pl.lit(None, pl.String).alias("waits_for"),
    )
    workspace.add("quarantined", quarantined.collect())


def _referenced(
    workspace: Workspace, profile: KindProfile, circumstances: FileCircumstances
) -> pl.DataFrame | None:
    reference, program = profile.reference, circumstances.intake_file.arrival.program
    if reference is None:
        return None
    ids = workspace.scan("text").select(reference.key).drop_nulls().unique().collect()
    return referenced_rows(circumstances.referenced, reference, program, ids.to_series())


def _waits_for(profile: KindProfile) -> pl.Expr:
    """The id whose arrival releases the row; only where nothing else is wrong with it."""
    if profile.reference is None:
        return pl.lit(None, pl.String).alias("waits_for")
    waits = (pl.col("reasons").list.len() == 1) & (pl.col("reasons").list.first() == _ORPHAN)
    return pl.when(waits).then(pl.col(profile.reference.key)).alias("waits_for")


def _origin(intake_file: IntakeFile) -> dict[str, pl.Expr]:
    return {
        "program": pl.lit(intake_file.arrival.program),
        "intake_id": pl.lit(intake_file.intake_id),
        "source_file": pl.lit(intake_file.arrival.key),
        "batch_id": pl.lit(intake_file.batch_id, pl.String),
    }


def _flag_counts(rows: pl.LazyFrame) -> dict[str, int]:
    flags = rows.select(pl.col("flags").list.explode(keep_nulls=False, empty_as_null=False))
    return dict(flags.group_by("flags").agg(pl.len()).sort("flags").collect().iter_rows())


def _control_totals(rows: pl.LazyFrame, profile: KindProfile) -> dict[str, int]:
    if profile.control_totals is None:
        return {}
    amount, currency = profile.control_totals
    totals = rows.group_by(currency).agg(pl.col(amount).sum()).sort(currency).collect()
    return dict(totals.iter_rows())
