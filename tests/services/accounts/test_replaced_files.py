"""A name under incoming/ used for another file, and releases beside a recall; real ledgers and folders."""

from dataclasses import replace
from pathlib import Path

import pytest

from cardops.rules.intake.files import FileRecalledError, FileStatus, IntakeFile
from cardops.services.accounts.deposit_files import DEPOSITS, DepositFileKey
from cardops.services.accounts.recalls import RecallRefusedError
from cardops.services.accounts.reinstatements import ReinstatementRefusedError, ReinstatementService
from cardops.services.intake.contents import ContentReplacedError
from cardops.services.intake.ingestion import KEPT
from cardops.services.intake.waiting_rows import release_rows
from tests.factories.deposit_desk import DepositDesk, a_line
from tests.oracles.ledger_totals import rows

pytestmark = pytest.mark.database

KEY = "incoming/deposits/default/daily.csv"
FIRST = (a_line("day1-a", "25.00"), a_line("day1-b", "25.00", "u2"))
SECOND = (a_line("day2-a", "11.00"), a_line("day2-b", "12.00", "u2"))


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> DepositDesk:
    return DepositDesk(database_url, tmp_path)


def replaced(desk: DepositDesk, *lines: str) -> IntakeFile:
    """Another file under the same key, claimed as the sensor does it."""
    desk.raw_store.replace(KEY, desk.file(*lines))
    claims = desk.submissions.claims
    (claimed,) = claims.claim(DEPOSITS, [claims.listed(KEY)])
    return claimed


@pytest.fixture
def both_days(desk: DepositDesk) -> DepositDesk:
    """Two files under one key, one after the other, both credited."""
    desk.drop(*FIRST, key=KEY)
    desk.materialize()
    second = replaced(desk, *SECOND)
    desk.ingest_file(DEPOSITS, [second])
    assert desk.balances() == {"u1": 3600, "u2": 3700}
    return desk


def test_recall_by_a_reused_key_is_refused_with_the_ids(both_days: DepositDesk) -> None:
    with pytest.raises(RecallRefusedError, match=r"2 different files \(intake ids 1, 2\)"):
        both_days.recalls.recall(KEY, DepositFileKey(key=KEY), "ops")

    assert both_days.balances() == {"u1": 3600, "u2": 3700}
    assert both_days.recall(1).totals_minor == {"USD": 5000}
    assert both_days.balances() == {"u1": 1100, "u2": 1200}


def test_reinstatement_of_replaced_content_is_refused_and_not_recorded(
    both_days: DepositDesk,
) -> None:
    for intake_id in (1, 2):
        both_days.recall(intake_id)

    with pytest.raises(ContentReplacedError, match="claimed as file 1"):
        both_days.reinstate(1)
    service = ReinstatementService(both_days.submissions, both_days.deposit_ledger)
    with pytest.raises(ReinstatementRefusedError, match="2 different files"):
        service.reinstate(KEY, DepositFileKey(key=KEY), "boss", "a mistake")

    assert (both_days.status(1), both_days.balances()) == ("recalled", {"u1": 0, "u2": 0})
    assert rows(both_days.url, "select * from reinstatement_requests") == []
    assert both_days.reinstate(2).totals_minor == {"USD": 2300}


def test_file_replaced_before_its_first_run_is_refused(desk: DepositDesk) -> None:
    desk.drop(*FIRST, key=KEY)
    replaced(desk, *SECOND)

    first, second = desk.materialize()

    assert "was replaced by another file after it was claimed as file 1" in str(first.outcome.error)
    assert (desk.status(1), desk.status(2)) == ("refused", "applied")
    assert (second.outcome.accepted, desk.balances()) == (2, {"u1": 1100, "u2": 1200})


def test_repeat_of_a_replaced_file_fails_and_changes_nothing(both_days: DepositDesk) -> None:
    before = both_days.intake_ledger.find(1)

    with pytest.raises(ContentReplacedError):
        both_days.ingest_file(DEPOSITS, [before])

    assert both_days.intake_ledger.find(1) == before
    assert both_days.balances() == {"u1": 3600, "u2": 3700}


@pytest.mark.parametrize("is_removed", [False, True])
def test_backfill_keeps_what_a_replaced_or_removed_file_brought(
    both_days: DepositDesk, *, is_removed: bool
) -> None:
    """A sender that uses one name for every day, or a bucket that forgets old objects, stops no backfill."""
    before = [both_days.intake_ledger.find(number) for number in (1, 2)]
    if is_removed:
        (both_days.folder / "raw" / KEY).unlink()
    # A full proof says that the raw file is another.
    breaks = both_days.file_breaks()

    first, second = both_days.materialize()

    assert (first.outcome, first.outcome.accepted, first.kept) == (before[0].outcome, 2, KEPT)
    assert (second.outcome.accepted, second.kept) == (2, KEPT if is_removed else None)
    assert both_days.intake_ledger.find(1) == before[0]
    assert (both_days.balances(), both_days.file_breaks()) == ({"u1": 3600, "u2": 3700}, breaks)


def test_half_applied_replaced_file_is_not_called_refused(desk: DepositDesk) -> None:
    """A refused file credited nothing; of this one something may stand, so that it can be recalled."""
    claimed = desk.drop(*FIRST, key=KEY)
    desk.intake_ledger.begin(claimed.intake_id)
    desk.raw_store.replace(KEY, desk.file(*SECOND))

    with pytest.raises(ContentReplacedError):
        desk.ingest_file(DEPOSITS, [claimed])

    assert desk.status() == "applying"


def test_rows_released_before_a_recall_and_claimed_after_it_credit_nothing(
    desk: DepositDesk,
) -> None:
    assert desk.submit(a_line("d1", "10.00"), a_line("d2", "1.005"))["accepted"] == 1
    origin = desk.intake_ledger.find(1)
    key = release_rows(origin, [2], raw_store=desk.raw_store, failed_store=desk.failed_store)
    assert key is not None
    desk.raw_store.replace(key, desk.file(a_line("d2", "1.00")))
    desk.recall(1)

    claims = desk.submissions.claims
    (released,) = claims.claim(DEPOSITS, [claims.listed(key)])
    again = release_rows(
        replace(origin, intake_id=released.intake_id),
        [2],
        raw_store=desk.raw_store,
        failed_store=desk.failed_store,
    )
    assert again is not None
    desk.raw_store.replace(again, desk.file(a_line("d3", "1.00")))
    (released_again,) = claims.claim(DEPOSITS, [claims.listed(again)])
    desk.ingest_file(DEPOSITS, [released, released_again])

    assert [desk.status(number) for number in (1, 2, 3)] == ["recalled"] * 3
    assert (desk.balances(), desk.file_breaks()) == ({"u1": 0}, [])


def test_dead_file_recalled_meanwhile_is_not_released(desk: DepositDesk) -> None:
    desk.drop(*FIRST, key=KEY)
    desk.intake_ledger.mark(1, FileStatus.DEAD)
    entry = desk.intake_ledger.find(1)
    desk.recall(1)

    with pytest.raises(FileRecalledError):
        desk.submissions.release(entry, [])

    assert (desk.status(), desk.balances()) == ("recalled", {})
