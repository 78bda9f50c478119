"""Books on PostgreSQL: every account from both sources as of a day's end, under live traffic."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from psycopg import sql

from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.postgresql.reconciliation.transaction_log import PostgresTransactionLog
from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    closing_balances,
    join_frames,
    store_sides,
)
from cardops.rules.mappings.mapping import STRICT
from cardops.rules.reconciliation.comparisons import LAKE_COMPARISONS, STORE_COMPARISONS
from tests.factories.intake import Deposit, an_intake_file, staged
from tests.factories.real_days import today, yesterday
from tests.factories.traffic import Traffic
from tests.fakes.lake import FakeLake

pytestmark = pytest.mark.database

SHOWN = [
    "program", "user_id", "currency", "side_a", "side_b", "amount_a_minor", "amount_b_minor",
]  # fmt: skip
USERS = [f"user_{number}" for number in range(4)]


def credit(url: str, intake_id: int, *deposits: Deposit) -> None:
    PostgresDepositLedger(url).credit(an_intake_file(intake_id), [staged(deposits)])


def execute(url: str, command: str) -> None:
    with connect(url) as session:
        session.execute(sql.SQL(command))


def accounts_on(url: str, day: date) -> pl.DataFrame:
    return join_frames(PostgresBooks(url).accounts(day), BOOKS_COLUMNS)


def store_breaks(url: str, day: date | None = None) -> list[tuple[object, ...]]:
    """Of today, unless another date is given."""
    sides = store_sides(accounts_on(url, day or today()))
    return breaks_in(sides, STORE_COMPARISONS).select(SHOWN).rows()


def close_into(lake: FakeLake, url: str, folder: Path, day: date) -> int:
    """Write balances first, then the log, as the assets do; returns the log's row count."""
    lake.write("balances", day, "snapshot", closing_balances(accounts_on(url, day)))
    log = folder / "log.parquet"
    export = PostgresTransactionLog(url).export(day, log)
    lake.write_file("transaction_log", day, "snapshot", log)
    return export.row_count


def test_untouched_books_have_no_breaks(database_url: str) -> None:
    credit(database_url, 1, Deposit("d-1"), Deposit("d-2", amount_minor=25))

    (account,) = accounts_on(database_url, today()).to_dicts()

    assert (account["available_minor"], account["deposits_minor"]) == (525, 525)
    assert store_breaks(database_url) == []


@pytest.mark.parametrize(
    ("tampering", "side_a", "side_b", "amounts"),
    [
        ("update accounts set available_minor = 501", "balances", "postings", (501, 500)),
        ("update deposit_events set amount_minor = 499", "balances", "postings", (500, 499)),
        ("delete from accounts", "balances", "postings", (0, 500)),
    ],
)
def test_missing_minor_unit_in_one_source_is_a_break(
    database_url: str, tampering: str, side_a: str, side_b: str, amounts: tuple[int, int]
) -> None:
    credit(database_url, 1, Deposit("d-1"))

    execute(database_url, tampering)

    assert store_breaks(database_url) == [("default", "user_1", "USD", side_a, side_b, *amounts)]


def test_held_amount_without_open_hold_is_a_break(database_url: str) -> None:
    credit(database_url, 1, Deposit("d-1"))

    execute(database_url, "update accounts set available_minor = 400, held_minor = 100")

    assert store_breaks(database_url) == [
        ("default", "user_1", "USD", "held_balances", "open_holds", 100, 0)
    ]


def test_recalled_deposit_may_overdraw_an_account(database_url: str) -> None:
    credit(database_url, 1, Deposit("d-1"))
    with Traffic(database_url, ["user_1", "user_2"]) as traffic:
        traffic.wait_for(3)
    PostgresDepositLedger(database_url).recall(an_intake_file(1), "an operator")

    (account,) = accounts_on(database_url, today()).to_dicts()

    assert account["available_minor"] < 0
    assert store_breaks(database_url) == []


def test_closing_balance_excludes_later_postings(database_url: str) -> None:
    credit(database_url, 1, Deposit("d-1", amount_minor=1000))
    credit(database_url, 2, Deposit("d-2", amount_minor=7))
    execute(
        database_url,
        "update deposit_events set posted_at = posted_at - interval '1 day' "
        "where deposit_id = 'd-1'",
    )

    (closing,) = accounts_on(database_url, yesterday()).to_dicts()
    (current,) = accounts_on(database_url, today()).to_dicts()

    assert (closing["available_minor"], closing["deposits_minor"]) == (1000, 1000)
    assert (current["available_minor"], current["deposits_minor"]) == (1007, 1007)
    assert store_breaks(database_url, yesterday()) == []


def test_closing_balance_excludes_later_holds(database_url: str) -> None:
    credit(database_url, 1, *[Deposit(f"d-{user}", user, 100_000) for user in USERS])
    execute(database_url, "update deposit_events set posted_at = posted_at - interval '1 day'")
    with Traffic(database_url, USERS) as traffic:
        traffic.wait_for(2)

    closing = accounts_on(database_url, yesterday())

    assert set(closing.select("available_minor", "held_minor").rows()) == {(100_000, 0)}
    assert accounts_on(database_url, today())["held_minor"].sum() > 0
    assert store_breaks(database_url, yesterday()) == []


def test_live_traffic_causes_no_breaks(database_url: str, tmp_path: Path) -> None:
    credit(database_url, 1, *[Deposit(f"d-{user}", user, 10_000_000) for user in USERS])
    lake = FakeLake()
    later_rows = 0
    with Traffic(database_url, USERS) as traffic:
        for number in range(5):
            rounds = traffic.rounds
            close_into(lake, database_url, tmp_path, today())
            credit(database_url, 10 + number, Deposit(f"late-{number}", f"new_{number}"))
            later_rows += rows_after_the_balances(lake)

            assert store_breaks(database_url) == []
            assert DuckDbLakeBooks(lake).differing_accounts(today()).is_empty()
            traffic.wait_for(rounds + 3)
    assert later_rows, "nothing was written between the balances and the log: the test is idle"


def rows_after_the_balances(lake: FakeLake) -> int:
    log = lake.frames["transaction_log", today(), "snapshot"]
    balances = lake.frames["balances", today(), "snapshot"]
    joined = log.join(balances, on=["program", "user_id", "currency"], suffix="_read")
    return joined.filter(pl.col("ledger_seq") > pl.col("ledger_seq_read")).height


def test_missing_log_row_is_a_break_in_the_lake(database_url: str, tmp_path: Path) -> None:
    credit(database_url, 1, Deposit("d-1"), Deposit("d-2", amount_minor=3))
    lake = FakeLake()
    close_into(lake, database_url, tmp_path, today())
    log = lake.frames["transaction_log", today(), "snapshot"]
    lake.write("transaction_log", today(), "snapshot", log.filter(pl.col("event_key") != "d-2"))

    found = breaks_in(DuckDbLakeBooks(lake).differing_accounts(today()), LAKE_COMPARISONS)
    shown = found.select(SHOWN).rows()

    assert shown == [("default", "user_1", "USD", "balances", "transaction_log", 503, 500)]


def test_dates_are_exported_until_closed(database_url: str, tmp_path: Path) -> None:
    credit(database_url, 1, Deposit("d-1"), Deposit("d-2"))
    execute(
        database_url,
        "update deposit_events set posted_at = posted_at - interval '1 day' "
        "where deposit_id = 'd-1'",
    )
    books, log = PostgresBooks(database_url), PostgresTransactionLog(database_url)
    assert books.dates_to_export(today()) == [yesterday(), today()]

    for day in (yesterday(), today()):
        log.record_export(day, log.export(day, tmp_path / "day.parquet"))

    still_open = books.dates_to_export(today())
    assert today() in still_open
    execute(database_url, "update exported_days set is_closed = true")
    assert books.dates_to_export(today()) == []


def test_break_of_a_full_run_is_not_replaced_by_a_night_that_ran_beside_it(
    database_url: str, tmp_path: Path
) -> None:
    books, log = PostgresBooks(database_url), PostgresTransactionLog(database_url)
    log.record_export(yesterday(), log.export(yesterday(), tmp_path / "day.parquet"))
    execute(database_url, "update exported_days set is_closed = true")

    for since, break_count in ((None, 1), (yesterday(), 0)):
        books.record_reconciled(
            yesterday(), since=since, break_count=break_count, balances_sha256="x"
        )
    kept = books.last_reconciled(today())
    books.record_reconciled(yesterday(), since=None, break_count=0, balances_sha256="x")

    assert kept is None
    assert books.last_proven(today()) == yesterday()


def test_files_that_the_second_reader_knows_are_counted_again(database_url: str) -> None:
    execute(
        database_url,
        """
        insert into programs (program, currency) values ('default', 'USD') on conflict do nothing;
        insert into file_mappings (program, kind, version, definition, set_by, why)
        values ('default', 'deposits', 1, '{"delimiter": ";"}', 'ann', 'their bank'),
            ('default', 'deposits', 2, '{}', 'ann', 'back to the contract');
        insert into intake_files (kind, program, bucket, key, version, content_sha256,
            size_bytes, business_date, status, outcome, mapping_version)
        select 'deposits', 'default', 'b', name, 'v', name, 1, current_date, 'applied', '{}',
            nullif(substr(name, 1, 1), '0')::integer
        from unnest(array['0.xlsx', '0.XLSX.gz', '0.json', '1.csv', '1.json', '2.json']) as name
        """,
    )

    files = {file.key: file for file in PostgresBooks(database_url).counted_files(today())}

    assert sorted(files) == ["0.XLSX.gz", "0.json", "0.xlsx", "1.csv", "2.json"]
    assert files["1.csv"].mapping.delimiter == ";"
    assert all(file.mapping == STRICT for key, file in files.items() if key != "1.csv")


def test_deposit_file_totals_show_claimed_and_posted(database_url: str) -> None:
    credit(database_url, 1, Deposit("d-1"), Deposit("d-2", amount_minor=25))
    execute(
        database_url,
        """
        insert into intake_files (kind, program, bucket, key, version, content_sha256,
            size_bytes, business_date, status, outcome)
        values ('deposits', 'default', 'b', 'k', 'v', 'h', 1, current_date, 'applied',
            '{"totals_minor": {"USD": 526}}')
        """,
    )

    files = PostgresBooks(database_url).deposit_files(today())

    (file,) = files.to_dicts()
    assert (file["intake_id"], file["currency"]) == (1, "USD")
    assert (file["said_minor"], file["posted_minor"], file["credited_rows"]) == (526, 525, 2)
