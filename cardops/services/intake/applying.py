"""Valid rows applied: what became of each, and the lake file that says so.

Belongs here: "accepted means applied". Counts come from what was applied, never from what was
merely valid, so a file killed half-way and taken in again counts the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cardops.contracts.judging.versions import outcomes
from cardops.contracts.kinds.contract import CONTRACTS
from cardops.contracts.lake.tables import LAKE_TABLES
from cardops.ports import DepositLedger
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.workspace import Workspace

_CREDITED: Final = (
    "row_number",
    "deposit_id",
    "user_id",
    "currency",
    "amount_minor",
    "occurred_at",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counted in the lake file itself, after it was written."""

    accepted: int
    totals_minor: dict[str, int]
    flags: dict[str, int]


class LedgerMissingError(RuntimeError):
    """Deposits were to be taken in by a process that was given no ledger for them."""


def apply_valid(workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts) -> pl.DataFrame:
    """Apply the heap `valid`: `row_number`, `outcome`, and a deposit's `ledger_seq`."""
    if intake_file.arrival.kind is Kind.DEPOSITS:
        return _credited(workspace, intake_file, _ledger(ports))
    contract = CONTRACTS[intake_file.arrival.kind]
    return outcomes(workspace.scan("valid"), _earlier(intake_file, ports), contract)


def write_to_lake(
    workspace: Workspace, outcome: pl.DataFrame, intake_file: IntakeFile, ports: IntakePorts
) -> Figures:
    """Replace the file's own lake file with its accepted rows, and count what is in it."""
    kind = intake_file.arrival.kind
    accepted = outcome.filter(pl.col("outcome") == "accepted").drop("outcome")
    rows = workspace.scan("valid").join(accepted.lazy(), on="row_number").sort("row_number")
    table = rows.select(
        *(
            _origin(intake_file).get(name, pl.col(name)).cast(kind_type).alias(name)
            for name, kind_type in LAKE_TABLES[kind].items()
        )
    )
    path = workspace.folder / "lake.parquet"
    table.sink_parquet(path)
    name = f"{intake_file.intake_id:012d}"
    ports.lake.write_file(kind, intake_file.business_date, name, path)
    return _figures(path, kind)


def forget_staged(intake_file: IntakeFile, ports: IntakePorts) -> None:
    """Nothing needs the staged deposits once the lake file stands."""
    if intake_file.arrival.kind is Kind.DEPOSITS:
        _ledger(ports).forget_staged(intake_file)


def conflicts(workspace: Workspace, outcome: pl.DataFrame) -> pl.DataFrame:
    """Rows whose id was accepted with other content, as they are kept aside."""
    at_odds = outcome.filter(pl.col("outcome") == "conflicting_duplicate")
    return (
        workspace.scan("valid")
        .join(at_odds.lazy(), on="row_number", how="semi")
        .select(
            "row_number",
            pl.lit(["conflicting_duplicate"], pl.List(pl.String)).alias("reasons"),
            "raw",
            pl.lit(None, pl.String).alias("waits_for"),
        )
        .collect()
    )


def _ledger(ports: IntakePorts) -> DepositLedger:
    if ports.deposit_ledger is None:
        raise LedgerMissingError("taking deposits in needs a deposit ledger")
    return ports.deposit_ledger


def _credited(workspace: Workspace, intake_file: IntakeFile, ledger: DepositLedger) -> pl.DataFrame:
    ledger.credit(intake_file, _batches(workspace))
    return ledger.outcome(intake_file)


def _batches(workspace: Workspace) -> Iterator[pl.DataFrame]:
    for chunk in workspace.chunks("valid"):
        yield chunk.select(_CREDITED)


def _earlier(intake_file: IntakeFile, ports: IntakePorts) -> pl.LazyFrame | None:
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


def _figures(path: Path, kind: Kind) -> Figures:
    is_disputed = kind is Kind.CHARGEBACKS
    currency = "dispute_currency" if is_disputed else "currency"
    amount = "dispute_amount_minor" if is_disputed else "amount_minor"
    rows = pl.scan_parquet(path)
    totals = rows.group_by(currency).agg(pl.col(amount).sum()).sort(currency).collect()
    flags = rows.select(pl.col("flags").list.explode(keep_nulls=False, empty_as_null=False))
    counts = flags.group_by("flags").agg(pl.len()).sort("flags").collect()
    accepted = rows.select(pl.len()).collect().item()
    return Figures(accepted, dict(totals.iter_rows()), dict(counts.iter_rows()))
