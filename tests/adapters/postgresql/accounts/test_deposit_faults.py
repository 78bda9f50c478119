"""Crediting that is killed, concurrent or disconnected ends like undisturbed crediting."""

import signal
from threading import Thread

import polars as pl
import psycopg
import pytest

from cardops.adapters.postgresql import transactions
from cardops.adapters.postgresql.accounts import deposits, pacing, posting
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.migrate import migrate
from cardops.rules.intake.files import StagingLostError
from tests.factories.intake import Deposit, an_intake_file, staged
from tests.factories.waiting import wait_until
from tests.oracles.deposit_books import ObservedPostgresDepositLedger
from tests.servers.killable_credit import CHUNK_ROWS, rows_of_a_file, start_crediting

pytestmark = pytest.mark.database
FILE = an_intake_file(1)
OTHER_FILE = an_intake_file(2)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_ROWS", "MIN_ROWS", "MAX_ROWS"):
        monkeypatch.setattr(pacing, name, CHUNK_ROWS)


def counts(ledger: ObservedPostgresDepositLedger, intake_id: int = 1) -> dict[str, int]:
    outcome = ledger.outcome(an_intake_file(intake_id))
    return dict(sorted(outcome.group_by("outcome").len().rows()))


def books(ledger: ObservedPostgresDepositLedger) -> list[tuple[object, ...]]:
    """The balances, after comparing them with their postings."""
    stored = sorted(row for frame in ledger.accounts() for row in frame.rows())
    summed = sorted(row for frame in ledger.posting_totals() for row in frame.rows())
    assert [(*row[:3], row[3]) for row in stored] == [(*row[:3], row[3]) for row in summed]
    return stored


# 20 of the 200 rows are repeats: nine chunks of 20 rows and an empty one.
@pytest.mark.parametrize("die_after", [1, 5, 10])
def test_killed_crediting_ends_like_an_undisturbed_one(
    database_url: str, empty_database_url: str, die_after: int
) -> None:
    undisturbed = ObservedPostgresDepositLedger(migrated(empty_database_url))
    undisturbed.credit(FILE, [rows_of_a_file(200, 40, "d")])
    killed = start_crediting(database_url, 1, die_after=die_after)
    assert killed.wait() == -signal.SIGKILL
    ledger = ObservedPostgresDepositLedger(database_url)
    assert 0 <= credited_so_far(ledger) < 180

    ledger.credit(FILE, [rows_of_a_file(200, 40, "d")])

    assert counts(ledger) == counts(undisturbed) == {"accepted": 180, "conflicting_duplicate": 20}
    assert ledger.outcome(FILE).rows() == undisturbed.outcome(FILE).rows()
    assert books(ledger) == books(undisturbed)


def test_concurrent_processes_credit_a_file_once(database_url: str) -> None:
    racing = [start_crediting(database_url, 1) for _ in range(2)]
    assert [process.wait() for process in racing] == [0, 0]

    ledger = ObservedPostgresDepositLedger(database_url)
    assert counts(ledger)["accepted"] == 180
    assert sum(row[3] for row in books(ledger)) == 180 * 500  # type: ignore[misc]


def test_concurrent_files_credit_a_shared_deposit_once(database_url: str) -> None:
    # The same deposits for other users: the files lock rows and accounts in different orders.
    racing = [
        start_crediting(database_url, 1, rows=400, users=40),
        start_crediting(database_url, 2, rows=400, users=27),
    ]
    assert [process.wait() for process in racing] == [0, 0]

    ledger = ObservedPostgresDepositLedger(database_url)
    first, second = counts(ledger, 1), counts(ledger, 2)
    assert first.get("accepted", 0) + second.get("accepted", 0) == 360
    assert sum(first.values()) == sum(second.values()) == 400
    assert sum(row[3] for row in books(ledger)) == 360 * 500  # type: ignore[misc]


def test_stage_emptied_by_a_crash_raises_staging_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    real = posting.credit_chunk

    def crash_before(session: psycopg.Connection, stage: object, chunk: object) -> pl.DataFrame:
        with connect(database_url) as other:
            other.execute("delete from deposit_stage_1")
        return real(session, stage, chunk)  # type: ignore[arg-type]

    monkeypatch.setattr(deposits, "credit_chunk", crash_before)
    with pytest.raises(StagingLostError, match="ingest the file again"):
        ledger.credit(FILE, [staged([Deposit("d-1")])])
    with pytest.raises(StagingLostError):
        ledger.outcome(FILE)
    monkeypatch.undo()
    ledger.credit(FILE, [staged([Deposit("d-1")])])

    assert counts(ledger) == {"accepted": 1}


def test_lost_sessions_are_replaced_and_credit_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, cuts = ObservedPostgresDepositLedger(database_url), [2, 4, 7]
    real, calls = posting.credit_chunk, iter(range(1, 1_000))

    def cut(session: psycopg.Connection, stage: object, chunk: object) -> pl.DataFrame:
        credited = real(session, stage, chunk)  # type: ignore[arg-type]
        if next(calls) in cuts:
            with connect(database_url) as other:
                other.execute("select pg_terminate_backend(%s)", [session.info.backend_pid])
        return credited

    monkeypatch.setattr(deposits, "credit_chunk", cut)
    ledger.credit(FILE, [rows_of_a_file(200, 40, "d")])

    assert counts(ledger)["accepted"] == 180
    assert next(calls) == 10 + len(cuts) + 1, "each cut chunk was posted again"
    books(ledger)


def test_concurrent_recalls_take_each_deposit_back_once(database_url: str) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    ledger.credit(FILE, [rows_of_a_file(200, 40, "d")])
    totals: list[object] = []
    threads = [Thread(target=lambda: totals.append(ledger.recall(FILE, "x"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert totals == [{"USD": 180 * 500}] * 3
    assert {row[3] for row in books_after_recall(ledger)} == {0}


def test_deposit_posted_meanwhile_leaves_no_gap_in_a_sequence(database_url: str) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    rows = staged([Deposit("d-1", user_id="user_2"), Deposit("d-2", user_id="user_2")])
    crediting = Thread(target=lambda: ledger.credit(FILE, [rows]))
    with connect(database_url, autocommit=False) as other:
        other.execute(
            "insert into deposit_events (program, deposit_id, user_id, currency, amount_minor,"
            " occurred_at, intake_id, row_number, content_hash, ledger_seq, posted_at)"
            " values ('default', 'd-1', 'user_1', 'USD', 1, now(), 2, 1, '', 1, now())"
        )
        crediting.start()
        wait_until_blocked(database_url, other)
    crediting.join()

    account = ledger.account("default", "user_2", "USD")
    assert account is not None
    assert (account.available_minor, account.ledger_seq) == (500, 1)


def test_reinstatement_posted_meanwhile_leaves_no_gap_in_a_sequence(database_url: str) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    rows = staged([Deposit("d-1", user_id="user_2"), Deposit("d-2", user_id="user_2")])
    ledger.credit(FILE, [rows])
    ledger.recall(FILE, "operator")
    ledger.request_reinstatement(FILE, "operator", "recalled by mistake")
    crediting = Thread(target=lambda: ledger.credit(FILE, [rows]))
    with connect(database_url, autocommit=False) as other:
        other.execute(
            "insert into deposit_reinstatements (program, deposit_id, credit_number, user_id,"
            " currency, amount_minor, occurred_at, intake_id, row_number, content_hash,"
            " reinstated_by, reason, ledger_seq, posted_at)"
            " values ('default', 'd-1', 2, 'user_1', 'USD', 1, now(), 2, 1, '', 'x', 'x', 1, now())"
        )
        crediting.start()
        wait_until_blocked(database_url, other)
    crediting.join()

    account = ledger.account("default", "user_2", "USD")
    assert account is not None
    # Two credits, two recalls and one reinstatement.
    assert (account.available_minor, account.ledger_seq) == (500, 5)


def test_debit_that_a_chunk_waited_for_is_kept(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the chunk is posted at once: on a busy account every attempt waits for a debit."""
    monkeypatch.setattr(transactions, "MAX_ATTEMPTS", 1)
    ledger = ObservedPostgresDepositLedger(database_url)
    ledger.credit(OTHER_FILE, [staged([Deposit("d-0")])])
    crediting = Thread(target=lambda: ledger.credit(FILE, [staged([Deposit("d-1")])]))
    with connect(database_url, autocommit=False) as other:
        other.execute(
            "update accounts set available_minor = available_minor - 100,"
            " ledger_seq = ledger_seq + 1"
        )
        crediting.start()
        wait_until_blocked(database_url, other)
        (written,) = other.execute("select clock_timestamp()").fetchone() or (None,)
    crediting.join()

    account = ledger.account("default", "user_1", "USD")
    assert account is not None
    assert (account.available_minor, account.ledger_seq) == (900, 3)
    with connect(database_url) as session:
        posted = session.execute(
            "select ledger_seq, posted_at > %s from deposit_events where deposit_id = 'd-1'",
            [written],
        ).fetchone()
    assert posted == (3, True), "dated and numbered after the debit"


def test_account_opened_meanwhile_is_credited_by_both_files(database_url: str) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    crediting = Thread(target=lambda: ledger.credit(FILE, [staged([Deposit("d-1")])]))
    with connect(database_url, autocommit=False) as other:
        other.execute(
            "insert into accounts (program, user_id, currency, available_minor, ledger_seq)"
            " values ('default', 'user_1', 'USD', 70, 1)"
        )
        crediting.start()
        wait_until_blocked(database_url, other)
    crediting.join()

    account = ledger.account("default", "user_1", "USD")
    assert account is not None
    assert (account.available_minor, account.ledger_seq) == (570, 2)


def wait_until_blocked(database_url: str, other: psycopg.Connection) -> None:
    blocked, pid = "select from pg_stat_activity where %s = any(pg_blocking_pids(pid))", other.info
    with connect(database_url) as session:
        wait_until(lambda: session.execute(blocked, [pid.backend_pid]).fetchone() is not None)


def books_after_recall(ledger: ObservedPostgresDepositLedger) -> list[tuple[object, ...]]:
    return [row for frame in ledger.accounts() for row in frame.rows()]


def credited_so_far(ledger: ObservedPostgresDepositLedger) -> int:
    return sum(int(frame["deposits_minor"].sum()) // 500 for frame in ledger.posting_totals())


def migrated(url: str) -> str:
    with connect(url) as session:
        migrate(session)
    return url
