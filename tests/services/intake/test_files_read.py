"""Files as they come, in every format and in none, with every port in memory."""

import gzip
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from tests.factories.disputed_files import PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = "user_id,amount,deposit_id,timestamp,currency"
GOOD = "u1,25.00,d1,2026-11-20T10:00:00Z,USD"


def test_bytes_that_are_not_text_quarantine_only_their_row(world: IntakeWorld) -> None:
    content = csv_file(HEADER, "u1,1,d\N{LATIN SMALL LETTER E WITH ACUTE},x,USD", GOOD)

    outcome = world.submit("deposits", content.encode("latin-1"))

    assert outcome.reasons == {"bad_encoding": 1}
    assert outcome.accepted == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\xef\xbb\xbf\n \n", "is empty"),
        ("a.csv", b"\xff\xfeu\x00s\x00e\x00r\x00", "does not begin with text"),
        ("a.csv", b"u1,25.00,d1,2026-11-20T10:00:00Z,USD\n", "has no column"),
        ("a.csv", b",,,\n1,2,3,4\n", "not a usable header"),
        ("a.csv", b"user_id,amount,deposit_id\n", "has no column timestamp"),
        ("a.csv", b"kunde;betrag\n1;2\n", "`cardops mapping try FILE --kind deposits` propose"),
        ("a.csv", b"user_id,Amount,amount,deposit_id,timestamp\n", "column amount twice"),
        ("a.xls", b"PK", "is none of"),
        ("a.xlsx", b"PK", "cut short"),
        ("a.json", b"user_id", "is neither a JSON array"),
        ("a.parquet", b"PAR1", "not a readable Parquet"),
        ("a.csv.gz", gzip.compress(f"{HEADER}\n{GOOD}\n".encode() * 99)[:-12], "compression"),
    ],
)
def test_unreadable_file_is_refused_whole(
    world: IntakeWorld, name: str, content: bytes, said: str
) -> None:
    outcome = world.submit("deposits", content, name=name)

    assert outcome.error is not None
    assert said in outcome.error
    assert outcome.read == 0
    assert not world.deposit_ledger.events
    assert any(key.endswith("error.json") for key in world.failed_store.contents)


def test_file_with_only_a_header_is_applied(world: IntakeWorld) -> None:
    outcome = world.submit("deposits", f"{HEADER}\r\n")

    assert (outcome.error, outcome.read) == (None, 0)
    assert world.rows("deposits").is_empty()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_and_byte_order_mark_are_ignored(
    world: IntakeWorld, line_end: str
) -> None:
    lines = [f"\ufeff {HEADER.upper()} ", "", GOOD, " \t", '"u1" ,\t"7" ,d2, 2026-11-20T11:00:00Z,']

    outcome = world.submit("deposits", line_end.join(lines))

    assert (outcome.read, outcome.accepted) == (2, 2)
    assert outcome.totals_minor == {"USD": 3200}


def test_every_format_gives_the_same_rows(world: IntakeWorld) -> None:
    row = '{"user_id":"u1","amount":25.00,"deposit_id":"dN","timestamp":"2026-11-20T10:00:00Z"}'
    parquet = io.BytesIO()
    pl.DataFrame(
        {
            "user_id": ["u1"],
            "amount": [Decimal("25.00")],
            "deposit_id": ["d4"],
            "timestamp": [datetime(2026, 11, 20, 10, tzinfo=UTC)],
        }
    ).write_parquet(parquet)
    files = {
        "a.csv": csv_file(HEADER, GOOD).encode(),
        "a.json": f"[{row.replace('dN', 'd2')}]".encode(),
        "a.ndjson.gz": gzip.compress(row.replace("dN", "d3").encode()),
        "a.parquet": parquet.getvalue(),
    }

    outcomes = [world.submit("deposits", body, name=name) for name, body in files.items()]

    assert [outcome.totals_minor for outcome in outcomes] == [{"USD": 2500}] * 4
    assert world.rows("deposits")["occurred_at"].n_unique() == 1


def test_amounts_in_floating_point_are_refused(world: IntakeWorld) -> None:
    parquet = io.BytesIO()
    columns = {"user_id": ["u"], "amount": [25.0], "deposit_id": ["d"], "timestamp": ["t"]}
    pl.DataFrame(columns).write_parquet(parquet)

    outcome = world.submit("deposits", parquet.getvalue(), name="a.parquet")

    assert outcome.error is not None
    assert "floating point" in outcome.error


def test_decimal_column_serves_currencies_with_fewer_digits(world: IntakeWorld) -> None:
    parquet = io.BytesIO()
    amounts = [
        Decimal("25.000"),
        Decimal("500.000"),
        Decimal("1.125"),
        Decimal("1.125"),
        Decimal(0),
    ]
    columns = {
        "user_id": ["u"] * 5,
        "amount": pl.Series(amounts, dtype=pl.Decimal(18, 8)),
        "deposit_id": [f"d{number}" for number in range(5)],
        "timestamp": ["2026-11-20T10:00:00Z"] * 5,
        "currency": ["USD", "JPY", "KWD", "USD", "USD"],
    }
    pl.DataFrame(columns).write_parquet(parquet)

    outcome = world.submit("deposits", parquet.getvalue(), name="a.parquet")

    assert outcome.totals_minor == {"JPY": 500, "KWD": 1125, "USD": 2500}
    assert outcome.reasons == {"non_positive_amount": 1, "too_many_fraction_digits": 1}


def test_truncated_json_counts_whole_elements_and_one_malformed_row(
    world: IntakeWorld,
) -> None:
    row = '{"user_id":"u1","amount":"1","deposit_id":"d1","timestamp":"2026-11-20T10:00:00Z"}'

    for cut in (f"[{row},", f"[{row},{row[:30]}", f"[{row}"):
        outcome = world.submit("deposits", cut, name="a.json")
        assert (outcome.read, outcome.reasons) == (2, {"malformed_row": 1})


def test_json_amount_never_passes_through_a_float(world: IntakeWorld) -> None:
    text = '[{"user_id":"u1","amount":0.1000000000000000055,"deposit_id":"d1","timestamp":"2026-11-20T10:00:00Z"}]'

    assert world.submit("deposits", text, name="a.json").reasons == {"too_many_fraction_digits": 1}


def test_unclosed_quote_quarantines_one_row(world: IntakeWorld) -> None:
    lines = [GOOD.replace("d1", f"d{number}") for number in range(200)]
    lines[7] = f'"{lines[7]}'
    lines[90] = lines[90].replace("d90", '"d90"')

    outcome = world.submit("deposits", csv_file(HEADER, *lines))

    assert (outcome.read, outcome.accepted) == (200, 199)
    assert outcome.reasons == {"malformed_row": 1}


def test_transaction_without_payment_method_is_accepted_as_unknown(world: IntakeWorld) -> None:
    nested = {"transaction_id": "t3", "order_id": "o1", "timestamp": "2026-11-01T10:00:00Z", "amount": "1", "currency": "USD", "status": "completed"}  # fmt: skip
    objects = [
        nested,
        nested | {"transaction_id": "t4", "payment_method": None},
        nested | {"transaction_id": "t5", "payment_method": {"provider": "stripe"}},
    ]

    outcomes = [
        world.submit("transactions", csv_file(TRANSACTIONS, PAID.replace("card", ""))),
        world.submit(
            "transactions",
            csv_file(
                TRANSACTIONS.replace(",payment_method", ""),
                PAID.replace("card,", "").replace("t1", "t2"),
            ),
        ),
        world.submit("transactions", json.dumps(objects), name="a.json"),
    ]

    assert [outcome.accepted for outcome in outcomes] == [1, 1, 3]
    assert world.rows("transactions")["payment_method"].to_list() == ["unknown"] * 5
    assert world.rows("transactions")["provider"].to_list() == [None] * 4 + ["stripe"]
