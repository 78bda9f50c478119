"""One measured reconciliation: `python -m benchmarks.books_run full|carried|bare LAKE MEMORY_MB`.

Prints the seconds of CPU that it took, without the start of the interpreter. `carried` begins at the
closing balances of the date before, whose hash it compares first; `bare` is DuckDB's sum by account
without a memory limit.
"""

import sys
import time
from pathlib import Path

import duckdb

from benchmarks.books import LAST, OPENING
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks

_BARE = """
select count(*), sum(posted), sum(held) from (
    select program, user_id, currency, sum(posted_minor) as posted, sum(held_change_minor) as held
    from read_parquet(?, hive_partitioning = true) group by all
)
"""


def main(what: str, lake: Path, memory_mb: str) -> None:
    """Exits with a message if the comparison finds a difference, which there is none of."""
    began = time.process_time()
    if what == "bare":
        with duckdb.connect() as session:
            log = str(lake / "transaction_log" / "*" / "*.parquet")
            session.execute(_BARE, [log]).fetchall()
    else:
        store = ParquetLake(DirectoryStore(lake), lake)
        books = DuckDbLakeBooks(store, memory_limit=f"{memory_mb}MB")
        if what == "carried" and books.balances_sha256(OPENING) is None:
            sys.exit("there are no opening balances")
        opening = OPENING if what == "carried" else None
        if not books.differing_accounts(LAST, opening=opening).is_empty():
            sys.exit("the books differ")
    sys.stdout.write(f"{time.process_time() - began}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
