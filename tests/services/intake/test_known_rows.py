"""Files judged by the index of known rows: what it holds, when, and what a crash leaves behind."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from typing_extensions import override

from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.kinds.registry import KINDS
from cardops.ports.known_rows import BEFORE_TURNS
from cardops.rules.intake.files import FileStatus, Kind
from cardops.services.intake.index_check import IndexDifference, differences_on
from cardops.services.intake.ingestion import MAX_ATTEMPTS, ingest_file
from cardops.services.intake.known_rows import build
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.known_rows import FakeKnownRows
from tests.fakes.lake import FailingLake

PAID_FILE = csv_file(TRANSACTIONS, PAID)
OTHER = PAID.replace("t1", "t2")
REFUNDED = PAID.replace("completed", "refunded")
KIND = Kind("transactions")


@pytest.fixture
def lake() -> FailingLake:
    return FailingLake()


@pytest.fixture
def world(lake: FailingLake) -> IntakeWorld:
    return IntakeWorld(lake=lake)


def fails(world: IntakeWorld, content: str = PAID_FILE) -> int:
    """Submit a file whose write to the lake fails; its intake id."""
    with pytest.raises(OSError, match=r"no space|killed"):
        world.submit("transactions", content)
    return max(world.intake_ledger.files)


def test_judging_reads_no_lake_table(world: IntakeWorld, lake: FailingLake) -> None:
    world.submit("transactions", PAID_FILE)
    world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED))
    lake.scanned.clear()

    again = world.submit("transactions", csv_file(TRANSACTIONS, PAID, REFUNDED, OTHER))
    disputed = world.submit("chargebacks", csv_file(CHARGEBACKS, "t1,25.00,2026-11-10,,c2,"))

    assert (again.accepted, again.duplicate) == (2, 1)
    assert (disputed.accepted, disputed.flags) == (1, {"refunded_already": 1})
    assert lake.scanned == []


def test_index_is_built_from_a_lake_that_is_older(world: IntakeWorld) -> None:
    world.submit("transactions", PAID_FILE)
    world.clock.advance(days=1)
    world.submit("transactions", csv_file(TRANSACTIONS, REFUNDED))
    recorded, world.known_rows = world.known_rows, FakeKnownRows()

    outcome = world.submit("transactions", csv_file(TRANSACTIONS, PAID, REFUNDED, OTHER))

    assert (outcome.accepted, outcome.duplicate) == (1, 2)
    for intake_id, file in recorded.files.items():
        built = world.known_rows.files[intake_id]
        assert (built.order, built.is_in_lake) == (BEFORE_TURNS + intake_id, True)
        assert built.rows.equals(file.rows)


def test_build_that_died_goes_on_where_it_stopped(world: IntakeWorld, lake: FailingLake) -> None:
    layout = Layout(KINDS[KIND], KINDS)
    world.submit("transactions", PAID_FILE)
    world.clock.advance(days=1)
    world.submit("transactions", csv_file(TRANSACTIONS, REFUNDED))
    index = DyingIndex()
    with pytest.raises(OSError, match="killed"):
        build(layout, lake, index)
    assert index.files.keys() == {1}
    assert not index.is_complete(KIND, layout.name)

    build(layout, lake, index)

    assert index.is_complete(KIND, layout.name)
    assert index.builds_of == [[1], [2], [2]]


def test_rows_not_yet_in_the_lake_are_finished_before_they_count(
    world: IntakeWorld, lake: FailingLake
) -> None:
    lake.before.add(1)
    first = fails(world)
    lake.before.clear()

    later = world.submit("transactions", PAID_FILE)

    assert world.intake_ledger.find(first).status is FileStatus.APPLIED
    assert (later.accepted, later.duplicate) == (0, 1)
    assert world.rows("transactions")["intake_id"].to_list() == [first]


@pytest.mark.parametrize(("in_lake", "accepted"), [(False, 1), (True, 0)])
def test_rows_of_a_dead_file_count_if_they_are_in_the_lake(
    world: IntakeWorld, lake: FailingLake, *, in_lake: bool, accepted: int
) -> None:
    (lake.after if in_lake else lake.before).add(1)
    first = fails(world)
    world.intake_ledger.attempts[first] = MAX_ATTEMPTS

    later = world.submit("transactions", PAID_FILE)

    assert world.intake_ledger.find(first).status is FileStatus.DEAD
    assert (later.accepted, later.duplicate) == (accepted, 1 - accepted)
    assert world.rows("transactions").height == 1


def test_dead_file_that_is_released_accepts_no_row_that_was_sent_again(
    world: IntakeWorld, lake: FailingLake
) -> None:
    lake.before.add(1)
    first = fails(world)
    world.intake_ledger.attempts[first] = MAX_ATTEMPTS
    assert world.submit("transactions", PAID_FILE).accepted == 1
    lake.before.clear()
    world.intake_ledger.restart(first)

    outcome = ingest_file(first, world.ports).outcome

    assert (outcome.accepted, outcome.duplicate) == (0, 1)
    assert world.rows("transactions").height == 1


def test_repeat_accepts_no_row_that_a_later_file_accepted(world: IntakeWorld) -> None:
    """The row's timestamp was in the future at first, and the sender sent it again."""
    future = PAID.replace("2026-11-01", "2026-11-23")
    first = world.submit("transactions", csv_file(TRANSACTIONS, future, OTHER))
    world.clock.advance(days=3)
    again = world.submit("transactions", csv_file(TRANSACTIONS, future))

    for _ in range(2):
        repeated = ingest_file(1, world.ports).outcome
        assert (repeated.accepted, repeated.duplicate, repeated.quarantined) == (1, 1, 0)
    assert (first.accepted, first.quarantined, again.accepted) == (1, 1, 1)
    assert sorted(world.rows("transactions")["intake_id"]) == [1, 2]


def test_repeat_keeps_what_it_accepted_before_a_later_file(world: IntakeWorld) -> None:
    world.submit("transactions", PAID_FILE)
    world.submit("transactions", csv_file(TRANSACTIONS, PAID, REFUNDED))

    assert [ingest_file(number, world.ports).outcome.accepted for number in (1, 2, 1)] == [1, 1, 1]


STEPS = f"{CHARGEBACKS},stage,status,activity_date"
OPEN, WON, IN_FUTURE = (
    f"{DISPUTED},chargeback,{step}"
    for step in ("open,2026-11-11", "won,2026-11-12", "lost,2026-11-23")
)


@pytest.mark.parametrize("first_row", [OPEN, OPEN.replace("c1", "c9")])
@pytest.mark.parametrize("is_killed", [False, True])
def test_repeat_numbers_a_step_after_those_of_later_files(
    world: IntakeWorld, lake: FailingLake, first_row: str, *, is_killed: bool
) -> None:
    """The step was in the future at first; another of its dispute was sent meanwhile."""
    content = csv_file(STEPS, first_row, IN_FUTURE)
    if is_killed:
        lake.after.add(1)
    with suppress(OSError):
        world.submit("chargebacks", content)
    lake.after.clear()
    world.submit("chargebacks", csv_file(STEPS, WON))
    world.clock.advance(days=3)

    for _ in range(2):
        assert ingest_file(1, world.ports).outcome.accepted == 2

    steps = world.rows("chargebacks").filter(case_number="c1").sort("action_sequence")
    numbers = list(range(1, steps.height + 1))
    assert steps["action_sequence"].to_list() == numbers
    assert steps["status"].to_list()[-1] == "lost"


def test_killed_file_ends_as_if_nothing_had_happened(world: IntakeWorld, lake: FailingLake) -> None:
    lake.after.add(1)
    first = fails(world, csv_file(TRANSACTIONS, PAID, PAID, REFUNDED))
    lake.after.clear()

    outcome = ingest_file(first, world.ports).outcome
    repeated = ingest_file(first, world.ports).outcome

    assert (outcome.accepted, outcome.duplicate) == (2, 1)
    assert repeated == outcome
    assert world.known_rows.row_counts([first]) == {first: 2}


class DyingIndex(FakeKnownRows):
    """The second file to be recorded from the lake fails, once."""

    def __init__(self) -> None:
        super().__init__()
        self.builds_of: list[list[int]] = []

    @override
    def record_from_lake(self, kind, programs, rows, layout) -> None:  # type: ignore[no-untyped-def]
        self.builds_of.append(list(programs))
        if len(self.builds_of) == 2:
            raise OSError("killed")
        super().record_from_lake(kind, programs, rows, layout)


def test_index_that_differs_from_the_lake_is_found_also_for_a_file_that_the_ledger_lost(
    world: IntakeWorld,
) -> None:
    world.submit("transactions", PAID_FILE)
    world.submit("transactions", csv_file(TRANSACTIONS, REFUNDED))
    today = world.clock.now().date()

    def found() -> Sequence[IndexDifference]:
        ports = world.ports
        return differences_on(KIND, [today], ports.intake_ledger, ports.lake, ports.known_rows)

    assert found() == []
    assert KIND in world.known_rows.kinds()
    world.known_rows.files[1].rows = world.known_rows.files[1].rows.clear()
    del world.known_rows.files[2], world.intake_ledger.files[2]

    assert [(file.intake_id, file.known) for file in found()] == [(1, 0), (2, 0)]
    assert all(file.in_lake > 0 for file in found())
