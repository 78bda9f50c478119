"""Credit a deposit file of a million rows in a separate process, as an intake run does.

`python -m benchmarks.credit_file URL INTAKE_ID USERS` prints nothing and exits 0 once credited.
"""

import sys
from datetime import UTC, datetime
from typing import Final

import polars as pl

from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile, Kind

ROWS: Final = 1_000_000


def main(url: str, intake_id: str, users: str) -> None:
    """Credit one cent per row, to each user in turn."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    numbers = pl.int_range(ROWS, eager=True)
    rows = pl.DataFrame(
        {
            "row_number": numbers + 1,
            "deposit_id": pl.select(pl.format(f"d{intake_id}-{{}}", numbers)).to_series(),
            "user_id": pl.select(pl.format("u-{}", numbers * 7 % int(users) + 1)).to_series(),
            "currency": pl.repeat("USD", ROWS, eager=True),
            "amount_minor": pl.repeat(1, ROWS, dtype=pl.Int64, eager=True),
            "occurred_at": pl.repeat(noon, ROWS, dtype=pl.Datetime("us", "UTC"), eager=True),
        }
    )
    arrival = Arrival(Kind("deposits"), "bench", "bench", f"{intake_id}.csv", "1", "0" * 64, 1)
    intake_file = IntakeFile(int(intake_id), arrival, noon.date(), FileStatus.APPLYING)
    PostgresDepositLedger(url).credit(intake_file, [rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
