"""What `cardops sql` prints and writes: exact values, whole results, sentences for errors."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.rules.errors import ExplainedError
from orchestration.cli.commands.sql import DEFAULT_LIMIT, app
from tests.factories.waiting import wait_until

ROWS = DEFAULT_LIMIT + 1
FOREVER = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two published marts, one with every kind of value and its description."""
    home = tmp_path_factory.mktemp("home")
    warehouse = DuckDbWarehouse(home)
    warehouse.target_path.mkdir(parents=True)
    described = {
        "name": "fct_values",
        "resource_type": "model",
        "description": "One row per\nkind of value.",
        "columns": {"rate": {"description": "Share of the volume."}},
        "config": {"meta": {}},
    }
    manifest = {"nodes": {"model.fct_values": described}}
    (warehouse.target_path / "manifest.json").write_text(json.dumps(manifest))
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute("set TimeZone = 'UTC'")
        session.execute("create schema marts")
        session.execute(
            "create table marts.fct_values as select 9007199254740993::bigint as amount_minor, "
            "0.5::decimal(9, 6) as rate, date '2026-11-20' as business_date, "
            "timestamptz '2026-11-20 12:00:00Z' as read_at, true as is_open, "
            "null::varchar as owner, ['a', 'b'] as flags, 'x,\"y\"' as free_text, "
            "'nan'::double as odd, {'a': 1.50::decimal(5, 2)} as nested, '\\x01'::blob as raw"
        )
        session.execute("create table marts.fct_many (n bigint)")
        session.execute("insert into marts.fct_many from range(?)", [ROWS])
    warehouse.publish()
    return home


@pytest.fixture(autouse=True)
def instance(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARDOPS_HOME", str(home))


def sql(*words: str) -> Any:
    return CliRunner().invoke(app, [*words])


def printed(*words: str) -> Any:
    done = sql(*words, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def refusal(*words: str) -> str:
    done = sql(*words)
    assert isinstance(done.exception, ExplainedError), done.output
    return str(done.exception)


def test_json_has_exact_integers_and_decimals_and_iso_dates() -> None:
    assert printed("from fct_values")["rows"] == [
        {
            "amount_minor": 9007199254740993,
            "rate": "0.500000",
            "business_date": "2026-11-20",
            "read_at": "2026-11-20T12:00:00+00:00",
            "is_open": True,
            "owner": None,
            "flags": ["a", "b"],
            "free_text": 'x,"y"',
            "odd": "nan",
            "nested": {"a": "1.50"},
            "raw": "01",
        }
    ]


def test_marts_are_found_with_and_without_their_schema() -> None:
    assert printed("from marts.fct_values") == printed("from fct_values")


def test_csv_is_quoted_and_has_nothing_for_null() -> None:
    done = sql("select owner, free_text, rate, is_open, flags from fct_values", "--csv")

    assert done.stdout == (
        "owner,free_text,rate,is_open,flags\n"
        ',"x,""y""",0.500000,true,"[""a"", ""b""]"\n'
    )  # fmt: skip


def test_table_keeps_each_row_on_one_line() -> None:
    done = sql("select 'a' || chr(10) || 'b' as c, null as d, 1 as e")

    assert done.stdout == "c    d  e\n---  -  -\na b     1\n"


def test_printed_result_is_never_cut_silently() -> None:
    done = sql("from fct_many")

    assert done.stdout.count("\n") == DEFAULT_LIMIT + 2
    assert f"first {DEFAULT_LIMIT} rows" in done.stderr
    assert printed("from fct_many")["is_cut"]
    assert not printed(f"from fct_many limit {DEFAULT_LIMIT}")["is_cut"]


def test_csv_and_files_have_all_rows(tmp_path: Path) -> None:
    assert sql("from fct_many", "--csv").stdout.count("\n") == ROWS + 1
    for ending in ("csv", "json", "parquet"):
        assert sql("from fct_many", "--out", str(tmp_path / f"a.{ending}")).exit_code == 0

    assert pl.read_csv(tmp_path / "a.csv")["n"].to_list() == list(range(ROWS))
    assert pl.read_parquet(tmp_path / "a.parquet")["n"].to_list() == list(range(ROWS))
    assert json.loads((tmp_path / "a.json").read_text())["rows"][-1] == {"n": ROWS - 1}


def test_limit_of_a_file_is_said(tmp_path: Path) -> None:
    for ending in ("csv", "parquet"):
        done = sql("from fct_many", "--out", str(tmp_path / f"a.{ending}"), "--limit", "3")
        assert "Only the first 3 rows" in done.stderr

    assert pl.read_parquet(tmp_path / "a.parquet")["n"].to_list() == [0, 1, 2]
    assert pl.read_csv(tmp_path / "a.csv")["n"].to_list() == [0, 1, 2]


def test_failed_query_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("former")

    said = refusal("select cast(if(n < 9999, '1', 'x') as int) from fct_many", "--out", str(path))

    assert "Could not convert string 'x'" in said
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_mart_is_answered_with_those_there_are() -> None:
    said = refusal("select * from fct_value")

    assert "there is no mart fct_value. Did you mean fct_values?" in said
    assert "There are: fct_many, fct_values." in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("select 1; select 2",), "2 statements"),
        (("",), "There is no query"),
        (("/* nothing */",), "0 statements"),
        (("pivot fct_many on n using sum(n)",), "pivot … on column in"),
        (("select no_such from fct_many",), 'Referenced column "no_such" not found'),
        (("select 1 as a, 2 as a", "--json"), "Two columns are called a"),
        (("select 1", "--json", "--csv"), "A result has one form"),
        (("select 1", "--out", "a.xlsx"), "end it in .csv, .json or .parquet"),
        (("select 1", "--live", "--out", "a.parquet"), "Parquet is written of marts alone"),
        (("--tables", "--csv"), "--tables lists the marts"),
        (("fct_no", "--tables"), "There is no mart fct_no"),
        ((FOREVER, "--timeout", "0.2"), "stopped after 0.2 seconds"),
    ],
)
def test_wrong_use_is_explained(words: tuple[str, ...], said: str) -> None:
    assert said in refusal(*words)


def test_explained_queries_and_descriptions_of_tables_run() -> None:
    for query in ("explain select 1", "describe fct_many", "summarize fct_many", "show tables"):
        assert sql(query).exit_code == 0


def test_tables_lists_marts_with_their_descriptions() -> None:
    many, values = printed("--tables")["marts"]

    assert (many["name"], many["row_count"]) == ("fct_many", ROWS)
    assert values["description"] == "One row per kind of value."
    assert values["columns"][:2] == [
        {"name": "amount_minor", "type": "BIGINT", "description": ""},
        {"name": "rate", "type": "DECIMAL(9,6)", "description": "Share of the volume."},
    ]
    assert "Share of the volume." in sql("--tables", "marts.fct_values").stdout
    assert "fct_many (10001 rows)" in sql("--tables").stdout


@pytest.fixture
def handler() -> Iterator[Callable[..., object]]:
    """Python's own handler of Ctrl-C, also where a script has started the tests in its background."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, former)


def press_ctrl_c_once_it_is_awaited(handler: object) -> None:
    """However long the machine takes until then; half a second later the query runs, as a rule."""
    wait_until(lambda: signal.getsignal(signal.SIGINT) is not handler, "the command that awaits it")
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)


def test_interrupted_query_ends_at_once(handler: Callable[..., object]) -> None:
    pressing = threading.Thread(target=press_ctrl_c_once_it_is_awaited, args=(handler,))
    pressing.start()

    assert "was interrupted" in refusal(FOREVER, "--timeout", "250")
    pressing.join()
    assert (signal.getsignal(signal.SIGINT), signal.set_wakeup_fd(-1)) == (handler, -1)
