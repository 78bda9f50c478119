"""Caps over a business date, and approvals by two persons."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cardops.rules.intake.source_controls import DecisionRefusedError, SourcePolicy
from cardops.services.intake.ingestion import ingest_file
from tests.factories.deposit_desk import DepositDesk, a_line
from tests.oracles.ledger_totals import rows

pytestmark = pytest.mark.database


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> DepositDesk:
    return DepositDesk(database_url, tmp_path)


def demand(desk: DepositDesk, *, cap: int = 100_000, daily: int = 0, two: int = 0) -> None:
    policy = SourcePolicy(
        caps_minor={"USD": cap},
        daily_caps_minor={"USD": daily} if daily else {},
        two_approvers_minor={"USD": two} if two else {},
    )
    desk.ports.source_controls.set_policy("default", policy, "ops")


def submit(desk: DepositDesk, number: int, amount: str = "900.00", by: str = "anna") -> str:
    return str(desk.submit(a_line(f"d{number}", amount, f"u{number}"), by=by)["status"])


def test_files_just_under_the_cap_wait_once_their_date_is_above_its_own(desk: DepositDesk) -> None:
    demand(desk, daily=200_000)

    assert [submit(desk, number) for number in range(5)] == ["applied", "applied", *["held"] * 3]
    assert submit(desk, 9, "200.00") == "applied"
    held = desk.intake_ledger.find(3).outcome
    assert held is not None
    assert "2700.00 USD is above the cap of 2000.00 on what nobody approved of a date" in str(held)
    assert sum(desk.balances().values()) == 200_000
    assert desk.approve(3)["accepted"] == 1
    # What somebody approved leaves no less room for the rest.
    assert submit(desk, 10, "0.01") == "held"
    assert sum(desk.balances().values()) == 290_000


def test_same_content_counts_once_and_recalled_files_do_not(desk: DepositDesk) -> None:
    demand(desk, daily=100_000)

    assert [submit(desk, 1), submit(desk, 1), submit(desk, 2)] == ["applied", "applied", "held"]
    desk.recall(1)
    desk.recall(2)
    desk.materialize()
    assert desk.status(3) == "applied"


def test_date_cap_is_of_one_program_date_and_currency(desk: DepositDesk) -> None:
    demand(desk, daily=100_000)
    submit(desk, 1)
    rows(desk.url, "update intake_files set business_date = business_date - 1 returning 1")

    assert submit(desk, 2) == "applied"
    assert desk.submit(a_line("e1", "900.00", currency="EUR"))["status"] == "applied"
    assert submit(desk, 3) == "held"


def test_files_that_pass_at_once_stay_below_the_cap_together(desk: DepositDesk) -> None:
    demand(desk, daily=200_000)
    dropped = [
        desk.drop(a_line(f"d{n}", "900.00", f"u{n}"), key=f"incoming/deposits/{n}.csv")
        for n in range(6)
    ]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda file: ingest_file(file.intake_id, desk.ports), dropped))

    assert sum(desk.balances().values()) == 180_000


def test_two_different_persons_approve_above_the_second_cap(desk: DepositDesk) -> None:
    demand(desk, two=150_000)
    assert submit(desk, 1, "1500.00") == "held"
    assert desk.approve(1, by="boss")["status"] == "applied"
    assert submit(desk, 2, "1500.01") == "held"

    first = desk.approve(2, by="Boss@desk-1")

    assert (first["status"], first["held_for"]) == ("held", "approval")
    assert (first["approvals_needed"], first["approved_by_so_far"]) == (2, ["Boss@desk-1"])
    for by, sentence in (("boss", "approved .* already"), ("ANNA", "somebody else must approve")):
        with pytest.raises(DecisionRefusedError, match=sentence):
            desk.approve(2, by=by)
    desk.materialize()
    assert (desk.status(2), sum(desk.balances().values())) == ("held", 150_000)
    assert desk.approve(2, by="carla")["accepted"] == 1
    assert sum(desk.balances().values()) == 300_001
    assert desk.approve(2, by="carla")["accepted"] == 1
    audited = rows(desk.url, "select intake_id, person, reason from file_approvals order by 1, 2")
    assert audited == [
        (1, "boss", "seen with the bank"),
        (2, "boss", "seen with the bank"),
        (2, "carla", "seen with the bank"),
    ]
    assert desk.file_breaks() == []


def test_split_file_needs_two_persons_where_its_date_is_above_the_second_cap(
    desk: DepositDesk,
) -> None:
    demand(desk, daily=100_000, two=150_000)
    submit(desk, 1)
    submit(desk, 2, "600.00")
    desk.approve(2)

    submit(desk, 3, "600.00")
    assert desk.approve(3, by="boss")["status"] == "held"


def test_approval_of_one_does_not_serve_when_two_are_demanded_since(desk: DepositDesk) -> None:
    demand(desk)
    submit(desk, 1, "1500.00")
    desk.held_files.approve(1, "boss", "seen")
    demand(desk, two=100_000)

    desk.materialize()

    assert (desk.status(), desk.balances()) == ("held", {})
    assert desk.approve(1, by="boss")["status"] == "held"
    assert desk.approve(1, by="carla")["accepted"] == 1


def test_approval_by_one_person_is_one_approval_however_often(desk: DepositDesk) -> None:
    """Two processes that both looked before either of them wrote."""
    demand(desk, two=100_000)
    submit(desk, 1, "1500.00")
    controls = desk.ports.source_controls

    for _ in range(2):
        hold = controls.approve(1, by="boss", why="seen")
        assert hold is not None
        assert hold.approved_by == ("boss",)
    assert desk.status() == "held"
