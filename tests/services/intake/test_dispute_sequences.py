"""Steps of disputes judged in their order: repeats, returns, whole files again, conflicts."""

import pytest

from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = f"{CHARGEBACKS},status"
OPEN, WON, LOST = (f"{DISPUTED},{status}" for status in ("open", "won", "lost"))
STAGED = f"{CHARGEBACKS},stage,status,activity_date"


def submit(world: IntakeWorld, *lines: str, header: str = HEADER) -> tuple[int, int, int]:
    outcome = world.submit("chargebacks", csv_file(header, *lines))
    return outcome.accepted, outcome.duplicate, outcome.quarantined


def numbered(world: IntakeWorld) -> list[tuple[str, str, int]]:
    columns = ("stage", "status", "action_sequence")
    return world.rows("chargebacks").sort("intake_id", "row_number").select(columns).rows()


def test_return_to_an_earlier_state_in_one_file_reopens(world: IntakeWorld) -> None:
    assert submit(world, OPEN, WON, OPEN) == (3, 0, 0)
    assert numbered(world) == [
        ("chargeback", "open", 1),
        ("chargeback", "won", 2),
        ("chargeback", "open", 3),
    ]


def test_return_to_an_earlier_state_in_three_files_reopens(world: IntakeWorld) -> None:
    assert submit(world, OPEN) == (1, 0, 0)
    assert submit(world, WON) == (1, 0, 0)
    # The same bytes as the first file's would be that file again.
    assert submit(world, OPEN, DISPUTED.replace("c1", "c2") + ",open") == (2, 0, 0)
    assert [number for *_, number in numbered(world)] == [1, 2, 3, 1]


def test_whole_file_again_is_all_duplicates(world: IntakeWorld) -> None:
    assert submit(world, OPEN) == (1, 0, 0)
    assert submit(world, WON) == (1, 0, 0)

    assert submit(world, OPEN) == (0, 1, 0)
    assert submit(world, WON) == (0, 1, 0)


@pytest.mark.parametrize(
    ("known", "told", "accepted"),
    [
        ([OPEN], [OPEN, WON], 1),
        ([OPEN, WON], [OPEN, WON, OPEN], 1),
        ([OPEN, WON, OPEN], [OPEN, WON, OPEN, LOST], 1),
        ([OPEN, WON, OPEN], [WON, OPEN], 0),
        ([OPEN, WON], [WON, WON, LOST], 1),
        ([OPEN, OPEN], [OPEN], 0),
        ([OPEN, WON], [LOST, WON], 2),
    ],
)
def test_report_that_tells_the_history_again_adds_only_its_end(
    world: IntakeWorld, known: list[str], told: list[str], accepted: int
) -> None:
    submit(world, *known)
    other = DISPUTED.replace("c1", "c9") + ",open"

    assert submit(world, *told, other) == (accepted + 1, len(told) - accepted, 0)


@pytest.mark.parametrize(
    ("known", "told", "accepted"),
    [
        (["inquiry,open", "chargeback,open"], ["inquiry,open"], 0),
        (["inquiry,open", "chargeback,open"], ["inquiry,open", "chargeback,open"], 0),
        (["chargeback,open", "chargeback,won", "pre_arbitration,open"], ["chargeback,won"], 0),
        (
            ["chargeback,open", "pre_arbitration,open"],
            ["chargeback,open", "pre_arbitration,won"],
            1,
        ),
        # What was never told of the earlier stage is news, and so is a return after an end.
        (["inquiry,open", "chargeback,open"], ["inquiry,pending"], 1),
        (["inquiry,open", "inquiry,won"], ["inquiry,open"], 1),
        (["chargeback,open", "won,won"], ["chargeback,open"], 1),
    ],
)
def test_old_report_does_not_bring_back_a_stage_that_was_left(
    world: IntakeWorld, known: list[str], told: list[str], accepted: int
) -> None:
    submit(world, *(f"{DISPUTED},{step}," for step in known), header=STAGED)
    other = DISPUTED.replace("c1", "c9") + ",chargeback,open,"

    lines = [f"{DISPUTED},{step}," for step in told]
    expected = (accepted + 1, len(told) - accepted, 0)
    assert submit(world, *lines, other, header=STAGED) == expected


def test_report_repeats_the_end_of_what_happened_not_of_what_arrived(world: IntakeWorld) -> None:
    won, begun = (f"{DISPUTED},chargeback,won,2026-11-15", f"{DISPUTED},chargeback,open,2026-11-11")
    submit(world, won, header=STAGED)
    submit(world, begun, header=STAGED)

    assert submit(world, f"{DISPUTED},chargeback,won,", header=STAGED) == (0, 1, 0)


def test_dated_step_is_a_repeat_only_of_its_own_date(world: IntakeWorld) -> None:
    lines = [f"{DISPUTED},chargeback,open,2026-11-1{day}" for day in (1, 2, 1, 2)]
    assert submit(world, *lines, header=STAGED) == (2, 2, 0)

    late = f"{DISPUTED},inquiry,open,2026-11-01"
    assert submit(world, late, lines[0], header=STAGED) == (1, 1, 0)


def test_numbers_count_by_stage_in_activity_order(world: IntakeWorld) -> None:
    lines = [
        f"{DISPUTED},chargeback,won,2026-11-14",
        f"{DISPUTED},representment,open,2026-11-13",
        f"{DISPUTED},chargeback,open,2026-11-12",
    ]
    assert submit(world, *lines, header=STAGED) == (3, 0, 0)
    late = f"{DISPUTED},chargeback,open,2026-11-11"
    assert submit(world, late, header=STAGED) == (1, 0, 0)

    assert numbered(world) == [
        ("chargeback", "won", 2),
        ("representment", "open", 1),
        ("chargeback", "open", 1),
        # Numbers that were given out stay: this one happened first, and is known last.
        ("chargeback", "open", 3),
    ]


def test_other_transaction_or_currency_at_a_later_stage_conflicts(world: IntakeWorld) -> None:
    later = f"{DISPUTED},representment,open,2026-11-12"
    submit(world, f"{DISPUTED},chargeback,open,2026-11-11", header=STAGED)

    assert submit(world, later.replace("USD", "EUR"), header=STAGED) == (0, 0, 1)
    assert submit(world, later.replace("t1", "t2", 1), header=STAGED) == (0, 0, 1)
    assert submit(world, later, header=STAGED) == (1, 0, 0)


@pytest.mark.parametrize(
    ("network", "reason", "path", "is_flagged"),
    [
        ("visa", "13.1", ("chargeback/open", "representment/open"), False),
        ("visa", "10.4", ("chargeback/open", "representment/open"), True),
        ("visa", "10.4", ("chargeback/open", "pre_arbitration/open"), False),
        ("visa", "13.1", ("chargeback/won", "pre_arbitration/open"), False),
        ("visa", "13.1", ("chargeback/lost", "pre_arbitration/open"), True),
        ("visa", "13.1", ("chargeback/won", "chargeback/open"), False),
        ("mastercard", "4853", ("chargeback/open", "arbitration/open"), True),
        ("mastercard", "4853", ("representment/open", "arbitration/open"), True),
        ("mastercard", "4808", ("representment/open", "arbitration/open"), False),
        ("amex", "", ("inquiry/open", "chargeback/open"), False),
    ],
)
def test_illegal_move_is_flagged_and_accepted(
    world: IntakeWorld, network: str, reason: str, path: tuple[str, ...], *, is_flagged: bool
) -> None:
    known, later = (
        f"t1,25.00,2026-11-10,USD,c1,{network},{step.replace('/', ',')},2026-11-1{day},{reason}"
        for day, step in enumerate(path, start=1)
    )
    world.submit("transactions", csv_file(TRANSACTIONS, PAID))
    world.submit("chargebacks", csv_file(f"{STAGED},reason_code", known))

    outcome = world.submit("chargebacks", csv_file(f"{STAGED},reason_code", later))

    assert outcome.accepted == 1
    assert outcome.flags == ({"unexpected_stage": 1} if is_flagged else {})
    assert world.rows("chargebacks")["flags"].to_list() == [[], [*outcome.flags]]


def test_first_transaction_that_is_named_is_the_disputes(world: IntakeWorld) -> None:
    # What a spreadsheet left of the first row's id names none.
    damaged, other = (OPEN.replace("t1", name) for name in ("5.16E+13", "t2"))

    assert submit(world, damaged, WON, other) == (2, 0, 1)
    assert submit(world, OPEN) == (1, 0, 0)
    assert submit(world, other) == (0, 0, 1)
