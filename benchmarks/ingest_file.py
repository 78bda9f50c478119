"""One deposit file through one engine in a separate process, so that memory and CPU are its own.

`python -m benchmarks.ingest_file ENGINE PATH` prints one JSON line. `cardops` is the product's own
engine: judge, compare, settle. The others are what it is measured against.
"""

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import duckdb
import polars as pl
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from benchmarks.memory import peak_mb
from cardops.contracts.judging.files import (
    FileCircumstances,
    judge_file,
    settle_file,
)
from cardops.contracts.judging.uniqueness import outcomes_of
from cardops.contracts.judging.workspace import temporary_workspace
from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile, Kind

NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
_ID: Final = Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took; start-up is not in it, memory is the process's peak."""

    rows: int
    accepted: int
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


class PydanticDeposit(BaseModel):
    """The deposit contract as it is usually written."""

    user_id: Annotated[str, _ID]
    amount: Annotated[Decimal, Field(gt=0, decimal_places=2, max_digits=18)]
    deposit_id: Annotated[str, _ID]
    timestamp: AwareDatetime
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def cardops(path: Path) -> tuple[int, int]:
    """Validate, split, unique in the file, write accepted and quarantined rows."""
    arrival = Arrival(Kind("deposits"), "default", "bench", path.name, "1", "0" * 64, 1)
    intake_file = IntakeFile(1, arrival, NOW.date(), FileStatus.APPLYING)
    circumstances = FileCircumstances(intake_file, currency="USD", now=NOW)
    with temporary_workspace() as workspace, path.open("rb") as content:
        judge_file(content, DEPOSITS, circumstances, workspace)
        outcomes = outcomes_of(workspace, DEPOSITS)
        # The ledger numbers what it credits; here nothing is credited.
        outcomes = outcomes.with_columns(pl.lit(None, pl.Int64).alias("ledger_seq"))
        outcome = settle_file(workspace, DEPOSITS, outcomes, intake_file).outcome
    counted = outcome.accepted + outcome.duplicate + outcome.quarantined
    if outcome.read != counted:
        raise AssertionError(f"read {outcome.read} rows, counted {counted}")
    return outcome.read, outcome.accepted


def duckdb_copy(path: Path) -> tuple[int, int]:
    """CSV to Parquet, every column text, nothing checked."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as session:
        target = f"{folder}/copy.parquet"
        rows = session.execute(
            f"copy (select * from read_csv('{path}', all_varchar = true)) "  # noqa: S608 - our own path
            f"to '{target}' (format parquet, compression zstd)"
        ).fetchone()
    count = int(rows[0]) if rows else 0
    return count, count


def duckdb_read(path: Path) -> tuple[int, int]:
    """Every column of the CSV read once."""
    with duckdb.connect() as session:
        found = session.execute(
            "select count(*), max(user_id), max(amount), max(deposit_id), max(timestamp), "
            "max(currency) from read_csv(?, all_varchar = true)",
            [str(path)],
        ).fetchone()
    count = int(found[0]) if found else 0
    return count, count


def pydantic(path: Path) -> tuple[int, int]:
    """csv.DictReader and one model a row, accepted rows written as CSV."""
    read = accepted = 0
    with path.open(newline="") as source, tempfile.TemporaryFile("w", newline="") as target:
        writer = csv.writer(target)
        for row in csv.DictReader(source):
            read += 1
            try:
                deposit = PydanticDeposit.model_validate(row)
            except ValidationError:
                continue
            writer.writerow(deposit.model_dump().values())
            accepted += 1
    return read, accepted


ENGINES: Final[dict[str, Callable[[Path], tuple[int, int]]]] = {
    "cardops": cardops,
    "duckdb_copy": duckdb_copy,
    "duckdb_read": duckdb_read,
    "pydantic": pydantic,
}


def main(engine: str, path: str) -> None:
    """Print what one run measured."""
    wall, cpu = time.perf_counter(), time.process_time()
    read, accepted = ENGINES[engine](Path(path))
    measured = Measured(
        rows=read,
        accepted=accepted,
        cpu_seconds=time.process_time() - cpu,
        wall_seconds=time.perf_counter() - wall,
        peak_mb=peak_mb(),
    )
    sys.stdout.write(json.dumps(asdict(measured)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
