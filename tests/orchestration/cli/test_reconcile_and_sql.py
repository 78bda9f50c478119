"""`cardops reconcile` and `cardops sql`, as a user runs them."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from orchestration.cli.output import print_json
from tests.factories.intake import Deposit, an_arrival, staged
from tests.servers.warm_command import WarmProcess, command

TIMEOUT_SECONDS = 240


def cardops(home: Path, *arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CARDOPS_HOME": str(home), "CARDOPS_DATABASE_URL": url}
    return WarmProcess(environment, home, TIMEOUT_SECONDS).run(command, *arguments)


@pytest.fixture
def books(database_url: str) -> str:
    deposits = [Deposit("d-1"), Deposit("d-2", "user_2", 25), Deposit("d-3", currency="JPY")]
    ledger = PostgresIntakeLedger(database_url)
    intake_file, _ = ledger.claim(an_arrival(), datetime.now(UTC).date())
    ledger.begin(intake_file.intake_id)
    PostgresDepositLedger(database_url).credit(intake_file, [staged(deposits)])
    # The command sets the schema itself, so the URL has none.
    return database_url.partition("&options")[0].partition("?options")[0]


@pytest.mark.database
def test_agreeing_books_are_printed_by_currency_and_exit_0(books: str, tmp_path: Path) -> None:
    done = cardops(tmp_path, "reconcile", "--json", url=books)

    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert list(found) == [
        "business_date", "accounts", "breaks", "deposits", "spends", "reversals", "balances",
    ]  # fmt: skip
    assert (found["accounts"], found["breaks"]) == (3, 0)
    assert found["deposits"] == found["balances"] == {"JPY": 500, "USD": 525}
    assert found["spends"] == {"JPY": 0, "USD": 0}
    assert "nothing to compare" not in done.stderr


@pytest.mark.database
def test_break_is_printed_as_a_sentence_and_exits_1(
    books: str, database_url: str, tmp_path: Path
) -> None:
    with connect(database_url) as session:
        session.execute("update accounts set available_minor = 26 where user_id = 'user_2'")

    done = cardops(tmp_path, "reconcile", url=books)

    assert done.returncode == 1
    assert (
        "Break: program default, user user_2: balances says 0.26 USD, postings says 0.25 USD."
        in done.stderr
    )


@pytest.mark.database
def test_day_before_any_event_has_zero_totals(books: str, tmp_path: Path) -> None:
    done = cardops(tmp_path, "reconcile", "--date", "2020-01-01", "--json", url=books)

    assert done.returncode == 0
    assert json.loads(done.stdout)["balances"] == {"JPY": 0, "USD": 0}
    assert "Nothing was posted up to 2020-01-01, so there was nothing to compare" in done.stderr


def test_reconcile_and_sql_load_no_dagster() -> None:
    code = (
        "import sys, orchestration.cli.commands.reconcile, orchestration.cli.commands.sql;"
        "sys.exit('dagster' in sys.modules or 'dbt' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A home whose marts hold one table of two rows, published."""
    warehouse = DuckDbWarehouse(tmp_path)
    warehouse.build_file.parent.mkdir(parents=True)
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute("create schema marts")
        session.execute(
            "create table marts.fct_days as select * from "
            "(values (date '2026-11-20', 5::bigint), (date '2026-11-21', null)) as t (day, minor)"
        )
    warehouse.publish()
    return tmp_path


def test_sql_prints_json(published: Path) -> None:
    done = cardops(published, "sql", "select * from fct_days order by day", "--json")

    assert json.loads(done.stdout) == {
        "columns": ["day", "minor"],
        "rows": [{"day": "2026-11-20", "minor": 5}, {"day": "2026-11-21", "minor": None}],
        "is_cut": False,
    }


def test_sql_reports_that_rows_were_cut(published: Path) -> None:
    done = cardops(published, "sql", "from fct_days", "--limit", "1", "--json")

    assert json.loads(done.stdout)["is_cut"]
    assert "first 1 rows" in done.stderr


@pytest.mark.parametrize(
    "query",
    [
        "create table x (a int)",
        "copy (select 1) to '/tmp/out.csv'",
        "copy (select 9 as minor) to '{published}/00000001/fct_days.parquet'",
        "explain analyze copy (select 9 as minor) to '{published}/00000001/fct_days.parquet'",
        "select * from read_text('/etc/passwd')",
        "set enable_external_access = true",
        "select * from no_such_mart",
    ],
)
def test_sql_that_writes_or_reads_elsewhere_exits_2(published: Path, query: str) -> None:
    parquet = (published / "published/00000001/fct_days.parquet").read_bytes()
    done = cardops(published, "sql", query.format(published=published / "published"))

    assert (published / "published/00000001/fct_days.parquet").read_bytes() == parquet
    assert done.returncode == 2
    assert done.stderr.startswith("The query failed: ")
    assert "Traceback" not in done.stderr


def test_sql_before_any_publication_says_what_to_run(tmp_path: Path) -> None:
    done = cardops(tmp_path, "sql", "select 1")

    assert done.returncode == 2
    assert "cardops report --date D" in done.stderr


def test_recent_publications_are_kept_for_open_readers(published: Path) -> None:
    warehouse = DuckDbWarehouse(published)
    for _ in range(4):
        warehouse.publish()

    versions = sorted(path.name for path in (published / "published").iterdir() if path.is_dir())

    assert versions == ["00000003", "00000004", "00000005"]


def test_sums_beyond_i64_are_integers_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"sum": Decimal(2**70), "rate": Decimal("0.50")})

    assert json.loads(capsys.readouterr().out) == {"sum": 2**70, "rate": "0.50"}
