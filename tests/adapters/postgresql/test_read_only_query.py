"""An operator's query on the live database: bounded and read-only."""

import json
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.read_only_query import QueryRefusedError, run_read_only_query
from tests.factories.console import Console

pytestmark = pytest.mark.database
MANY = "select n from generate_series(1, 50000) as n, generate_series(1, 50000) as m"


@pytest.mark.parametrize(
    "query",
    [
        "insert into programs (program, currency) values ('x', 'USD')",
        "with gone as (delete from programs returning 1) select * from gone",
        "select 1; drop table accounts",
        "select 1; commit; begin read write; delete from programs",
        "drop table accounts",
        "set default_transaction_read_only = off",
        "commit",
        "select set_config('transaction_read_only', 'off', false)",
        "select * from no_such_table",
        "",
    ],
)
def test_anything_but_one_query_is_refused_without_effect(database_url: str, query: str) -> None:
    with connect(database_url) as session:
        session.execute("insert into programs (program, currency) values ('p', 'USD')")
        with pytest.raises(QueryRefusedError):
            run_read_only_query(database_url, query, 10)

        assert session.execute("select program from programs").fetchall() == [("p",)]
        assert session.execute("select count(*) from accounts").fetchone() == (0,)


def test_large_result_is_cut_and_empty_result_has_columns(database_url: str) -> None:
    columns, rows = run_read_only_query(database_url, MANY, 3)

    assert (columns, rows) == (["n"], [(1,), (1,), (1,)])
    assert run_read_only_query(database_url, "select program, user_id from accounts", 3) == (
        ["program", "user_id"],
        [],
    )


def test_query_waits_for_no_lock(database_url: str) -> None:
    with connect(database_url) as session, session.transaction():
        session.execute("lock table accounts in access exclusive mode")
        with pytest.raises(QueryRefusedError, match="lock timeout"):
            run_read_only_query(database_url, "select * from accounts", 3)


def test_command_queries_the_live_database(database_url: str, tmp_path: Path) -> None:
    with connect(database_url) as session:
        session.execute("insert into programs (program, currency) values ('p', 'USD')")
    console = Console(tmp_path)
    query = "select program, currency from programs where program = 'p'"
    done = console.run("sql", "--live", query, "--json", CARDOPS_DATABASE_URL=database_url)
    refused = console.run("sql", "--live", "drop table programs", CARDOPS_DATABASE_URL=database_url)

    assert json.loads(done.stdout)["rows"] == [{"program": "p", "currency": "USD"}]
    assert refused.returncode == 2
    assert refused.stderr.startswith("The query failed: ")
    assert len(refused.stderr.strip().splitlines()) == 1
