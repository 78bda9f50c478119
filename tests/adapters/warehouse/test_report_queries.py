"""Trends of the daily report: the day, the day before and the band, against a slow obvious model."""

from collections import defaultdict
from datetime import date, timedelta
from math import ceil
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest

from cardops.adapters.warehouse.report_queries import QUERIES

DAY = date(2026, 11, 20)
TABLES = """
    create table fct_daily_movements (
        program varchar, currency varchar, kind varchar, business_date date, entry_count bigint,
        posted_minor decimal(38, 0), held_change_minor decimal(38, 0));
    create table fct_daily_balances (program varchar, currency varchar, business_date date);
    create table fct_authorizations (
        program varchar, currency varchar, status varchar, reason_code varchar,
        amount_minor bigint, is_capture boolean, business_date date);
"""
LINES = {
    "deposit": "Deposits", "recall": "Deposits recalled", "capture": "Captures",
    "refund": "Refunds", "void": "Reversals (holds released)",
    "expire": "Reversals (holds released)", "increment": "New holds", "news": "news",
}  # fmt: skip
HELD = {"Reversals (holds released)", "New holds"}


@pytest.fixture(scope="module")
def session() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def fill(session: duckdb.DuckDBPyConnection, random: Random) -> None:
    for name in ("fct_daily_movements", "fct_daily_balances", "fct_authorizations"):
        session.execute(f"drop table if exists {name}")
    session.execute(TABLES)
    movements, decisions, balances = list[Any](), list[Any](), list[Any]()
    for back in range(-1, 33):
        day = DAY - timedelta(days=back)
        for program in ("a", "b"):
            if random.random() < 0.25:
                continue  # nothing at all on this date
            balances.append((program, "USD", day))
            movements += [
                (program, currency, kind, day, 2, random.randint(-50, 50), random.randint(-9, 9))
                for currency in ("JPY", "USD")
                for kind in LINES
                if random.random() < 0.6
            ]
            decisions += [
                (program, "USD", random.choice(["PERMIT", "REJECT"]), None, random.randint(1, 99),
                 random.random() < 0.5, day)
                for _ in range(random.randrange(6))
            ]  # fmt: skip
    for table, rows in (
        ("fct_daily_movements", movements),
        ("fct_daily_balances", balances),
        ("fct_authorizations", decisions),
    ):
        frame = pl.DataFrame(rows, orient="row")
        session.register("rows", frame.to_arrow())
        session.execute(f"insert into {table} from rows")


def days_with_books(session: duckdb.DuckDBPyConnection, program: str) -> list[date]:
    found = session.execute(
        "select business_date from fct_daily_balances where program = $p union "
        "select business_date from fct_daily_movements where program = $p order by 1",
        {"p": program},
    ).fetchall()
    first = DAY - timedelta(days=28)
    return [day for (day,) in found if first <= day <= DAY]


def quantile(values: list[int], share: float) -> int | None:
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


def compared(daily: dict[date, int], days: list[date]) -> tuple[object, ...]:
    band = [daily.get(day, 0) for day in days if day < DAY]
    before = DAY - timedelta(days=1)
    return (
        daily.get(DAY, 0), daily.get(before, 0) if before in days else None,
        quantile(band, 0.25), quantile(band, 0.5), quantile(band, 0.75), len(band),
    )  # fmt: skip


def expected_money(session: duckdb.DuckDBPyConnection) -> dict[tuple[str, ...], tuple[object, ...]]:
    daily = defaultdict[tuple[str, ...], dict[date, int]](dict)
    first = DAY - timedelta(days=28)
    rows = session.execute("select * from fct_daily_movements").fetchall()
    entries = [
        (program, currency, LINES[kind], day, int(held if LINES[kind] in HELD else posted))
        for program, currency, kind, day, _, posted, held in rows
    ]
    permits = session.execute("select * from fct_authorizations where status = 'PERMIT'").fetchall()
    entries += [
        (
            program,
            currency,
            "Captures" if captured else "New holds",
            day,
            -minor if captured else minor,
        )
        for program, currency, _, _, minor, captured, day in permits
    ]
    for program, currency, line, day, minor in entries:
        if first <= day <= DAY:
            sums = daily[program, currency, line]
            sums[day] = sums.get(day, 0) + minor
    return {
        key: compared(sums, days_with_books(session, key[0]))
        for key, sums in daily.items()
        if DAY in days_with_books(session, key[0]) and any(sums.values())
    }


@pytest.mark.parametrize("seed", range(3))
def test_money_is_compared_as_the_model_does(session: duckdb.DuckDBPyConnection, seed: int) -> None:
    fill(session, Random(seed))  # noqa: S311 - no secret

    rows = session.execute(QUERIES["money"], {"day": DAY}).fetchall()

    found = {
        (program, currency, line): tuple(None if value is None else int(value) for value in figures)
        for program, currency, line, _, _, _, *figures in rows
    }
    assert found == expected_money(session)


@pytest.mark.parametrize("seed", range(2))
def test_decisions_are_compared_as_the_model_does(
    session: duckdb.DuckDBPyConnection, seed: int
) -> None:
    fill(session, Random(100 + seed))  # noqa: S311 - no secret

    rows = session.execute(QUERIES["decisions"], {"day": DAY}).fetchall()

    daily = defaultdict[tuple[str, str], dict[date, int]](lambda: defaultdict(int))
    for program, status, day in session.execute(
        "select program, status, business_date from fct_authorizations where business_date "
        "between ? and ?",
        [DAY - timedelta(days=28), DAY],
    ).fetchall():
        daily[program, status][day] += 1
    expected = {
        key: compared(counts, days_with_books(session, key[0]))
        for key, counts in daily.items()
        if DAY in days_with_books(session, key[0])
    }
    assert {(program, status): tuple(rest) for program, _, status, _, *rest in rows} == expected


def test_amounts_beyond_floats_stay_exact(session: duckdb.DuckDBPyConnection) -> None:
    fill(session, Random(1))  # noqa: S311 - no secret
    session.execute("delete from fct_daily_movements; delete from fct_authorizations")
    huge = 2**63 + 1
    for back in range(3):
        session.execute(
            "insert into fct_daily_movements values ('a', 'USD', 'deposit', ?, 1, ?, 0)",
            [DAY - timedelta(days=back), huge],
        )

    (row,) = session.execute(QUERIES["money"], {"day": DAY}).fetchall()

    assert int(row[6]) == int(row[7]) == huge
