"""The transaction log by day: complete, from one snapshot, reproducible, and closed in time."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import adbc_driver_postgresql
import polars as pl
import psycopg
import pytest
from psycopg import sql

from cardops.adapters.postgresql.arrow_sessions import arrow_session
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.adapters.postgresql.reconciliation import log_file
from cardops.adapters.postgresql.reconciliation.transaction_log import (
    PostgresTransactionLog,
    day_query,
    write_day,
)
from cardops.contracts.lake.transaction_log import COLUMNS

pytestmark = pytest.mark.database

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAST_INSTANT = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)
COMMON = {"program": "default", "user_id": "user_1", "currency": "USD", "ledger_seq": 1}
DECISION = {
    **COMMON,
    "transaction_id": "txn-1",
    "authorization_id": "a",
    "question_hash": b"",
    "answer": b"",
    "amount_minor": 25,
    "is_capture": True,
    "status": "PERMIT",
    "reason_code": "sufficient_credit",
    "remaining_minor": 75,
    "decided_at": NOON,
}
DEPOSIT = {
    **COMMON,
    "deposit_id": "d-1",
    "amount_minor": 100,
    "occurred_at": NOON - timedelta(days=9),
    "intake_id": 1,
    "row_number": 1,
    "content_hash": b"",
    "posted_at": NOON,
}
MOVEMENT = {
    **COMMON,
    "transaction_id": "txn-1",
    "movement_key": "k",
    "kind": "refund",
    "status": "PERMIT",
    "reason_code": "ok",
    "amount_minor": 5,
    "posted_minor": 5,
    "held_change_minor": 0,
    "answer": b"",
    "posted_at": NOON,
}
RECALL = {**COMMON, "deposit_id": "d-1", "amount_minor": 100, "recalled_by": "x", "posted_at": NOON}


@pytest.fixture
def log(database_url: str) -> PostgresTransactionLog:
    return PostgresTransactionLog(database_url)


def insert(url: str, table: str, **row: Any) -> None:
    with connect(url) as session:
        insert_in(session, table, row)


def insert_in(session: psycopg.Connection, table: str, row: dict[str, Any]) -> None:
    command = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Literal, row.values())),
    )
    session.execute(command)


def rows_of(log: PostgresTransactionLog, folder: Path, day: date = DAY) -> list[dict[str, Any]]:
    target = folder / "day.parquet"
    log.export(day, target)
    return pl.read_parquet(target).to_dicts()


def test_export_of_an_empty_day_has_the_contract_columns(
    log: PostgresTransactionLog, tmp_path: Path
) -> None:
    export = log.export(DAY, tmp_path / "day.parquet")

    assert export.row_count == 0
    assert pl.read_parquet_schema(tmp_path / "day.parquet") == dict(COLUMNS)


def test_permitted_purchase_posts_to_the_ledger_balance(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    details = '{"merchant": {"id": "m-1"}, "channel": "pos"}'
    insert(database_url, "decisions", **DECISION, details=details)

    (row,) = rows_of(log, tmp_path)
    assert row == {
        **COMMON,
        "kind": "decision",
        "event_key": "txn-1",
        "transaction_id": "txn-1",
        "amount_minor": 25,
        "posted_minor": -25,
        "held_change_minor": 0,
        "status": "PERMIT",
        "reason_code": "sufficient_credit",
        "is_capture": True,
        "remaining_minor": 75,
        "occurred_at": NOON,
        "merchant_id": "m-1",
        "channel": "pos",
    }


@pytest.mark.parametrize(
    ("change", "posted", "held"),
    [
        ({"is_capture": False}, 0, 25),
        ({"status": "REJECT", "reason_code": "insufficient_credit"}, 0, 0),
        ({"status": "REJECT", "is_capture": False}, 0, 0),
    ],
)
def test_hold_changes_held_amount_and_reject_nothing(
    log: PostgresTransactionLog,
    database_url: str,
    tmp_path: Path,
    change: dict[str, Any],
    posted: int,
    held: int,
) -> None:
    insert(database_url, "decisions", **DECISION | change)

    (row,) = rows_of(log, tmp_path)
    assert (row["posted_minor"], row["held_change_minor"]) == (posted, held)


def test_log_has_signed_deposits_recalls_and_actions(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    insert(database_url, "deposit_events", **DEPOSIT)
    insert(database_url, "deposit_recalls", **RECALL | {"ledger_seq": 2})
    insert(database_url, "movements", **MOVEMENT | {"ledger_seq": 3})

    found = [(r["kind"], r["event_key"], r["posted_minor"]) for r in rows_of(log, tmp_path)]
    assert found == [("deposit", "d-1", 100), ("recall", "d-1", -100), ("refund", "txn-1/k", 5)]


def test_tombstone_has_no_user(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    tombstone = {"kind": "void", "user_id": None, "currency": None, "posted_minor": 0}
    insert(database_url, "movements", **MOVEMENT | tombstone)

    (row,) = rows_of(log, tmp_path)
    assert (row["user_id"], row["currency"]) == (None, None)


def test_row_belongs_to_the_utc_day_of_its_posting(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    insert(database_url, "decisions", **DECISION | {"decided_at": LAST_INSTANT})
    next_instant = LAST_INSTANT + timedelta(microseconds=1)
    insert(
        database_url,
        "decisions",
        **DECISION | {"transaction_id": "txn-2", "decided_at": next_instant},
    )

    assert [row["event_key"] for row in rows_of(log, tmp_path)] == ["txn-1"]
    assert [row["event_key"] for row in rows_of(log, tmp_path, date(2026, 3, 2))] == ["txn-2"]
    assert log.busy_dates() == [date(2026, 3, 1), date(2026, 3, 2)]


def test_repeated_export_gives_the_same_bytes(
    log: PostgresTransactionLog,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_file, "ROW_GROUP_ROWS", 3)
    for number in (5, 1, 4, 2, 3, 7, 6):
        insert(database_url, "decisions", **DECISION | {"transaction_id": f"txn-{number}"})
    first = log.export(DAY, tmp_path / "first.parquet")
    with connect(database_url) as session:
        # Another order on disk.
        session.execute("update decisions set request_id = 'x' where transaction_id < 'txn-4'")
    second = log.export(DAY, tmp_path / "second.parquet")

    assert first.row_count == second.row_count == 7
    assert first.content_sha256 == second.content_sha256
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_text_with_quotes_commas_and_newlines_survives(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    channel = 'a "quoted", odd\nchannel'
    with connect(database_url) as session:
        insert_in(session, "decisions", dict(DECISION))
        session.execute(
            "update decisions set details = jsonb_build_object('channel', %s::text)", [channel]
        )

    (row,) = rows_of(log, tmp_path)
    assert (row["channel"], row["merchant_id"]) == (channel, None)


@pytest.mark.parametrize("group_rows", [2, 100])
def test_both_ways_of_reading_write_the_same_bytes(
    log: PostgresTransactionLog,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group_rows: int,
) -> None:
    """The proof of the checks reads in a session of its own, in which it planted a damage."""
    monkeypatch.setattr(log_file, "ROW_GROUP_ROWS", group_rows)
    texts = ["", "NULL", "\\N", "\\.", 'a "quoted", odd\r\nchannel', "Ünï 漢字 🙂", " t "]
    with connect(database_url) as session:
        for number, text in enumerate(texts):
            row = {**DECISION, "transaction_id": f"txn-{number}", "user_id": f"u {text}"}
            insert_in(session, "decisions", {**row, "ledger_seq": 2**62 + number})
            session.execute(
                "update decisions set details = jsonb_build_object('channel', %s::text)"
                " where transaction_id = %s",
                [text, row["transaction_id"]],
            )
        insert_in(session, "deposit_events", DEPOSIT)
        insert_in(session, "movements", {**MOVEMENT, "kind": "void", "user_id": None})
        row_count, content_sha256 = write_day(session, DAY, tmp_path / "session.parquet")

    export = log.export(DAY, tmp_path / "day.parquet")

    assert (export.row_count, export.content_sha256) == (row_count, content_sha256)
    found = pl.read_parquet(tmp_path / "day.parquet").filter(kind="decision")
    assert sorted(found["channel"]) == sorted(texts)


def test_rows_and_oldest_transaction_are_of_one_snapshot(
    log: PostgresTransactionLog,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a row that was committed in between is exported, and its transaction counts as open."""

    @contextmanager
    def interrupted(url: str) -> Iterator[Any]:
        with arrow_session(url) as session:
            execute = session.execute

            def late(query: str) -> None:
                if "order by" in query:
                    insert(database_url, "decisions", **DECISION)
                execute(query)

            monkeypatch.setattr(session, "execute", late)
            yield session

    monkeypatch.setattr(log_file, "arrow_session", interrupted)

    assert log.export(DAY, tmp_path / "day.parquet").row_count == 0


def test_types_of_a_database_are_asked_once_for_many_exports(
    log: PostgresTransactionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full proof exports each date again: asking for each session took longer than exporting."""
    asked = list[str]()
    opened = adbc_driver_postgresql.connect

    def connected(url: str) -> object:
        asked.append(url)
        return opened(url)

    monkeypatch.setattr(adbc_driver_postgresql, "connect", connected)

    counts = [log.export(DAY, tmp_path / f"{number}.parquet").row_count for number in range(3)]

    assert counts == [0, 0, 0]
    assert len(asked) == 1


def test_connection_lost_in_an_export_is_explained_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://ana:secret@127.0.0.1:1/books"

    with pytest.raises(DatabaseUnavailableError, match="did not send all rows") as failed:
        log_file.export_log(url, day_query(DAY), tmp_path / "day.parquet")

    assert "secret" not in f"{failed.value!r} {failed.value.__cause__!r}"


def test_unfinished_day_is_not_closed(log: PostgresTransactionLog, tmp_path: Path) -> None:
    today = datetime.now(UTC).date() + timedelta(days=1)

    assert not log.export(today, tmp_path / "day.parquet").is_closed


def test_day_closes_when_its_open_transactions_have_ended(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    target = tmp_path / "day.parquet"
    with connect(database_url, autocommit=False) as late:
        insert_in(late, "decisions", dict(DECISION))
        open_export = log.export(DAY, target)
        log.record_export(DAY, open_export)
        late.commit()
    assert (open_export.row_count, open_export.is_closed) == (0, False)

    # Transactions begun after the watermark do not keep the day open. Older ones do, in any
    # database of the server: those of parallel tests, which end.
    deadline = time.monotonic() + 60
    with connect(database_url, autocommit=False) as newer:
        insert_in(newer, "decisions", {**DECISION, "transaction_id": "txn-2"})
        closed = log.export(DAY, target)
        while not closed.is_closed and time.monotonic() < deadline:
            time.sleep(0.05)
            closed = log.export(DAY, target)
        newer.rollback()
    assert (closed.row_count, closed.is_closed) == (1, True)


def test_watermark_of_another_cluster_is_ignored(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    target = tmp_path / "day.parquet"
    log.record_export(DAY, log.export(DAY, target))
    with connect(database_url) as session:
        session.execute("update exported_days set watermark = '1/1/3'")
    with connect(database_url, autocommit=False) as late:
        insert_in(late, "decisions", dict(DECISION))

        assert not log.export(DAY, target).is_closed


def test_latest_export_of_a_day_is_recorded(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    early = log.export(DAY, tmp_path / "day.parquet")
    insert(database_url, "decisions", **DECISION)
    late = log.export(DAY, tmp_path / "day.parquet")
    log.record_export(DAY, late)
    log.record_export(DAY, early)

    with connect(database_url) as session:
        found = session.execute("select row_count, content_sha256 from exported_days").fetchall()
    assert found == [(1, late.content_sha256)]


def test_exports_across_open_transactions_lose_no_row(
    log: PostgresTransactionLog, database_url: str, tmp_path: Path
) -> None:
    """Each export runs while fewer transactions of the day are open; the last has every row."""
    target = tmp_path / "day.parquet"
    with ExitStack() as stack:
        late = [stack.enter_context(connect(database_url, autocommit=False)) for _ in range(5)]
        for number, session in enumerate(late):
            for row in range(20):
                key = f"txn-{number}-{row}"
                insert_in(session, "decisions", {**DECISION, "transaction_id": key})
        for ended, session in enumerate(reversed(late)):
            export = log.export(DAY, target)
            log.record_export(DAY, export)
            assert (export.row_count, export.is_closed) == (20 * ended, False)
            session.commit()

    deadline = time.monotonic() + 60
    export = log.export(DAY, target)
    while not export.is_closed and time.monotonic() < deadline:
        time.sleep(0.05)
        export = log.export(DAY, target)
    assert (export.row_count, export.is_closed) == (100, True)
    assert pl.read_parquet(target)["event_key"].n_unique() == 100
