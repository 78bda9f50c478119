"""Iceberg tables have the rows of the Parquet they list, after every change and every killed process."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import duckdb
import pytest
from polars.testing import assert_frame_equal

from cardops.adapters.warehouse import iceberg_tables
from cardops.adapters.warehouse.iceberg import IcebergRegister
from cardops.adapters.warehouse.iceberg_tables import KEPT_SNAPSHOTS
from cardops.contracts.lake.tables import lake_tables
from tests.factories.iceberg import Catalogued, a_frame
from tests.factories.marts import ROWS, a_build, by_month_of
from tests.servers.warm_command import warm_context

pytestmark = pytest.mark.database
DAY = date(2026, 11, 20)
# A registration executes about 70 lines for an empty table of the lake, and 100 for a mart.
LINES = range(150, 350)
# Until a reader has read once more, on a busy machine.
READING_SECONDS = 120


@pytest.fixture
def catalogued(database_url: str, tmp_path: Path) -> Catalogued:
    return Catalogued(database_url, tmp_path)


def test_every_table_has_the_rows_of_its_parquet(database_url: str, tmp_path: Path) -> None:
    catalogued = Catalogued(database_url, tmp_path, IcebergRegister)
    random = Random(1)  # noqa: S311 - made-up rows
    for table in lake_tables():
        for day in (DAY, DAY + timedelta(days=1)):
            catalogued.lake.write(table, day, "1", a_frame(table, random))
    a_build(catalogued.home, 2).publish()

    catalogued.register()

    for table in lake_tables():
        catalogued.assert_equals_the_lake(table)
    for mart in ("fct_days", "fct_users"):
        with duckdb.connect(str(catalogued.home / "published/cardops.duckdb")) as session:
            assert_frame_equal(catalogued.read("marts", mart), session.sql(f"from {mart}").pl())
    assert catalogued.changed() == {}


def test_rewritten_deleted_and_new_files_are_one_snapshot(catalogued: Catalogued) -> None:
    random = Random(2)  # noqa: S311 - made-up rows
    for name in ("1", "2"):
        catalogued.lake.write("deposits", DAY, name, a_frame("deposits", random))
    catalogued.register()

    catalogued.lake.write("deposits", DAY, "1", a_frame("deposits", random))
    catalogued.lake.delete("deposits", DAY, "2")
    catalogued.lake.write("deposits", DAY, "3", a_frame("deposits", random))

    assert catalogued.changed() == {"lake.deposits": (2, 2)}
    catalogued.assert_equals_the_lake("deposits")


def test_filter_by_business_date_reads_that_dates_files_alone(catalogued: Catalogued) -> None:
    random = Random(3)  # noqa: S311 - made-up rows
    for day in range(3):
        catalogued.lake.write("orders", DAY + timedelta(days=day), "1", a_frame("orders", random))
    catalogued.register()

    with catalogued.catalog() as catalog:
        scan = catalog.load_table("lake.orders").scan(f"business_date = '{DAY}'")
        files = [task.file.file_path for task in scan.plan_files()]

    assert len(files) == 1
    assert str(DAY) in files[0]
    assert scan.to_arrow()["business_date"].to_pylist() == [DAY] * 5


def test_column_that_came_later_is_null_in_older_files(catalogued: Catalogued) -> None:
    frame = a_frame("orders", Random(4))  # noqa: S311 - made-up rows
    catalogued.lake.write("orders", DAY, "1", frame.drop("flags"))
    catalogued.lake.write("orders", DAY, "2", frame)

    catalogued.register()

    catalogued.assert_equals_the_lake("orders")


def test_republished_marts_leave_bounded_metadata(catalogued: Catalogued) -> None:
    sizes = []
    for number in range(1, 8):
        a_build(catalogued.home, number).publish()
        catalogued.register()
        assert set(catalogued.read("marts", "fct_days")["build"]) == {number}
        folder = catalogued.home / "iceberg/marts/fct_days/metadata"
        sizes.append(len(list(folder.iterdir())))

    with catalogued.catalog() as catalog:
        assert len(catalog.load_table("marts.fct_days").snapshots()) == KEPT_SNAPSHOTS
    assert sizes[-1] == sizes[-2] == sizes[-3]


def test_mart_that_changed_its_columns_is_read_with_the_new_ones(catalogued: Catalogued) -> None:
    warehouse = a_build(catalogued.home, 1)
    warehouse.publish()
    catalogued.register()
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute(
            "create or replace table marts.fct_days as select '7' as build, 1.5::decimal(9, 2) as rate"
        )
    warehouse.publish()

    catalogued.register()

    assert catalogued.read("marts", "fct_days").rows(named=True) == [
        {"build": "7", "rate": Decimal("1.50")}
    ]


def test_mart_that_is_published_by_month_is_one_table(catalogued: Catalogued) -> None:
    by_month_of(catalogued.home, "fct_days", "date '2026-01-31' + number::integer")
    warehouse = a_build(catalogued.home, 1)
    for query in ("from range(3) numbers (number)", "from range(2) numbers (number)"):
        with duckdb.connect(str(warehouse.build_file)) as session:
            session.execute(f"create or replace table marts.fct_days as {query}")
            days = session.sql(f"{query}").pl()
        warehouse.publish()
        catalogued.register()

        assert_frame_equal(catalogued.read("marts", "fct_days"), days, check_row_order=False)
    folder = (catalogued.home / "published/cardops.duckdb").resolve().parent
    assert sorted(path.stem for path in (folder / "fct_days").iterdir()) == ["2026-01", "2026-02"]


def register_and_die(url: str, home: Path, line: int) -> None:
    """Register, and kill this process before the module's line of that number."""
    executed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal executed
        if frame.f_code.co_filename != iceberg_tables.__file__:
            return None
        executed += event == "line"
        if executed == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    Catalogued(url, home).register()


def ended_registration(url: str, home: Path, line: int) -> int | None:
    # Not a plain fork: arrow's threads would be missing in it.
    process = warm_context().Process(target=register_and_die, args=(url, home, line))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("every", [200, pytest.param(11, marks=pytest.mark.soak)])
def test_killed_registration_leaves_a_readable_table(
    catalogued: Catalogued, database_url: str, every: int
) -> None:
    home, number = catalogued.home, 1
    a_build(home, number).publish()
    catalogued.register()
    ended = []
    for line in LINES[::every]:
        number += 1
        a_build(home, number).publish()
        ended.append(ended_registration(database_url, home, line))
        assert set(catalogued.read("marts", "fct_days")["build"]) <= {number - 1, number}
        catalogued.register()
        assert set(catalogued.read("marts", "fct_days")["build"]) == {number}
    assert ended[0] == -signal.SIGKILL


def test_scan_that_was_planned_reads_its_publication_through_two_more(
    catalogued: Catalogued,
) -> None:
    a_build(catalogued.home, 1).publish()
    catalogued.register()
    with catalogued.catalog() as catalog:
        planned = catalog.load_table("marts.fct_days").scan()
        for number in (2, 3):
            a_build(catalogued.home, number).publish()
            catalogued.register()

        assert whole_build_in(planned.to_arrow()) == 1


def whole_build_in(rows: Any) -> int:
    """The build that these rows are of. AssertionError where they are not one whole build."""
    (build,) = set(rows["build"].to_pylist())
    assert sorted(rows["place"].to_pylist()) == list(range(build * ROWS))
    return int(build)


def read_until_told(url: str, home: Path, outcome: Connection) -> None:
    """Read the table again and again, and tell the build of each reading, or what went wrong."""
    try:
        with Catalogued(url, home).catalog() as catalog:
            while not outcome.poll():
                rows = catalog.load_table("marts.fct_days").scan().to_arrow()
                outcome.send(whole_build_in(rows))
        outcome.send("no error")
    except Exception as error:  # noqa: BLE001 - the test reports it
        outcome.send(repr(error))


@contextmanager
def reader(url: str, home: Path) -> Iterator[Connection]:
    ours, theirs = Pipe()
    process = warm_context().Process(target=read_until_told, args=(url, home, theirs))
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def readings_until(outcome: Connection, last: Any) -> list[Any]:
    """What the reader tells up to this, or up to what is no build."""
    told = []
    while not told or (isinstance(told[-1], int) and told[-1] != last):
        assert outcome.poll(READING_SECONDS), f"no reading after {told[-3:]}"
        told.append(outcome.recv())
    assert told[-1] == last
    return told


@pytest.mark.parametrize("publishes", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_reader_sees_whole_publications_while_a_publisher_dies(
    catalogued: Catalogued, database_url: str, publishes: int
) -> None:
    home, killed_at = catalogued.home, publishes // 2
    a_build(home, 1).publish()
    catalogued.register()
    with reader(database_url, home) as outcome:
        seen = readings_until(outcome, 1)
        for number in range(2, publishes + 1):
            a_build(home, number).publish()
            if number == killed_at:
                assert ended_registration(database_url, home, LINES.start) == -signal.SIGKILL
            catalogued.register()
            seen += readings_until(outcome, number)
        outcome.send("stop")
        seen += readings_until(outcome, "no error")[:-1]

    assert seen == sorted(seen)
    assert set(seen) == set(range(1, publishes + 1))
