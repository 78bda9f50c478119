"""Recalled deposits are credited again by an explicit request only, and once each."""

from pathlib import Path

import pytest

from cardops.rules.intake.files import FileStatus
from cardops.services.accounts.deposit_files import DepositFileKey
from cardops.services.accounts.reinstatements import (
    ReinstatementRefusedError,
    ReinstatementService,
)
from tests.factories.deposit_desk import DepositDesk, a_line
from tests.oracles.ledger_totals import rows

pytestmark = pytest.mark.database

LINES = (a_line("d1", "25.00"), a_line("d2", "10.50"), a_line("d3", "7.00", "u2"))
CORRECTED = (a_line("d1", "20.00"), a_line("d2", "10.50", "u3"), a_line("d4", "1.00", "u2"))
REQUESTS = "select intake_id, requested_by, reason, finished_at is null from reinstatement_requests"


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> DepositDesk:
    """One file, credited and recalled."""
    desk = DepositDesk(database_url, tmp_path)
    assert desk.submit(*LINES)["accepted"] == 3
    desk.recall(1)
    return desk


def test_reinstated_file_is_credited_and_in_the_lake(desk: DepositDesk) -> None:
    done = desk.reinstate(1)

    assert done.totals_minor == {"USD": 4250}
    assert (desk.status(), desk.balances()) == ("applied", {"u1": 3550, "u2": 700})
    assert (desk.in_lake(), desk.file_breaks()) == ([("d1", 2500), ("d2", 1050), ("d3", 700)], [])
    assert rows(desk.url, REQUESTS) == [(1, "boss", "a mistake", False)]
    audited = "select distinct reinstated_by, reason, credit_number from deposit_reinstatements"
    assert rows(desk.url, audited) == [("boss", "a mistake", 2)]


def test_second_reinstatement_posts_nothing(desk: DepositDesk) -> None:
    desk.reinstate(1)

    assert desk.reinstate(1).totals_minor == {"USD": 4250}
    desk.materialize()
    assert desk.balances() == {"u1": 3550, "u2": 700}
    assert desk.submit(*LINES)["duplicate"] == 3


def test_reinstated_file_is_recalled_and_reinstated_again(desk: DepositDesk) -> None:
    for _ in range(2):
        desk.reinstate(1)
        assert desk.balances() == {"u1": 3550, "u2": 700}
        assert desk.recall(1).totals_minor == {"USD": 4250}
        assert (desk.status(), desk.balances()) == ("recalled", {"u1": 0, "u2": 0})
        assert (desk.in_lake(), desk.file_breaks()) == ([], [])
    kinds = "select kind, count(*), count(distinct posting_key) from postings group by 1 order by 1"
    assert rows(desk.url, kinds) == [("deposit", 3, 3), ("recall", 9, 9), ("reinstatement", 6, 6)]


def test_corrected_file_is_credited_by_request_only(desk: DepositDesk) -> None:
    response = desk.submit(*CORRECTED)
    assert (response["accepted"], response["reasons"]) == (1, {"recalled_before": 2})
    desk.materialize()
    assert desk.balances() == {"u1": 0, "u2": 100}

    done = desk.reinstate(2)

    assert done.totals_minor == {"USD": 3050}
    assert [response["accepted"] for response in done.responses] == [3]
    assert desk.balances() == {"u1": 2000, "u2": 100, "u3": 1050}
    assert desk.in_lake() == [("d1", 2000), ("d2", 1050), ("d4", 100)]
    assert desk.file_breaks() == []


def test_original_credits_nothing_beside_its_correction(desk: DepositDesk) -> None:
    desk.submit(*CORRECTED)
    desk.reinstate(2)

    done = desk.reinstate(1)

    assert done.totals_minor == {"USD": 700}  # d3, which the correction does not name
    assert desk.balances() == {"u1": 2000, "u2": 800, "u3": 1050}
    assert desk.file_breaks() == []


def test_recall_of_the_correction_leaves_the_original_recalled(desk: DepositDesk) -> None:
    desk.submit(*CORRECTED)
    desk.reinstate(2)

    assert desk.recall(2).totals_minor == {"USD": 3150}
    assert desk.balances() == {"u1": 0, "u2": 0, "u3": 0}
    assert (desk.status(1), desk.status(2)) == ("recalled", "recalled")


def test_corrected_file_that_was_never_submitted_is_submitted(desk: DepositDesk) -> None:
    path = desk.file(*CORRECTED, name="corrected.csv")
    service = ReinstatementService(desk.submissions, desk.deposit_ledger)

    done = service.reinstate(
        str(path), DepositFileKey(content_sha256="0" * 64), "boss", "corrected"
    )

    assert done.totals_minor == {"USD": 3050}
    assert desk.balances() == {"u1": 2000, "u2": 100, "u3": 1050}


def test_copies_of_a_file_are_reinstated_together(desk: DepositDesk) -> None:
    desk.drop(*LINES, key="incoming/deposits/copy.csv")
    desk.materialize()
    assert desk.status(2) == "recalled"

    assert desk.reinstate(2).totals_minor == {"USD": 4250}
    assert (desk.status(1), desk.status(2)) == ("applied", "applied")
    assert desk.balances() == {"u1": 3550, "u2": 700}


def test_file_without_recalled_deposits_reinstates_nothing(desk: DepositDesk) -> None:
    desk.submit(a_line("d7", "3.00"))

    assert desk.reinstate(2).totals_minor == {}
    assert desk.balances() == {"u1": 300, "u2": 0}


def test_unknown_and_dead_files_are_refused_with_a_sentence(desk: DepositDesk) -> None:
    with pytest.raises(ReinstatementRefusedError, match="There is no deposit file 99"):
        desk.reinstate(99)
    desk.drop(*CORRECTED, key="incoming/deposits/b.csv")
    desk.intake_ledger.mark(2, FileStatus.DEAD)
    with pytest.raises(ReinstatementRefusedError, match="quarantine release 2"):
        desk.reinstate(2)
