"""Valid rows applied: what became of each, and the lake file that records it.

Belongs here: "accepted means applied". Counts come from what was applied, never from what was
merely valid, so a file that is killed half-way and ingested again has the same counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
from typing_extensions import override

from cardops.contracts.judging.versions import row_outcomes
from cardops.contracts.kinds.profile import KindProfile
from cardops.ports import DepositLedger
from cardops.rules.intake.files import IntakeFile
from cardops.services.intake.ports import Applier, IntakePorts
from cardops.services.intake.workspace import Workspace

_CREDITED_COLUMNS: Final = (
    "row_number",
    "deposit_id",
    "user_id",
    "currency",
    "amount_minor",
    "occurred_at",
)


@dataclass(frozen=True, slots=True)
class LakeFigures:
    """Counted in the lake file itself, after it was written."""

    accepted: int
    totals_minor: dict[str, int]
    flags: dict[str, int]


class ApplierMissingError(RuntimeError):
    """A kind's rows cannot be applied by this process: it was given no applier for them."""

    def __init__(self, profile: KindProfile) -> None:
        super().__init__(f"Ingesting {profile.kind} needs an applier for {profile.applied_to}.")


class CreditDeposits(Applier):
    """Credits deposits to accounts, once each."""

    def __init__(self, deposit_ledger: DepositLedger) -> None:
        self._ledger = deposit_ledger

    @override
    def apply(self, intake_file: IntakeFile, chunks: Iterable[pl.DataFrame]) -> pl.DataFrame:
        self._ledger.credit(intake_file, (chunk.select(_CREDITED_COLUMNS) for chunk in chunks))
        return self._ledger.outcome(intake_file)

    @override
    def discard_staged(self, intake_file: IntakeFile) -> None:
        self._ledger.forget_staged(intake_file)


def apply_valid(workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts) -> pl.DataFrame:
    """What became of each row of `valid`: `row_number`, `outcome`, and what an applier fills."""
    applier = _applier(intake_file, ports)
    if applier is not None:
        return applier.apply(intake_file, workspace.chunks("valid"))
    earlier = _earlier_rows(intake_file, ports)
    return row_outcomes(workspace.scan("valid"), earlier, ports.profile(intake_file))


def write_to_lake(
    workspace: Workspace, outcome: pl.DataFrame, intake_file: IntakeFile, ports: IntakePorts
) -> LakeFigures:
    """Replace the file's own lake file with its accepted rows, and count what is in it."""
    profile = ports.profile(intake_file)
    accepted = outcome.filter(pl.col("outcome") == "accepted").drop("outcome")
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
    name = f"{intake_file.intake_id:012d}"
    ports.lake.write_file(profile.kind, intake_file.business_date, name, path)
    return _figures(path, profile)


def discard_staged(intake_file: IntakeFile, ports: IntakePorts) -> None:
    """Nothing needs an applier's staged rows once the lake file is written."""
    applier = _applier(intake_file, ports)
    if applier is not None:
        applier.discard_staged(intake_file)


def conflicting_rows(workspace: Workspace, outcome: pl.DataFrame) -> pl.DataFrame:
    """Rows whose id was accepted with other content, as they are quarantined."""
    conflicts = outcome.filter(pl.col("outcome") == "conflicting_duplicate")
    return (
        workspace.scan("valid")
        .join(conflicts.lazy(), on="row_number", how="semi")
        .select(
            "row_number",
            pl.lit(["conflicting_duplicate"], pl.List(pl.String)).alias("reasons"),
            "raw",
            pl.lit(None, pl.String).alias("waits_for"),
        )
        .collect()
    )


def _applier(intake_file: IntakeFile, ports: IntakePorts) -> Applier | None:
    profile = ports.profile(intake_file)
    if profile.applied_to is None:
        return None
    if profile.applied_to not in ports.appliers:
        raise ApplierMissingError(profile)
    return ports.appliers[profile.applied_to]


def _earlier_rows(intake_file: IntakeFile, ports: IntakePorts) -> pl.LazyFrame | None:
    table = ports.lake.scan(intake_file.arrival.kind)
    if table is None:
        return None
    own_program = pl.col("program") == intake_file.arrival.program
    return table.filter(own_program, pl.col("intake_id") < intake_file.intake_id)


def _origin(intake_file: IntakeFile) -> dict[str, pl.Expr]:
    return {
        "program": pl.lit(intake_file.arrival.program),
        "intake_id": pl.lit(intake_file.intake_id),
        "source_file": pl.lit(intake_file.arrival.key),
        "batch_id": pl.lit(intake_file.batch_id, pl.String),
    }


def _figures(path: Path, profile: KindProfile) -> LakeFigures:
    rows = pl.scan_parquet(path)
    flags = rows.select(pl.col("flags").list.explode(keep_nulls=False, empty_as_null=False))
    counts = flags.group_by("flags").agg(pl.len()).sort("flags").collect()
    accepted = rows.select(pl.len()).collect().item()
    return LakeFigures(accepted, _control_totals(rows, profile), dict(counts.iter_rows()))


def _control_totals(rows: pl.LazyFrame, profile: KindProfile) -> dict[str, int]:
    if profile.control_totals is None:
        return {}
    amount, currency = profile.control_totals
    totals = rows.group_by(currency).agg(pl.col(amount).sum()).sort(currency).collect()
    return dict(totals.iter_rows())
