"""Valid rows applied: what became of each, and the lake file that says so.

Belongs here: "accepted means applied". Counts come from what was applied, never from what was
merely valid, so a file killed half-way and taken in again counts the same.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from assets.intake_ports import IntakePorts
from assets.intake_spool import Spool
from cardops.contracts.contract import CONTRACTS
from cardops.contracts.lake_tables import LAKE_TABLES
from cardops.contracts.versions import outcomes
from cardops.ports import DepositLedger
from cardops.rules.intake import IntakeFile, Kind

_CREDITED: Final = (
    "row_number",
    "deposit_id",
    "user_id",
    "currency",
    "amount_minor",
    "occurred_at",
)


class LedgerMissingError(RuntimeError):
    """Deposits were to be taken in by a process that was given no ledger for them."""


def apply_valid(spool: Spool, intake_file: IntakeFile, ports: IntakePorts) -> pl.DataFrame:
    """Apply the heap `valid`: `row_number`, `outcome`, and a deposit's `ledger_seq`."""
    if intake_file.arrival.kind is Kind.DEPOSITS:
        return _credited(spool, intake_file, _ledger(ports))
    contract = CONTRACTS[intake_file.arrival.kind]
    return outcomes(spool.scan("valid"), _earlier(intake_file, ports), contract)


def write_to_lake(
    spool: Spool, outcome: pl.DataFrame, intake_file: IntakeFile, ports: IntakePorts
) -> pl.DataFrame:
    """Replace the file's own lake file with its accepted rows; their money and flags for counting."""
    kind = intake_file.arrival.kind
    accepted = outcome.filter(pl.col("outcome") == "accepted").drop("outcome")
    rows = spool.scan("valid").join(accepted.lazy(), on="row_number").sort("row_number")
    table = rows.select(
        *(
            _origin(intake_file).get(name, pl.col(name)).cast(kind_type).alias(name)
            for name, kind_type in LAKE_TABLES[kind].items()
        )
    )
    path = spool.folder / "lake.parquet"
    table.sink_parquet(path)
    name = f"{intake_file.intake_id:012d}"
    ports.lake.write_file(kind, intake_file.business_date, name, path)
    return _figures(path, kind)


def forget_staged(intake_file: IntakeFile, ports: IntakePorts) -> None:
    """Nothing needs the staged deposits once the lake file stands."""
    if intake_file.arrival.kind is Kind.DEPOSITS:
        _ledger(ports).forget_staged(intake_file)


def conflicts(spool: Spool, outcome: pl.DataFrame) -> pl.DataFrame:
    """Rows whose id was accepted with other content, as they are kept aside."""
    at_odds = outcome.filter(pl.col("outcome") == "conflicting_duplicate")
    return (
        spool.scan("valid")
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


def _credited(spool: Spool, intake_file: IntakeFile, ledger: DepositLedger) -> pl.DataFrame:
    ledger.credit(intake_file, _batches(spool))
    return ledger.outcome(intake_file)


def _batches(spool: Spool) -> Iterator[pl.DataFrame]:
    for chunk in spool.chunks("valid"):
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


def _figures(path: Path, kind: Kind) -> pl.DataFrame:
    prefix = "dispute_" if kind is Kind.CHARGEBACKS else ""
    amount = "dispute_amount_minor" if kind is Kind.CHARGEBACKS else "amount_minor"
    return pl.read_parquet(path, columns=[f"{prefix}currency", amount, "flags"]).rename(
        {f"{prefix}currency": "currency", amount: "amount_minor"}, strict=False
    )
