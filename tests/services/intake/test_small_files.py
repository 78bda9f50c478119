"""Small files of one run are ingested together, and become what they become one after another."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cardops.contracts.kinds.registry import KINDS
from cardops.services.intake import grouping
from cardops.services.intake.applying import CreditDeposits
from cardops.services.intake.ingestion import ingest_files
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.factories.small_files import (
    DEPOSITS,
    INSTANTS,
    LINES,
    arrived,
    books,
    files_of,
    one_by_one,
    shared_lake_files,
    small_file,
    together,
)
from tests.fakes.lake import FakeLake

SEEDS = [*range(1), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 60))]


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("seed", SEEDS)
def test_files_together_become_what_they_become_one_by_one(kind: str, seed: int) -> None:
    chance = random.Random(f"{kind}{seed}")  # noqa: S311 - no secret
    contents = [small_file(kind, chance) for _ in range(12 if seed else 7)]
    contents.append(contents[0])
    grouped, single = IntakeWorld(), IntakeWorld()
    if kind == "chargebacks" and not seed % 2:
        paid = csv_file(TRANSACTIONS, PAID, PAID.replace("t1", "t2")).encode()
        for world in (grouped, single):
            one_by_one(world, arrived(world, "transactions", [("csv", paid)]))

    together(grouped, arrived(grouped, kind, contents))
    one_by_one(single, arrived(single, kind, contents))

    assert books(grouped) == books(single)
    assert len(shared_lake_files(grouped)) == 1


class KilledError(BaseException):
    """The process is gone: nobody cleans up after it."""


class Killing:
    """A port whose callers are killed before or after one of its calls, counted over all ports."""

    def __init__(self, port: Any, calls: "Calls") -> None:
        self._port, self._calls = port, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in STORING:
            return found

        def called(*args: Any, **named: Any) -> Any:
            self._calls.count(name)
            result = found(*args, **named)
            self._calls.count(name)
            return result

        return called


class Calls:
    def __init__(self, killed_at: int) -> None:
        self.made: list[str] = []
        self._killed_at = killed_at

    def count(self, name: str) -> None:
        self.made.append(name)
        if len(self.made) == self._killed_at:
            raise KilledError(name)


STORING = {
    *("begin_all", "withdraw", "share_lake_file", "finish_all", "wait_for", "released"),
    *("mark_in_lake", "write_file", "replace", "delete", "credit_together", "forget_staged"),
    *("create", "record_passed"),
}


def killed(world: IntakeWorld, intake_ids: Sequence[int], at: int) -> list[str]:
    """The calls that were made until the run was killed at that one, all where it never was."""
    ports, calls = world.ports, Calls(at)
    deposit_ledger = CreditDeposits(Killing(world.deposit_ledger, calls))
    killing = replace(
        ports,
        raw_store=Killing(ports.raw_store, calls),
        failed_store=Killing(ports.failed_store, calls),
        lake=Killing(ports.lake, calls),
        intake_ledger=Killing(ports.intake_ledger, calls),
        known_rows=Killing(ports.known_rows, calls),
        source_controls=Killing(ports.source_controls, calls),
        appliers={"deposit_ledger": deposit_ledger},
    )
    with suppress(KilledError):
        ingest_files([world.intake_ledger.find(file) for file in intake_ids], [], killing)
    return calls.made


def small_day(world: IntakeWorld, kind: str) -> list[int]:
    """Files with rows that repeat each other, and rows that wait or were waited for."""
    if kind == "deposits":
        line = "u1,25.00,d1," + INSTANTS[0]
        files = [csv_file(DEPOSITS, line, line.replace("d1", f"d{n}"), "x,1") for n in range(2, 5)]
    else:
        disputed = csv_file(CHARGEBACKS, DISPUTED.replace(",USD,", ",,"))
        waiting = arrived(world, "chargebacks", [("csv", disputed.encode())])
        one_by_one(world, waiting)
        files = [csv_file(TRANSACTIONS, PAID, PAID.replace("t1", f"t{n}"), "x") for n in range(3)]
    return arrived(world, kind, [("csv", file.encode()) for file in files])


# Calls after which a group is in a state of its own, those of any run, and every one.
STEPS = [
    pytest.param("deposits", {"credit_together", "write_file"}, id="deposits"),
    pytest.param("transactions", {"write_file"}, id="transactions"),
    *(
        pytest.param(kind, STORING, id=f"{kind}-all", marks=pytest.mark.soak)
        for kind in ("deposits", "transactions")
    ),
]


@pytest.mark.parametrize(("kind", "names"), STEPS)
def test_killed_group_is_finished_by_a_plain_run(kind: str, names: set[str]) -> None:
    whole = IntakeWorld()
    made = killed(whole, small_day(whole, kind), 0)
    expected = books(whole)
    # Before and after the first and the last call of each name.
    last = len(made)
    moments = {made.index(name) + 1 for name in names & set(made)}
    moments |= {last - made[::-1].index(name) for name in names & set(made)}
    for moment in sorted(moments):
        world = IntakeWorld()
        intake_ids = small_day(world, kind)
        killed(world, intake_ids, moment)

        together(world, intake_ids)

        assert books(world) == expected, f"killed at {made[moment - 1]}"


def test_repeat_of_one_file_replaces_its_rows_in_the_shared_lake_file() -> None:
    world = IntakeWorld()
    lines = [PAID.replace("t1", f"t{n}") for n in range(3)]
    contents = [("csv", csv_file(TRANSACTIONS, line).encode()) for line in lines]
    intake_ids = arrived(world, "transactions", contents)
    together(world, intake_ids)
    before = books(world)

    one_by_one(world, intake_ids[1:])

    assert books(world) == before
    assert len(world.lake.frames) == 1


def test_shared_lake_file_has_one_writer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = IntakeWorld()
    lines = [PAID.replace("t1", f"t{n}") for n in range(2)]
    contents = [("csv", csv_file(TRANSACTIONS, line).encode()) for line in lines]
    intake_ids = arrived(world, "transactions", contents)
    together(world, intake_ids)
    replaced, written = FakeLake.replace_rows, []

    def replace_rows(*arguments: Any) -> str:
        written.append(set(world.intake_ledger.lake_files_written))
        return replaced(*arguments)

    monkeypatch.setattr(FakeLake, "replace_rows", replace_rows)
    one_by_one(world, intake_ids)

    assert written == [{1}, {1}]


def test_groups_stay_within_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_FILES", 3)
    world = IntakeWorld()
    contents = [("csv", csv_file(TRANSACTIONS, PAID).encode())] * 8
    contents[4] = ("csv.gz", b"")
    contents[5] = ("csv", b" " * (grouping.MAX_FILE_BYTES + 1))
    intake_ids = arrived(world, "transactions", contents)
    files = [world.intake_ledger.find(intake_id) for intake_id in intake_ids]
    files[0] = replace(files[0], mapping_version=1)

    groups = [[file.intake_id for file in group] for group in grouping.groups_of(files, KINDS)]

    assert groups == [[2, 3, 4], [7, 8]]


def test_cumulative_reports_of_one_dispute_together_are_judged_file_by_file() -> None:
    world = IntakeWorld()
    header = f"{CHARGEBACKS},status"
    other = DISPUTED.replace("c1", "c2")
    reports = (("open",), ("open", "won"), ("open", "won"), ("open", "won", "open"))
    contents = [
        csv_file(
            header,
            *(f"{DISPUTED},{status}" for status in statuses),
            f"{other},{'open' if number else 'won'}",
        )
        for number, statuses in enumerate(reports)
    ]

    together(world, arrived(world, "chargebacks", [("csv", text.encode()) for text in contents]))

    outcomes = [file.outcome for file in files_of(world)]
    counts = [(outcome.accepted, outcome.duplicate) for outcome in outcomes if outcome]
    assert counts == [(2, 0), (2, 1), (0, 3), (1, 3)]
    assert len(shared_lake_files(world)) == 1
    own = world.rows("chargebacks").filter(case_number="c1").sort("intake_id", "row_number")
    assert own["action_sequence"].to_list() == [1, 2, 3]


def test_clocks_run_on_from_file_to_file_of_a_group() -> None:
    world = IntakeWorld()
    header = f"{CHARGEBACKS},stage,status,activity_date,reply_by_date"
    steps = (
        "chargeback,open,2026-11-11,2026-12-24",
        "chargeback,pending,2026-11-12,",
        "pre_arbitration,open,2026-11-15,",
        "pre_arbitration,pending,2026-11-17,",
    )
    contents = [csv_file(header, f"{DISPUTED},{step}").encode() for step in steps]

    together(world, arrived(world, "chargebacks", [("csv", content) for content in contents]))

    assert len(shared_lake_files(world)) == 1
    rows = world.rows("chargebacks").sort("activity_date").select("reply_by_on", "clock").rows()
    assert [(str(day), clock) for day, clock in rows] == [
        *[("2026-12-24", "feed")] * 2,
        *[("2026-12-15", "published")] * 2,
    ]
