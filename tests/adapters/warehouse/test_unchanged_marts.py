"""A publication takes the files of the former one for marts whose rows did not change."""

import shutil
import threading
from pathlib import Path

import duckdb
import pytest

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse, open_published
from tests.factories.marts import by_month_of
from tests.fakes.lake import FakeLake

DAYS = "select * from (values (1, 'a'), (2, 'b')) as days (figure, name)"


def publish(home: Path, **marts: str) -> Path:
    """Build these marts, each from a query, and publish them; answers the publication's folder."""
    warehouse = DuckDbWarehouse(home)
    with warehouse.building(FakeLake()), duckdb.connect(str(warehouse.build_file)) as session:
        session.execute("drop schema if exists marts cascade; create schema marts")
        for name, query in marts.items():
            session.execute(f"create table marts.{name} as {query}")
    return warehouse.publish().path.resolve().parent


def publish_by_month(home: Path, query: str) -> Path:
    """The same for `fct_days` by month of its column `day`."""
    by_month_of(home, "fct_days", "day")
    return publish(home, fct_days=query)


def files_of_days(folder: Path) -> dict[str, int]:
    return {file.stem: file.stat().st_ino for file in (folder / "fct_days").iterdir()}


def is_same_file(name: str, *folders: Path) -> bool:
    first, second = (folder / f"{name}.parquet" for folder in folders)
    return first.samefile(second)


def published(home: Path, name: str) -> list[tuple[object, ...]]:
    with open_published(home) as session:
        return session.execute(f"select * from {name} order by all").fetchall()  # noqa: S608 - ours


def test_mart_with_the_same_rows_is_the_former_file_whatever_their_order(tmp_path: Path) -> None:
    first = publish(tmp_path, fct_days=DAYS, fct_new="select 1 as figure")
    second = publish(
        tmp_path, fct_days=f"{DAYS} order by figure desc", fct_new="select 2 as figure"
    )

    assert is_same_file("fct_days", first, second)
    assert not is_same_file("fct_new", first, second)
    assert published(tmp_path, "fct_new") == [(2,)]


@pytest.mark.parametrize(
    "changed",
    [
        "select * from (values (1, 'b'), (2, 'a')) as days (figure, name)",
        f"{DAYS} union all {DAYS} union all {DAYS}",
        f"{DAYS} limit 0",
        "select * from (values (1, 'a'), (2, null)) as days (figure, name)",
        "select * from (values (1, 'a'), (2, 'b')) as days (number, name)",
        "select * from (values (1::bigint, 'a'), (2, 'b')) as days (figure, name)",
    ],
    ids=["exchanged", "repeated", "empty", "null", "renamed", "other_type"],
)
def test_mart_with_other_rows_or_columns_is_written(tmp_path: Path, changed: str) -> None:
    first = publish(tmp_path, fct_days=DAYS)
    second = publish(tmp_path, fct_days=changed)

    assert not is_same_file("fct_days", first, second)
    with duckdb.connect() as session:
        assert (
            published(tmp_path, "fct_days")
            == session.execute(f"from ({changed}) order by all").fetchall()
        )


def test_unchanged_mart_outlives_the_publication_that_wrote_it(tmp_path: Path) -> None:
    first = publish(tmp_path, fct_days=DAYS)
    publish(tmp_path, fct_days=DAYS)
    shutil.rmtree(first)

    assert published(tmp_path, "fct_days") == [(1, "a"), (2, "b")]
    third = publish(tmp_path, fct_days=DAYS)
    assert published(tmp_path, "fct_days") == [(1, "a"), (2, "b")]
    assert (third / "fct_days.parquet").stat().st_nlink == 2


@pytest.mark.parametrize("damaged", ["fct_days.parquet", "contents.json"])
def test_file_that_was_cut_short_is_not_taken_over(tmp_path: Path, damaged: str) -> None:
    first = publish(tmp_path, fct_days=DAYS)
    with (first / damaged).open("r+b") as file:
        file.truncate(10)

    publish(tmp_path, fct_days=DAYS)

    assert published(tmp_path, "fct_days") == [(1, "a"), (2, "b")]


MONTHS = (
    "select * from (values (date '2026-01-31', 1), (date '2026-02-01', 2), (date '2026-02-01', 2),"
    " (null, 3)) as days (day, figure)"
)


def test_only_the_months_whose_rows_changed_are_written(tmp_path: Path) -> None:
    first = files_of_days(publish_by_month(tmp_path, MONTHS))
    # The same number of rows, another figure in an old month; a new month; the rest in another order.
    changed = (
        f"select * replace (case figure when 1 then 7 else figure end as figure) from ({MONTHS})"  # noqa: S608 - ours
    )
    added = f"{changed} union all select date '2026-03-01', 4 order by figure desc"
    second = files_of_days(publish_by_month(tmp_path, added))

    assert sorted(first) == ["2026-01", "2026-02", "none"]
    assert sorted(second) == ["2026-01", "2026-02", "2026-03", "none"]
    assert {month for month, file in second.items() if first.get(month) == file} == {
        "2026-02",
        "none",
    }
    with duckdb.connect() as session:
        expected = session.execute(f"from ({added}) order by all").fetchall()
    assert published(tmp_path, "fct_days") == expected


def test_row_that_moves_to_another_month_leaves_its_former_one(tmp_path: Path) -> None:
    publish_by_month(tmp_path, MONTHS)
    moved = f"select * replace (day + 28 as day) from ({MONTHS}) where day is not null"  # noqa: S608 - ours
    folder = publish_by_month(tmp_path, moved)

    assert sorted(files_of_days(folder)) == ["2026-02", "2026-03"]
    assert [figure for _, figure in published(tmp_path, "fct_days")] == [1, 2, 2]


def test_mart_by_month_without_rows_has_its_columns(tmp_path: Path) -> None:
    publish_by_month(tmp_path, MONTHS)
    publish_by_month(tmp_path, f"{MONTHS} limit 0")

    with open_published(tmp_path) as session:
        described = session.execute("select column_name from (describe fct_days)").fetchall()
        assert described == [("day",), ("figure",)]
    assert published(tmp_path, "fct_days") == []


def test_column_that_is_added_writes_every_month(tmp_path: Path) -> None:
    first = files_of_days(publish_by_month(tmp_path, MONTHS))
    widened = f"select *, null::date as more from ({MONTHS})"  # noqa: S608 - ours
    second = files_of_days(publish_by_month(tmp_path, widened))

    assert not set(first.values()) & set(second.values())
    assert len(published(tmp_path, "fct_days")[0]) == 3


def test_second_build_waits_for_the_first_and_each_publishes_a_whole_one(tmp_path: Path) -> None:
    first, has_begun, order = DuckDbWarehouse(tmp_path), threading.Event(), list[str]()

    def build_second() -> None:
        has_begun.set()
        publish(tmp_path, fct_days=DAYS, fct_more=DAYS)
        order.append("second")

    second = threading.Thread(target=build_second)
    with first.building(FakeLake()), duckdb.connect(str(first.build_file)) as session:
        session.execute("create schema marts")
        second.start()
        has_begun.wait()
        second.join(0.3)
        session.execute(f"create table marts.fct_days as {DAYS}")
        order.append("first")
    second.join()

    assert order == ["first", "second"]
    with open_published(tmp_path) as published:
        assert published.execute("select count(*) from fct_more").fetchall() == [(2,)]
