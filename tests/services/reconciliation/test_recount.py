"""Raw deposit files counted again: agrees with the intake on every format and every odd file."""

import gzip
import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from cardops.contracts.lake.reconciliation import CREDITED_COLUMNS
from cardops.rules.intake.files import IntakeFile
from cardops.rules.mappings.mapping import STRICT, FileMapping
from cardops.rules.reconciliation.raw_files import CountedFile
from cardops.services.reconciliation.recount import recount_files
from simulation.file_formats import write_input_file
from simulation.generator import make_day
from tests.factories.intake_environment import IntakeWorld
from tests.fakes.books import FakeBooks

HEADER = "user_id,amount,deposit_id,timestamp,currency"
AT = "2026-03-01T00:00:00Z"
ROW = f"ana,25.00,d-1,{AT},USD"


def credited_rows(world: IntakeWorld, intake_id: int) -> pl.DataFrame:
    rows = [
        (
            event.row_number, deposit_id, *event.content[:3],
            round(event.content[3].timestamp() * 1_000_000), True,
        )
        for (_, deposit_id), events in world.deposit_ledger.events.items()
        for event in events
        if event.intake_id == intake_id
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=CREDITED_COLUMNS, orient="row")


def counted(entry: IntakeFile, mapping: FileMapping | None = None) -> CountedFile:
    outcome = entry.outcome
    assert outcome is not None
    return CountedFile(
        intake_id=entry.intake_id,
        program=entry.arrival.program,
        currency="USD",
        key=entry.arrival.key,
        content_sha256=entry.arrival.content_sha256,
        status=entry.status.value,
        claimed_at=datetime.now(UTC),
        read=outcome.read,
        accepted=outcome.accepted,
        duplicate=outcome.duplicate,
        quarantined=outcome.quarantined,
        recalled_before=0,
        mapping=mapping or STRICT,
    )


def breaks_of(world: IntakeWorld) -> list[tuple[object, ...]]:
    """What a recount of all the world's files finds, without program and user."""
    numbers = range(1, len(world.raw_store.contents) + 1)
    entries = [world.intake_ledger.find(number) for number in numbers]
    files = [counted(entry, world.intake_ledger.mapping_of(entry)) for entry in entries]
    credited = {number: credited_rows(world, number) for number in numbers}
    books = FakeBooks(files=files, credits=credited)
    found = recount_files(files, world.raw_store, books)
    assert found.read_count == sum(file.status == "applied" for file in files)
    return found.found.drop("program", "user_id").rows()


def test_recount_agrees_on_a_generated_day_in_every_format(tmp_path: Path) -> None:
    world = IntakeWorld()
    for file in make_day(2_000, 3, date(2026, 11, 1)).files:
        if file.kind == "deposits":
            write_input_file(file, tmp_path / file.path)
            world.submit("deposits", (tmp_path / file.path).read_bytes(), name=Path(file.path).name)

    assert breaks_of(world) == []
    assert sum(counted(world.intake_ledger.find(n)).duplicate or 0 for n in range(1, 6)) > 0


ODD_CSV = [
    (ROW, "", "  \t ", ROW, ROW.replace("25.00", "25")),
    ('"ana","25.00","d-1",' + AT + ',"USD"', ' "ben" ,\t"7.00" , d-2 ,' + AT + ", "),
    ('ana,"25.00,d-1,' + AT + ",USD", ROW, "ben,7.00,d-2," + AT + ",USD"),
    ('"a\nb",25.00,d-1,' + AT + ",USD", ROW, '"an""a",1.00,d-2,' + AT + ",USD"),
    ('an"a,25.00,d-1,' + AT + ",USD", 'ana,25.00,"d-1"x,' + AT + ",USD", ROW),
    ("ana,25.00,d-1," + AT, ROW + ",more", "x", ROW),
    ("ana,25.00,d-1,2026-03-01 00:00:00.123456789+01:00,USD", "ana,1.00,d-2,2026-03-01,USD"),
    ("ana,25.00,d-1,2026-03-01t00:00z,USD", "ana,1.00,d-2,2026-03-01T00:00:00+0530,USD"),
    ("ana,25.00,d-1,2026-02-30T00:00:00Z,USD", "ana,1.00,d-2,2026-W01-1T00:00:00Z,USD"),
    ("ana,1.00,d-1,9999-12-31T23:59:59Z,USD", "ana,1.00,d-2,1899-12-31T23:59:59Z,USD"),
    ("ana,+25,d-1," + AT + ",USD", "ana,1e3,d-2," + AT + ",USD", "ana,0,d-3," + AT + ",USD"),
    ("ana,1.234,d-1," + AT + ",USD", "ana,1.234,d-2," + AT + ",KWD", "ana,5,d-3," + AT + ",JPY"),
    ("ana,5,d-1," + AT + ",usd", "ana,5,d-2," + AT + ",XXX", "ana,5,..," + AT + ",USD"),
    ("ana,٢٥,d-1," + AT + ",USD", "ána,5,d-2," + AT + ",USD", "ana,9999999999999999,d-3," + AT + ","),
    ("\0ana,5,d-1," + AT + ",USD", ROW, "ana,26.00,d-1," + AT + ",USD"),
]  # fmt: skip
ODD_JSON = [
    '[{"user_id":"ana","amount":25.00,"deposit_id":"d-1","timestamp":"%s"}]',
    '[{"userId":"ana","amt":25,"depositId":7,"created_at":"%s"}, 5, null, {"amount": 1}]',
    '[{"user_id":"ana","amount":25.00,"amount":26,"deposit_id":"d-1","timestamp":"%s"}, {}]',
    '[{"user_id":"ana","amount":"25.00","deposit_id":"d-1","timestamp":"%s"}, {"user_id": "b',
    '[{"amount":25.00 "x"}, {"user_id":"ana","amount":25,"deposit_id":"d-1","timestamp":"%s"}]',
    '{"user_id":"ana","amount":1.5,"deposit_id":"d-1","timestamp":"%s"}\n\n{bad}\n{"a":"\\ud800"}',
    '[{"user_id":"ana","amount":true,"deposit_id":["d"],"timestamp":"%s","currency":null}]',
]


def test_recount_agrees_on_odd_csv() -> None:
    world = IntakeWorld()
    # Each file alone in its program, and once more after all others.
    for number, lines in enumerate(ODD_CSV):
        text = ("\n", "\r\n", "\r")[number % 3].join([HEADER, *lines])
        world.submit("deposits", "\ufeff".encode() + text.encode(), program=f"p{number}")
        world.submit("deposits", text.encode() + b"\nana,5.00,\xff\xfe,x,USD\n", name="again.csv")

    assert breaks_of(world) == []


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.json.gz", "a.json.zst"])
def test_recount_agrees_on_odd_json(name: str) -> None:
    world = IntakeWorld()
    for number, content in enumerate(ODD_JSON):
        body = content.replace("%s", AT).encode()
        packed = gzip.compress(body) if name.endswith(".gz") else body
        if name.endswith(".zst"):
            packed = pa.Codec("zstd").compress(body, asbytes=True)
        world.submit("deposits", packed, name=name, program=f"p{number}")

    assert breaks_of(world) == []


def a_world(*rows: str) -> IntakeWorld:
    world = IntakeWorld()
    world.submit("deposits", "\n".join([HEADER, *rows]))
    return world


def test_changed_credit_is_a_break_with_both_amounts() -> None:
    world = a_world(ROW, f"ben,7.00,d-2,{AT},USD")
    (event,) = world.deposit_ledger.events["default", "d-2"]
    event.content = (event.content[0], event.content[1], 701, event.content[3])

    ((check, currency, subject, a, b),) = breaks_of(world)

    assert (check, currency, a, b) == ("raw_deposits_equal_deposits_credited", "USD", 700, 701)
    assert "row 2" in str(subject)


def test_row_that_was_never_credited_is_a_break() -> None:
    world = a_world(ROW)
    world.deposit_ledger.events.clear()

    assert [row[0] for row in breaks_of(world)] == ["raw_deposits_equal_deposits_credited"]


def test_raw_file_that_changed_is_a_break() -> None:
    world = a_world(ROW)
    (key,) = world.raw_store.contents
    world.raw_store.replace(key, world.raw_store.contents[key] + b"\n")

    assert [row[0] for row in breaks_of(world)] == ["raw_files_are_unchanged"]


def test_raw_file_that_is_gone_is_reported_and_no_break() -> None:
    world = a_world(ROW)
    file = counted(world.intake_ledger.find(1))
    world.raw_store.delete(file.key)

    found = recount_files([file], world.raw_store, FakeBooks())

    assert (found.read_count, found.missing_keys) == (0, [file.key])
    assert found.found.is_empty()


def test_parquet_is_read_with_exact_decimals() -> None:
    frame = pl.DataFrame(
        {
            "user_id": ["ana", None],
            "amount": pl.Series(["25.10", "0.01"]).str.to_decimal(scale=2),
            "deposit_id": ["d-1", "d-2"],
            "timestamp": [datetime(2026, 3, 1, tzinfo=UTC)] * 2,
        }
    )
    content = io.BytesIO()
    frame.write_parquet(content)
    world = IntakeWorld()

    outcome = world.submit("deposits", content.getvalue(), name="a.parquet")

    assert (outcome.accepted, outcome.totals_minor) == (1, {"USD": 2510})
    assert breaks_of(world) == []
