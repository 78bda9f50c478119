"""One measured build: `python -m benchmarks.marts_run build|aggregates LAKE HOME`.

Prints the seconds of CPU that it took with its child processes, without the start of this interpreter.
`build` runs dbt as the daily close does, and publishes; `aggregates` asks DuckDB once for what the
marts say of transactions, disputes, authorizations and balances: nothing is kept, tested or named.
"""

import resource
import sys
from pathlib import Path

import duckdb

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse import dbt
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.lake import ParquetLake

# A build of ten million payments on a small machine.
TIMEOUT_SECONDS = 3600
_AGGREGATES = (
    """
    select payment_method, currency, status, count(*), sum(amount_minor) from (
        select * from {transactions} qualify row_number() over (
            partition by program, transaction_id
            order by coalesce(updated_at, created_at) desc, intake_id desc, row_number desc
        ) = 1
    ) group by all
    """,
    """
    select network, stage, status, count(*), sum(dispute_amount_minor) from (
        select * from {chargebacks} qualify row_number() over (
            partition by program, network, case_number order by intake_id desc, row_number desc
        ) = 1
    ) group by all
    """,
    """
    select count(*), count(decided), count(settled), count(disputed) from (
        select transaction_id, sum(posted_minor) as decided from {transaction_log} group by all
    ) full outer join (
        select transaction_id, min(business_date) as settled from {transactions}
        where status in ('completed', 'refunded') group by all
    ) using (transaction_id) full outer join (
        select transaction_id, count(*) as disputed from {chargebacks} group by all
    ) using (transaction_id)
    """,
    """
    select business_date, currency, kind, count(*), sum(posted_minor) from {transaction_log} group by all
    """,
    "select user_id, currency, max_by(ledger_minor, business_date) from {balances} group by all",
)
TABLES = ("transactions", "chargebacks", "transaction_log", "balances")


def main(what: str, lake: Path, home: Path) -> None:
    """Prints one number."""
    began = _cpu()
    if what == "build":
        _build(lake, home)
    else:
        _aggregate(lake, home)
    sys.stdout.write(f"{_cpu() - began}\n")


def _build(lake: Path, home: Path) -> None:
    warehouse = DuckDbWarehouse(home)
    with warehouse.building(ParquetLake(DirectoryStore(lake), home)) as environment:
        arguments = ["build", "--quiet", "--exclude-resource-type", "unit_test"]
        dbt.run_dbt(arguments, environment, timeout_seconds=TIMEOUT_SECONDS)
    warehouse.publish()


def _aggregate(lake: Path, home: Path) -> None:
    sources = {
        table: f"read_parquet('{lake}/{table}/*/*.parquet', hive_partitioning = true)"
        for table in TABLES
    }
    home.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as session:
        # As dbt's profile has it.
        session.execute("set threads = 2; set memory_limit = '1GB'")
        session.execute(f"set temp_directory = '{home / 'spill'}'")
        for query in _AGGREGATES:
            session.execute(query.format(**sources)).fetchall()


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
