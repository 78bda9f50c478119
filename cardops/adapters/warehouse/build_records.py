"""What builds keep about the lake and about themselves, in the file that dbt builds.

Belongs here: the schema `builds`, which the macros of dbt_project/macros/builds.sql read and write, and
what is compared before dbt starts: the contents of the lake's files, and the project itself.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Final

import duckdb

_TABLES: Final = """
create schema if not exists builds;
create table if not exists builds.lake_files (
    table_name varchar, business_date date, file_name varchar, stamp varchar, content_hash varchar
);
create table if not exists builds.lake_dates (
    table_name varchar, business_date date, content_hash varchar
);
alter table builds.lake_dates add column if not exists changed_in_build integer default 0;
create table if not exists builds.built_dates (
    model varchar, table_name varchar, business_date date, content_hash varchar
);
alter table builds.built_dates add column if not exists changed_in_build integer default 0;
create table if not exists builds.built_models (
    model varchar, project_hash varchar, build_number integer
);
create table if not exists builds.changed_keys (
    model varchar, changed_key varchar, changed_in_build integer
);
create table if not exists builds.passed_tests (
    test varchar, tests_hash varchar, build_number integer, whole_on date
);
"""
PARTITION: Final = "business_date="
# Where what decides about rows is, from the project's folder: models, macros and the tables of the rules.
_SUFFIXES: Final = (".sql", ".yml", ".csv")
_PARTS: Final = ("models", "macros", "../cardops/rules/data")
_PARTS_WITH_TESTS: Final = (*_PARTS, "tests")
# Up to so many bytes of Parquet, two models at a time are done sooner than one. Above, two large ones would
# share the memory of a build and spill, and each keeps all processors busy by itself.
_BYTES_FOR_TWO_MODELS: Final = 128 * 1024 * 1024


def start_build(build_file: Path, project: Path, tables: Mapping[str, Path]) -> dict[str, str]:
    """List the lake for the next build, and drop what no model makes any more.

    `tables` names the folder of each table. Answers the variables that dbt needs: the number of the
    build, the hash of the project and of its tests, the Sunday since which a test must have read every
    row, whether everything is to be built from the beginning, because a part of it was built by
    another project, and the number of models to build at a time.
    """
    project_hash = hash_of_project(project)
    with duckdb.connect(str(build_file)) as session:
        session.execute("set TimeZone = 'UTC'")
        session.execute(_TABLES)
        session.begin()
        number = _next_build(session)
        _list_lake(session, tables, number)
        _drop_orphans(session, model_names(project))
        session.commit()
        is_whole = _is_of_another_project(session, project_hash)
        newest = _newest_date(session)
        lake_bytes = _lake_bytes(session)
    return {
        "CARDOPS_BUILD_NUMBER": str(number),
        "CARDOPS_PROJECT_HASH": project_hash,
        "CARDOPS_TESTS_HASH": hash_of_project(project, _PARTS_WITH_TESTS),
        "CARDOPS_TESTED_WHOLE_SINCE": sunday_before(newest).isoformat(),
        "DBT_FULL_REFRESH": str(is_whole).lower(),
        "CARDOPS_BUILD_THREADS": "2" if lake_bytes <= _BYTES_FOR_TWO_MODELS else "1",
    }


def model_names(project: Path) -> frozenset[str]:
    """What the project makes, by the names of its files."""
    return frozenset(path.stem for path in (project / "models").rglob("*.sql"))


def sunday_before(day: date) -> date:
    """The last Sunday until that date, itself included."""
    return day - timedelta(days=day.isoweekday() % 7)


def hash_of_project(project: Path, parts: Iterable[str] = _PARTS) -> str:
    """Another one where a model, a macro, its data or the database would build other rows."""
    digest = hashlib.sha256(metadata.version("duckdb").encode())
    files = [project / "dbt_project.yml"]
    for part in parts:
        files += [path for path in (project / part).rglob("*.*") if path.suffix in _SUFFIXES]
    for path in sorted(files):
        digest.update(f"\n{path.name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _list_lake(session: duckdb.DuckDBPyConnection, tables: Mapping[str, Path], number: int) -> None:
    """Files whose stamp is known keep their hash: reading a year's files each night costs too much."""
    known = {
        (table, day, name): (stamp, content_hash)
        for table, day, name, stamp, content_hash in session.execute(
            "select * from builds.lake_files"
        ).fetchall()
    }
    found: dict[tuple[str, date, str], tuple[str, str]] = {}
    for table, folder in tables.items():
        for day, path in _files(folder):
            key, stamp = (table, day, path.name), _stamp(path)
            former_stamp, former_hash = known.get(key, (None, None))
            is_known = former_hash is not None and former_stamp == stamp
            found[key] = (stamp, former_hash if is_known and former_hash else _hash_of_file(path))
    if found == known:
        return
    rows = [[*key, *value] for key, value in found.items() if known.get(key) != value]
    gone = [list(key) for key in known if found.get(key) != known[key]]
    _replace_files(session, gone, rows)
    _replace_dates(session, number)


def _replace_files(
    session: duckdb.DuckDBPyConnection, gone: list[list[object]], rows: list[list[object]]
) -> None:
    import polars as pl  # noqa: PLC0415 - a build that changes nothing does without

    names = {"table_name": pl.String, "business_date": pl.Date, "file_name": pl.String}
    values = {**names, "stamp": pl.String, "content_hash": pl.String}
    former = pl.DataFrame(gone, schema=names, orient="row").to_arrow()
    new = pl.DataFrame(rows, schema=values, orient="row").to_arrow()
    session.register("gone", former)
    session.register("found", new)
    session.execute(
        "delete from builds.lake_files using gone where lake_files.table_name = gone.table_name"
        " and lake_files.business_date = gone.business_date and lake_files.file_name = gone.file_name"
    )
    session.execute("insert into builds.lake_files select * from found")
    session.unregister("gone")
    session.unregister("found")


def _replace_dates(session: duckdb.DuckDBPyConnection, number: int) -> None:
    """A date whose content is as before keeps the number of the build before which it changed."""
    session.execute(
        "create or replace temp table listed_dates as select table_name, business_date,"
        " sha256(string_agg(file_name || ' ' || content_hash, '\n' order by file_name)) as content_hash"
        " from builds.lake_files group by table_name, business_date"
    )
    session.execute(
        "delete from builds.lake_dates where (table_name, business_date, content_hash)"
        " not in (select (table_name, business_date, content_hash) from listed_dates)"
    )
    session.execute(
        "insert into builds.lake_dates select *, ? from listed_dates"
        " anti join builds.lake_dates as known using (table_name, business_date)",
        [number],
    )
    session.execute("drop table listed_dates")


def _files(folder: Path) -> Iterator[tuple[date, Path]]:
    for day_folder in folder.iterdir() if folder.exists() else ():
        if day_folder.name.startswith(PARTITION):
            day = date.fromisoformat(day_folder.name.removeprefix(PARTITION))
            for path in day_folder.glob("*.parquet"):
                yield day, path


def _stamp(path: Path) -> str:
    """Changes whenever the file is replaced or written to."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _drop_orphans(session: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Tables and views of models that were renamed or removed, and what builds kept about them."""
    rows = session.execute(
        "select table_schema, table_name, table_type from information_schema.tables"
        " where table_schema in ('staging', 'intermediate', 'marts')"
    ).fetchall()
    known = frozenset(names)
    for schema, name, kind in rows:
        if name not in known:
            what = "view" if kind == "VIEW" else "table"
            session.execute(f'drop {what} "{schema}"."{name}"')
    for table in ("built_dates", "built_models", "changed_keys"):
        session.execute(
            f"delete from builds.{table} where not list_contains(?, model)",  # noqa: S608 - two names
            [sorted(known)],
        )


def _next_build(session: duckdb.DuckDBPyConnection) -> int:
    """A number higher than that of any build or test run before."""
    ((number,),) = session.execute(
        "select coalesce(max(build_number), 0) + 1 from ("
        " select build_number from builds.built_models"
        " union all select build_number from builds.passed_tests)"
    ).fetchall()
    return int(number)


def _is_of_another_project(session: duckdb.DuckDBPyConnection, project_hash: str) -> bool:
    ((former_hashes,),) = session.execute(
        "select list(distinct project_hash) from builds.built_models"
    ).fetchall()
    return bool(former_hashes != [project_hash])


def _lake_bytes(session: duckdb.DuckDBPyConnection) -> int:
    """By the stamps of its files, which begin with their sizes."""
    ((size,),) = session.execute(
        "select coalesce(sum(cast(split_part(stamp, ' ', 1) as bigint)), 0) from builds.lake_files"
    ).fetchall()
    return int(size)


def _newest_date(session: duckdb.DuckDBPyConnection) -> date:
    ((newest,),) = session.execute(
        "select coalesce(max(business_date), date '1970-01-04') from builds.lake_dates"
    ).fetchall()
    assert isinstance(newest, date)  # noqa: S101 - what the column is
    return newest
