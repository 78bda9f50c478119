"""Small files of every kind, ingested together or one by one, and what stays of them."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import Kind
from cardops.services.intake.ingestion import ingest_file, ingest_files
from tests.factories.intake_environment import IntakeWorld, csv_file

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
