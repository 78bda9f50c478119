"""The chargeback files of one batch in a separate process, so that memory and CPU are its own.

`python -m benchmarks.chargeback_file ENGINE LAKE` prints one JSON line. `cardops` is the product's own
engine: fill, look at, order and write four files; `duckdb_copy` writes the same columns as they are.
"""

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from benchmarks.ingest_file import Measured
from benchmarks.memory import peak_mb
from cardops.contracts.lake.chargeback_slots import SlotLook, write_slots
from cardops.contracts.lake.supplements import supplements, with_supplements
from cardops.rules.chargebacks.files import LineRule, SplitMode
from cardops.rules.chargebacks.routing import NETWORKS

_COPIED: Final = (
    "case_number, stage, action_sequence, network, transaction_id, arn, merchant_id, merchant_name,"
    " card_bin, card_last4, transaction_date, transaction_amount_minor, transaction_currency,"
    " dispute_amount_minor, dispute_currency, dispute_date, reason_code, reason_category,"
    " reason_text, status, reply_by_on, transaction_auth_code, settlement_amount_minor,"
    " settlement_currency, clock"
)


def cardops(lake: Path) -> int:
    """File the batch and write its files, as the product does."""
    rows = pl.scan_parquet(lake)
    written = 0
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.parquet"
        supplements(rows, None, rows).write_parquet(known)
        filled = with_supplements(rows, pl.scan_parquet(known))
        looks = dict.fromkeys(NETWORKS, SlotLook())
        bodies = write_slots(filled, looks, SplitMode.BY_NETWORK, LineRule.STAGES, Path(folder))
        for _, body in bodies:
            written += body.row_count
    return written


def duckdb_copy(lake: Path) -> int:
    """The columns as they are, in no order, nothing looked at."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as session:
        rows = session.execute(
            f"copy (select {_COPIED} from read_parquet('{lake}')) "  # noqa: S608 - our own path
            f"to '{folder}/copy.csv' (header)"
        ).fetchone()
    return int(rows[0]) if rows else 0


def main(engine: str, lake: str) -> None:
    """Run once and print what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    rows = {"cardops": cardops, "duckdb_copy": duckdb_copy}[engine](Path(lake))
    peak = peak_mb()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps(asdict(Measured(rows, rows, cpu_seconds, seconds, peak))))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
