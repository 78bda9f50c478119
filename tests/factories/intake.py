"""Arrivals, intake files and staged deposits, with every field given a plain value."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import polars as pl

from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile, Kind

DEPOSITS: Final = Kind("deposits")
A_DAY: Final = date(2026, 3, 1)
AN_INSTANT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

STAGED: Final = pl.Schema(
    {
        "row_number": pl.Int64(),
        "deposit_id": pl.String(),
        "user_id": pl.String(),
        "currency": pl.String(),
        "amount_minor": pl.Int64(),
        "occurred_at": pl.Datetime("us", "UTC"),
    }
)


@dataclass(frozen=True)
class Deposit:
    """One row on its way into an account."""

    deposit_id: str
    user_id: str = "user_1"
    amount_minor: int = 500
    currency: str = "USD"
    occurred_at: datetime = AN_INSTANT


def an_arrival(
    key: str = "incoming/deposits/a.csv",
    *,
    kind: Kind = DEPOSITS,
    program: str = "default",
    content: str = "content",
    version: str = "v1",
) -> Arrival:
    return Arrival(
        kind=kind,
        program=program,
        bucket="file:///raw",
        key=key,
        version=version,
        content_sha256=hashlib.sha256(content.encode()).hexdigest(),
        size_bytes=len(content),
    )


def an_intake_file(intake_id: int, *, program: str = "default") -> IntakeFile:
    arrival = an_arrival(f"incoming/deposits/{intake_id}.csv", program=program)
    return IntakeFile(intake_id, arrival, A_DAY, FileStatus.CLAIMED)


def staged(deposits: Sequence[Deposit]) -> pl.DataFrame:
    """Deposits as they are handed to the ledger, numbered from 1 in file order."""
    rows = [
        (number, d.deposit_id, d.user_id, d.currency, d.amount_minor, d.occurred_at)
        for number, d in enumerate(deposits, start=1)
    ]
    return pl.DataFrame(rows, schema=STAGED, orient="row")
