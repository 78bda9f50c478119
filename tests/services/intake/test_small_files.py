"""Small files of one run are ingested together, and become what they become one after another."""

import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import FileStatus, Kind, RowReason
from cardops.rules.intake.source_controls import SourcePolicy
from cardops.services.intake import grouping
from cardops.services.intake.applying import CreditDeposits
from cardops.services.intake.ingestion import EarlierFileError, ingest_file, ingest_files
from tests.factories import dispute_reports as reports
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.lake import FailingLake, FakeLake

DEPOSITS = "user_id,amount,deposit_id,timestamp"
INSTANTS = ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00", "2026-11-21", "tomorrow")
AMOUNTS = ("25.00", "25", "26.00", "1.505", "-1", "", "1e3")


def deposit_line(chance: random.Random) -> str:
    deposit = f"d{chance.randrange(12)}" if chance.random() < 0.9 else "no id!"
    amount = chance.choices(AMOUNTS, [20, 5, 5, 1, 1, 1, 1])[0]
    instant = chance.choices(INSTANTS, [20, 5, 1, 1])[0]
    return f"u{chance.randrange(3)},{amount},{deposit},{instant}"


def transaction_line(chance: random.Random) -> str:
    amount = chance.choices(AMOUNTS, [20, 5, 5, 1, 1, 1, 1])[0]
    status = chance.choice(("pending", "completed", "refunded", "gone"))
    order = f"o{chance.randrange(3)}"
    return f"t{chance.randrange(10)},{order},{amount},USD,{status},{INSTANTS[0]}"


def chargeback_line(chance: random.Random) -> str:
    transaction = f"t{chance.randrange(6)}"
    currency, network = chance.choice((("USD", "visa"), ("", ""), ("", "visa"), ("EUR", "amex")))
    case = chance.choice((f"c{chance.randrange(6)}", ""))
    status = chance.choice(("open", "won", ""))
    happened = chance.choice(("", "", "2026-11-19", "2026-11-20"))
    return (
        f"{transaction},{chance.choice(AMOUNTS)},2026-11-19,{currency},{network},{case},"
        f"{status},{happened}"
    )


LINES = {
    "deposits": (DEPOSITS, deposit_line),
    "transactions": ("transaction_id,order_id,amount,currency,status,created_at", transaction_line),
    "chargebacks": (
        (
            "transaction_id,chargeback_amount,dispute_date,currency,card_network,case_number,status,"
            "activity_date"
        ),
        chargeback_line,
    ),
}


def small_file(kind: str, chance: random.Random) -> tuple[str, bytes]:
    """A file's extension and content, now and then of an unusual form, or of none."""
    header, line_of = LINES[kind]
    lines = [line_of(chance) for _ in range(chance.randrange(5))]
    plain = csv_file(header, *lines).encode()
    form = chance.choices([*FORMS], [weight for weight, _ in FORMS.values()])[0]
    content = FORMS[form][1](header, lines) if FORMS[form][1] else plain
    return ("ndjson" if form == "json" else "csv"), content


def as_json(header: str, lines: Sequence[str]) -> bytes:
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FORMS: dict[str, tuple[int, Callable[[str, Sequence[str]], bytes] | None]] = {
    "plain": (12, None),
    "json": (2, as_json),
    "dos": (1, lambda header, lines: "\r\n".join([header, *lines, ""]).encode()),
    "quoted": (2, lambda header, lines: csv_file(header, *lines, '"never closed,1').encode()),
    "extra": (
        1,
        lambda header, lines: csv_file(
            f"{header},note", *(f"{line},hello" for line in lines)
        ).encode(),
    ),
    "blank": (2, lambda header, lines: "\n".join([header, "", *lines, " \t"]).encode()),
    "torn": (1, lambda header, lines: csv_file(header, *lines, "too,few").encode()),
    "refused": (1, lambda _header, lines: csv_file("a,b,c", *lines).encode()),
    "binary": (1, lambda header, lines: csv_file(header, *lines).encode() + b"\xff\xfe,1,2,3\n"),
}


def arrived(world: IntakeWorld, kind: str, contents: Sequence[tuple[str, bytes]]) -> list[int]:
    """The intake ids of these files, claimed as one poll claims them."""
    keys = [f"incoming/{kind}/default/{at:03d}.{name}" for at, (name, _) in enumerate(contents)]
    for key, (_, content) in zip(keys, contents, strict=True):
        world.raw_store.create(key, content)
    if not KINDS[Kind(kind)].has_batches:
        return [world.claim(key) for key in keys]
    arrivals = [world.arrival(key) for key in keys]
    today = world.clock.now().date()
    batch = world.intake_ledger.claim_batch(arrivals, today, mode=world.mode)
    assert batch is not None
    return [file.intake_id for file in batch.files]


def together(world: IntakeWorld, intake_ids: Sequence[int]) -> None:
    ingest_files([world.intake_ledger.find(intake_id) for intake_id in intake_ids], [], world.ports)


def one_by_one(world: IntakeWorld, intake_ids: Sequence[int]) -> None:
    for intake_id in intake_ids:
        ingest_file(intake_id, world.ports)


def books(world: IntakeWorld) -> dict[str, Any]:
    """Everything that stays of what was ingested, but in which lake file a row is."""
    known = {
        intake_id: (file.rows.sort("row_number").rows(), file.is_in_lake)
        for intake_id, file in world.known_rows.files.items()
    }
    return {
        "files": {file.intake_id: (file.status, file.outcome) for file in files_of(world)},
        "lake": [world.rows(kind).rows() for kind in LINES if world.lake.scan(kind) is not None],
        "quarantined": world.quarantined(),
        "stored": sorted(world.failed_store.contents),
        "accounts": [frame.rows() for frame in world.deposit_ledger.posting_totals()],
        "known": known,
        "waits": world.intake_ledger.waits,
        "released": sorted(world.raw_store.contents),
    }


def files_of(world: IntakeWorld) -> list[Any]:
    return list(world.intake_ledger.files.values())


def shared_lake_files(world: IntakeWorld) -> set[int]:
    return {file.lake_file_id for file in files_of(world) if file.lake_file_id is not None}


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


def test_failing_lake_costs_only_the_file_that_fails() -> None:
    world = IntakeWorld(lake=FailingLake(before={1}))
    contents = [("csv", csv_file(DEPOSITS, f"u1,1,d{n},{INSTANTS[0]}").encode()) for n in range(3)]
    intake_ids = arrived(world, "deposits", contents)

    with pytest.raises(OSError, match="no space"):
        together(world, intake_ids)
    world.lake.before.clear()
    assert [file.status for file in files_of(world)][1:] == [FileStatus.APPLIED] * 2
    together(world, intake_ids)

    assert world.rows("deposits")["deposit_id"].to_list() == ["d0", "d1", "d2"]
    assert {file.status for file in files_of(world)} == {FileStatus.APPLIED}


@pytest.mark.parametrize("kind", ["deposits", "transactions"])
def test_files_behind_a_stuck_one_wait_and_the_others_go_on(kind: str) -> None:
    world = IntakeWorld(lake=FailingLake(before={1}))
    if kind == "deposits":
        header, line = DEPOSITS, f"u1,1,d1,{INSTANTS[0]}"
    else:
        header, line = TRANSACTIONS, PAID
    ids = ("1", "2", "3", "1", "4")
    contents = [("csv", csv_file(header, line.replace("1,", f"{n},")).encode()) for n in ids]
    stuck, *intake_ids = arrived(world, kind, contents)
    with pytest.raises(OSError, match="no space"):
        ingest_file(stuck, world.ports)

    with pytest.raises(EarlierFileError):
        together(world, intake_ids)

    statuses = {file.intake_id: file.status for file in files_of(world)}
    assert statuses.pop(4) is FileStatus.APPLYING
    assert list(statuses.values()) == [FileStatus.APPLYING, *[FileStatus.APPLIED] * 3]
    # Rows that were judged before are found in the turn only: then no file is in a group.
    assert shared_lake_files(world) == ({2} if kind == "deposits" else set())


def test_file_with_a_control_file_is_looked_at_by_itself() -> None:
    world = IntakeWorld()
    contents = [("csv", csv_file(DEPOSITS, f"u1,1,d{n},{INSTANTS[0]}").encode()) for n in range(4)]
    intake_ids = arrived(world, "deposits", contents)
    key = world.intake_ledger.find(intake_ids[1]).arrival.key
    world.raw_store.create(f"{key}.ctl.json", b'{"rows": 2}')

    together(world, intake_ids)

    statuses = [file.status for file in files_of(world)]
    assert statuses.count(FileStatus.APPLIED) == 3
    assert statuses[1] is FileStatus.REFUSED
    assert shared_lake_files(world) == {1}


def test_file_above_the_cap_is_held_and_the_others_are_credited() -> None:
    world = IntakeWorld()
    policy = SourcePolicy(caps_minor={"USD": 1_000})
    world.source_controls.set_policy("default", policy, "ops")
    amounts = ("10.00", "10.01", "1.00")
    contents = [
        ("csv", csv_file(DEPOSITS, f"u1,{amount},d{n},{INSTANTS[0]}").encode())
        for n, amount in enumerate(amounts)
    ]

    together(world, arrived(world, "deposits", contents))

    assert [file.status.value for file in files_of(world)] == ["applied", "held", "applied"]
    assert shared_lake_files(world) == {1}
    passed = [world.source_controls.state(file).is_passed for file in files_of(world)]
    assert passed == [True, False, True]


def test_deposit_beyond_the_largest_balance_takes_the_group_apart() -> None:
    largest = "90071992547409.91"
    lines = [f"u1,{largest},d{n},{INSTANTS[0]}" for n in range(1026)]
    contents = [
        ("csv", csv_file(DEPOSITS, *lines).encode()),
        ("csv", csv_file(DEPOSITS, f"u1,1.00,d1025,{INSTANTS[0]}").encode()),
    ]
    world = IntakeWorld()

    together(world, arrived(world, "deposits", contents))

    outcomes = [file.outcome for file in files_of(world)]
    assert outcomes[0].reasons == {RowReason.AMOUNT_OUT_OF_RANGE: 2}
    assert outcomes[1].accepted == 1


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


def test_group_of_unreadable_files_is_left_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    world = IntakeWorld()

    together(world, arrived(world, "deposits", [("csv", b"a,b\n1,2\n"), ("csv", b"")]))

    assert {file.status for file in files_of(world)} == {FileStatus.REFUSED}
    assert (shared_lake_files(world), caplog.messages) == (set(), [])


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


def test_reports_whose_rows_replace_each_other_are_ingested_one_by_one() -> None:
    def report(case: str) -> bytes:
        rows = [
            reports.a_jpmorgan_row(
                Category=category,
                Dispute_Transaction_Sequence_Number=case,
                Activity_Date=f"11/0{day}/2026",
            )
            for category, day in (("RTM", 3), ("RECD", 2))
        ]
        return f"{reports.report(reports.JPMORGAN_DETAILS, *rows)}\n".encode()

    world = IntakeWorld()
    intake_ids = arrived(world, "chargebacks", [("csv", report("1")), ("csv", report("2"))])

    together(world, intake_ids)

    outcomes = [world.intake_ledger.find(intake_id).outcome for intake_id in intake_ids]
    assert [outcome and (outcome.accepted, outcome.duplicate) for outcome in outcomes] == [
        (1, 1)
    ] * 2
    assert world.rows("chargebacks")["status"].to_list() == ["pending_response"] * 2
