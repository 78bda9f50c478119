"""A recalled file credits nothing, whoever ingests it; on real ledgers and directories."""

from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import psycopg
import pytest

from cardops.adapters.postgresql.accounts import deposits, pacing, posting
from cardops.rules.intake.files import FileOutcome, FileRecalledError, FileStatus
from cardops.rules.programs.programs import Program
from cardops.services.intake.ingestion import MAX_ATTEMPTS, AttemptsExhaustedError
from tests.factories.deposit_desk import DepositDesk, a_line
from tests.factories.intake import Deposit, staged
from tests.oracles.ledger_totals import rows

pytestmark = pytest.mark.database

LINES = (a_line("d1", "25.00"), a_line("d2", "10.50"), a_line("d3", "7.00", "u2"))


class KilledError(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> DepositDesk:
    return DepositDesk(database_url, tmp_path)


@pytest.fixture
def recalled(desk: DepositDesk) -> DepositDesk:
    """One file, credited and recalled."""
    assert desk.submit(*LINES)["accepted"] == 3
    assert desk.recall(1).totals_minor == {"USD": 4250}
    return desk


def kill_before_chunk(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Crediting ends before its chunk of that number; chunks have one row."""
    monkeypatch.setattr(posting, "credit_chunk", posting.credit_chunk)
    for name in ("FIRST_ROWS", "MIN_ROWS", "MAX_ROWS"):
        monkeypatch.setattr(pacing, name, 1)
    real, chunks = posting.credit_chunk, iter(range(1, 1_000))

    def credit(session: psycopg.Connection, *args: Any, **options: Any) -> pl.DataFrame:
        if next(chunks) == number:
            raise KilledError
        return real(session, *args, **options)

    monkeypatch.setattr(deposits, "credit_chunk", credit)


def half_credited(desk: DepositDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """File 1, killed after one of its three deposits."""
    desk.drop(*LINES, key="incoming/deposits/a.csv")
    with monkeypatch.context() as patched:
        kill_before_chunk(patched, 2)
        with pytest.raises(KilledError):
            desk.materialize()
    assert (desk.status(), desk.balances()) == ("applying", {"u1": 2500})


def test_materializing_a_recalled_file_credits_nothing(recalled: DepositDesk) -> None:
    (result,) = recalled.materialize()

    assert (result.intake_file.status, result.outcome.accepted) == (FileStatus.RECALLED, 0)
    assert recalled.status() == "recalled"
    assert recalled.balances() == {"u1": 0, "u2": 0}


def test_recalled_file_does_not_stop_others_of_its_date(recalled: DepositDesk) -> None:
    recalled.drop(a_line("d9", "1.00"), key="incoming/deposits/b.csv")

    first, second = recalled.materialize()

    assert (first.outcome.accepted, second.outcome.accepted) == (0, 1)
    assert recalled.balances() == {"u1": 100, "u2": 0}


def test_recalled_file_is_in_neither_lake_nor_breaks(recalled: DepositDesk) -> None:
    assert recalled.in_lake() == []
    assert recalled.file_breaks() == []


def test_releasing_a_recalled_file_is_refused(recalled: DepositDesk) -> None:
    entry = recalled.intake_ledger.find(1)

    with pytest.raises(FileRecalledError, match="deposits reinstate 1"):
        recalled.submissions.release(entry, [])
    assert recalled.balances() == {"u1": 0, "u2": 0}


def test_submitting_a_recalled_file_says_recalled_before(recalled: DepositDesk) -> None:
    response = recalled.submit(*LINES)

    assert (response["status"], response["accepted"], response["duplicate"]) == ("recalled", 0, 0)
    assert "was recalled before" in response["error"]
    assert len(list(recalled.raw_store.list_objects("incoming/"))) == 1


def test_recalled_file_dropped_under_another_key_is_recalled(recalled: DepositDesk) -> None:
    copy = recalled.drop(*LINES, key="incoming/deposits/copy.csv")

    recalled.materialize()

    assert recalled.status(copy.intake_id) == "recalled"
    assert recalled.balances() == {"u1": 0, "u2": 0}


def test_same_content_of_another_program_is_credited(recalled: DepositDesk) -> None:
    recalled.ports.programs.create(Program("other"))
    recalled.drop(*LINES, key="incoming/deposits/other/a.csv")

    assert [result.outcome.accepted for result in recalled.materialize()] == [0, 3]


def test_rows_of_a_recalled_file_are_recalled_before_elsewhere(recalled: DepositDesk) -> None:
    response = recalled.submit(LINES[0], a_line("d4", "1.00"))

    assert (response["accepted"], response["duplicate"], response["quarantined"]) == (1, 0, 1)
    assert response["reasons"] == {"recalled_before": 1}
    assert recalled.balances() == {"u1": 100, "u2": 0}


def test_repeated_recall_posts_nothing_and_returns_the_same(recalled: DepositDesk) -> None:
    assert recalled.recall(1, by="somebody else").totals_minor == {"USD": 4250}
    assert rows(recalled.url, "select distinct recalled_by from deposit_recalls") == [("ops",)]
    assert recalled.balances() == {"u1": 0, "u2": 0}


def test_half_credited_file_is_recalled_and_never_finished(
    desk: DepositDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_credited(desk, monkeypatch)

    assert desk.recall(1).totals_minor == {"USD": 2500}
    desk.materialize()

    assert (desk.status(), desk.balances()) == ("recalled", {"u1": 0})
    assert desk.file_breaks() == []
    assert rows(desk.url, "select to_regclass('deposit_stage_1')") == [(None,)]


def test_dead_file_is_recalled_and_stays_so(
    desk: DepositDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_credited(desk, monkeypatch)
    desk.intake_ledger.mark(1, FileStatus.DEAD)

    assert desk.recall(1).totals_minor == {"USD": 2500}
    desk.materialize()
    assert (desk.status(), desk.balances()) == ("recalled", {"u1": 0})


def test_claimed_file_is_recalled_before_it_credits(desk: DepositDesk) -> None:
    desk.drop(*LINES, key="incoming/deposits/a.csv")

    assert desk.recall(1).totals_minor == {}
    desk.materialize()

    assert (desk.status(), desk.balances()) == ("recalled", {})


def test_recall_takes_back_released_rows_too(desk: DepositDesk) -> None:
    desk.submit(LINES[0], a_line("d2", "1.005"))
    released = desk.drop(
        a_line("d2", "1.00"), key="incoming/deposits/default/released/000000000001-0123456789ab.csv"
    )
    desk.materialize()
    assert desk.balances() == {"u1": 2600}

    assert desk.recall(1).totals_minor == {"USD": 2600}
    assert (desk.status(released.intake_id), desk.balances()) == ("recalled", {"u1": 0})


def test_recall_waits_for_a_run_that_is_ingesting_the_file(
    desk: DepositDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.drop(*LINES, key="incoming/deposits/a.csv")
    is_crediting, may_go_on, real = Event(), Event(), posting.credit_chunk

    def credit(session: psycopg.Connection, *args: Any, **options: Any) -> pl.DataFrame:
        is_crediting.set()
        assert may_go_on.wait(30)
        return real(session, *args, **options)

    monkeypatch.setattr(deposits, "credit_chunk", credit)
    totals: list[dict[str, int]] = []
    ingest = Thread(target=desk.materialize)
    recall = Thread(target=lambda: totals.append(desk.recall(1).totals_minor))
    ingest.start()
    assert is_crediting.wait(30)
    recall.start()
    recall.join(0.3)
    assert recall.is_alive()
    may_go_on.set()
    for thread in (ingest, recall):
        thread.join(30)

    assert totals == [{"USD": 4250}]
    assert (desk.status(), desk.balances()) == ("recalled", {"u1": 0, "u2": 0})
    assert (desk.in_lake(), desk.file_breaks()) == ([], [])


def test_run_that_lost_its_lock_credits_nothing_of_a_recalled_file(recalled: DepositDesk) -> None:
    entry = recalled.intake_ledger.find(1)
    frame = staged([Deposit("d8", user_id="u1")])

    with pytest.raises(FileRecalledError):
        recalled.deposit_ledger.credit(entry, [frame])
    for end in (
        recalled.intake_ledger.begin,
        lambda number: recalled.intake_ledger.finish(number, FileOutcome()),
    ):
        with pytest.raises(FileRecalledError):
            end(1)
    assert recalled.status() == "recalled"
    assert recalled.balances() == {"u1": 0, "u2": 0}


def test_file_ingested_well_five_times_and_killed_once_is_not_dead(
    desk: DepositDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.submit(*LINES)
    for _ in range(MAX_ATTEMPTS - 1):
        desk.materialize()
    with monkeypatch.context() as patched:
        kill_before_chunk(patched, 1)
        with pytest.raises(KilledError):
            desk.materialize()

    (result,) = desk.materialize()

    assert (desk.status(), result.outcome.accepted) == ("applied", 3)


def test_released_dead_file_survives_further_kills(
    desk: DepositDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_credited(desk, monkeypatch)
    for _ in range(MAX_ATTEMPTS - 1):
        kill_once(desk, monkeypatch)
    with pytest.raises(AttemptsExhaustedError):
        desk.materialize()
    assert desk.status() == "dead"
    assert rows(desk.url, "select to_regclass('deposit_stage_1')") == [(None,)]

    with monkeypatch.context() as patched:
        kill_before_chunk(patched, 1)
        with pytest.raises(KilledError):
            desk.submissions.release(desk.intake_ledger.find(1), [])
    kill_once(desk, monkeypatch)
    (result,) = desk.materialize()

    assert (desk.status(), result.outcome.accepted) == ("applied", 3)


def kill_once(desk: DepositDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        kill_before_chunk(patched, 1)
        with pytest.raises(KilledError):
            desk.materialize()
