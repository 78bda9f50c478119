"""Files that went wrong somewhere, each made here: every record is accounted for, and only bad ones lost.

read = accepted + duplicate + quarantined for each of them, with the exact counts and reasons; a file
that cannot be read at all says what to mend.
"""

import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cardops.rules.intake.files import FileStatus
from tests.factories.intake_environment import IntakeWorld

HEADER = "user_id,amount,deposit_id,timestamp,currency"
AT = "2026-11-20T10:00:00Z"
MALFORMED, BAD = "malformed_row", "bad_encoding"


@dataclass(frozen=True)
class Hostile:
    """A file, how many of its rows are accepted, and why the others are not.

    `error`: part of the sentence that refuses the file. `duplicate`: rows that are repeated.
    """

    content: bytes
    accepted: int = 1
    reasons: dict[str, int] = field(default_factory=dict)
    duplicate: int = 0
    error: str | None = None
    name: str = "a.csv"


def good(number: int = 1, *, amount: str = "25.00", at: str = AT, user: str = "u1") -> str:
    return f"{user},{amount},d{number},{at},USD"


def lines(*rows: str, header: str = HEADER, accepted: int = 1, **reasons: int) -> Hostile:
    content = "\n".join([header, *rows, ""]).encode("utf-8", "surrogateescape")
    return Hostile(content, accepted, reasons)


def one_bad(row: str, **reasons: int) -> Hostile:
    """A good row, a bad one, and a good one: both good ones go on."""
    return lines(good(1), row, good(2), accepted=2, **reasons)


def refused(content: bytes, error: str, name: str = "a.csv") -> Hostile:
    return Hostile(content, accepted=0, error=error, name=name)


def objects(*elements: str, name: str = "a.json", accepted: int = 1, **reasons: int) -> Hostile:
    text = (
        "[" + ",".join(elements) + "]"
        if name.endswith("json") and name != "a.ndjson"
        else "\n".join(elements)
    )
    return Hostile(text.encode("utf-8", "surrogateescape"), accepted, reasons, name=name)


def element(number: int = 1, **values: str) -> str:
    row = {"user_id": '"u1"', "amount": "25.00", "deposit_id": f'"d{number}"', "timestamp": f'"{AT}"', "currency": '"USD"'}  # fmt: skip
    return "{" + ",".join(f'"{name}":{value}' for name, value in (row | values).items()) + "}"


def parquet(**columns: pa.Array) -> bytes:
    base = {
        "user_id": ["u1"],
        "amount": [Decimal("25.00")],
        "deposit_id": ["d1"],
        "timestamp": [AT],
    }
    target = io.BytesIO()
    pq.write_table(pa.table(base | columns), target)
    return target.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


CSV = f"{HEADER}\n{good()}\n".encode()
MANY = "\n".join([HEADER, *(good(number) for number in range(5_000)), ""]).encode()

BAD_AMOUNTS = {
    "negative": ("-25.00", "non_positive_amount"),
    "zero": ("0", "non_positive_amount"),
    "zero_with_cents": ("0.00", "non_positive_amount"),
    "plus_sign": ("+25", "invalid_amount"),
    "exponent": ("1e3", "invalid_amount"),
    "not_a_number": ("NaN", "invalid_amount"),
    "infinity": ("Infinity", "invalid_amount"),
    "symbol": ("$25.00", "invalid_amount"),
    "underscore": ("1_000", "invalid_amount"),
    "no_whole_part": (".50", "invalid_amount"),
    "no_fraction": ("25.", "invalid_amount"),
    "two_points": ("1.000.00", "invalid_amount"),
    "arabic_digits": ("\u0662\u0665", "invalid_amount"),
    "wide_digits": ("\uff12\uff15", "invalid_amount"),
    "inner_space": ("2 5", "invalid_amount"),
    "three_fraction_digits": ("25.005", "too_many_fraction_digits"),
    "one_minor_unit_too_many": ("90071992547409.92", "amount_out_of_range"),
    "twenty_digits": ("9" * 20, "amount_out_of_range"),
    "formula": ("=1+1", "invalid_amount"),
    "empty": ("", "missing_field"),
}
BAD_TIMES = {
    "date_alone": "2026-11-20",
    "month_13": "2026-13-20T10:00:00Z",
    "day_31_of_april": "2026-04-31T10:00:00Z",
    "february_29": "2023-02-29T10:00:00Z",
    "hour_24": "2026-11-20T24:00:00Z",
    "second_60": "2026-11-20T10:00:60Z",
    "us_order": "11/20/2026 10:00",
    "epoch": "1763632800",
    "lookalike_digits": "2026-11-2\u0660T10:00:00Z",
    "offset_of_25_hours": "2026-11-20T10:00:00+25:00",
    "year_one": "0001-01-01T00:00:00Z",
}
GOOD_TIMES = {
    "offset": "2026-11-20T10:00:00+05:30",
    "naive": "2026-11-20T10:00:00",
    "space": "2026-11-20 10:00:00Z",
    "nanoseconds": "2026-11-20T10:00:00.123456789Z",
    "lower_case": "2026-11-20t10:00:00z",
    "leap_day": "2024-02-29T10:00:00Z",
}

FILES: dict[str, Callable[[], Hostile]] = {
    **{f"amount_{name}": (lambda text=text, code=code: one_bad(good(9, amount=text), **{code: 1})) for name, (text, code) in BAD_AMOUNTS.items()},
    **{f"time_{name}": (lambda text=text: one_bad(good(9, at=text), invalid_timestamp=1)) for name, text in BAD_TIMES.items()},
    **{f"time_{name}": (lambda text=text: lines(good(1, at=text))) for name, text in GOOD_TIMES.items()},
    "time_in_the_future": lambda: one_bad(good(9, at="2999-01-01T00:00:00Z"), future_timestamp=1),
    "amount_thousands_separator": lambda: one_bad('u1,"1,000.00",d9,' + AT + ",USD", invalid_amount=1),
    "largest_amount": lambda: lines(good(1, amount="90071992547409.91")),
    "leading_zeros": lambda: lines(good(1, amount="000025.00")),
    "byte_order_mark": lambda: Hostile(b"\xef\xbb\xbf" + CSV),
    "utf_16": lambda: refused(CSV.decode().encode("utf-16"), "does not begin with text"),
    "nul_in_a_row": lambda: one_bad(good(9, user="u\0"), bad_encoding=1),
    "nul_in_the_header": lambda: refused(b"user\0_id,amount\n", "does not begin with text"),
    "bad_byte": lambda: one_bad(good(9, user=chr(0xDCFF)), bad_encoding=1),
    "bad_byte_in_quotes": lambda: one_bad(f'"{chr(0xDCFF)}",25.00,d9,{AT},USD', bad_encoding=1),
    "cr_only": lambda: Hostile(CSV.replace(b"\n", b"\r")),
    "crlf": lambda: Hostile(CSV.replace(b"\n", b"\r\n")),
    "mixed_line_ends": lambda: Hostile("\r".join([HEADER, good(1), good(2) + "\r\n" + good(3)]).encode(), 3),
    "no_last_line_end": lambda: Hostile(CSV.rstrip()),
    "blank_lines": lambda: lines("", good(1), " \t", good(2), "", accepted=2),
    "open_quote_in_the_first_row": lambda: lines('"u1,1,d9,x,USD', good(1), good(2), accepted=2, malformed_row=1),
    "open_quote_in_the_middle": lambda: one_bad('u1,"1,d9,x,USD', malformed_row=1),
    "open_quote_in_the_last_row": lambda: lines(good(1), good(2), 'u1,1,"d9,x,USD', accepted=2, malformed_row=1),
    "text_after_a_quote": lambda: one_bad(f'"u1"x,1,d9,{AT},USD', malformed_row=1),
    "line_end_in_quotes": lambda: one_bad(f'"u\n1",1,d9,{AT},USD', invalid_id=1),
    "line_end_in_an_unknown_column": lambda: lines(good(1) + ',"two\nlines"', good(2) + ",x", header=HEADER + ",note", accepted=2),
    "escaped_quote": lambda: one_bad(f'"u""1",1,d9,{AT},USD', invalid_id=1),
    "every_field_quoted": lambda: lines(*(",".join(f'"{cell}"' for cell in good(number).split(",")) for number in range(3)), accepted=3),
    "row_too_long": lambda: one_bad(good(9) + ",more", malformed_row=1),
    "row_too_short": lambda: one_bad("u1,25.00", malformed_row=1),
    "long_and_short_rows": lambda: lines(good(1) + ",x", "u1,1", good(2), malformed_row=2),
    "field_of_a_megabyte": lambda: one_bad(good(9, user="u" * 1_000_000), invalid_id=1),
    "row_of_ten_megabytes": lambda: one_bad(good(9, user="u" * 10_000_000), malformed_row=1),
    "empty": lambda: refused(b"", "is empty"),
    "only_blank_lines": lambda: refused(b"\n \n\t\n", "is empty"),
    "header_only": lambda: lines(accepted=0),
    "header_twice": lambda: lines(good(1), HEADER, good(2), accepted=2, invalid_amount=1, invalid_timestamp=1, unknown_currency=1),
    "no_header": lambda: refused(good().encode() + b"\n", "has no column"),
    "repeated_column": lambda: refused(f"{HEADER},amount\n".encode(), "column amount twice"),
    "missing_column": lambda: refused(b"user_id,amount,deposit_id\nu1,1,d1\n", "has no column timestamp"),
    "wrong_delimiter": lambda: refused(CSV.replace(b",", b";"), "has no column"),
    "thousand_columns": lambda: lines(good(1) + ",x" * 1_000, header=HEADER + "".join(f",c{at}" for at in range(1_000))),
    "formula_in_an_id": lambda: one_bad(good(9, user="=cmd|' /C calc'!A0"), invalid_id=1),
    "card_number_in_a_note": lambda: lines(good(1) + ",4111 1111 1111 1111", header=HEADER + ",note"),
    "id_that_passes_luhn": lambda: lines(good(1, user="4111111111111111")),
    "id_that_is_a_folder": lambda: one_bad(good(9, user=".."), invalid_id=1),
    "id_of_65_characters": lambda: one_bad(good(9, user="u" * 65), invalid_id=1),
    "id_of_64_characters": lambda: lines(good(1, user="u" * 64)),
    "lower_case_currency": lambda: one_bad(f"u1,25.00,d9,{AT},usd", unknown_currency=1),
    "everything_wrong": lambda: one_bad("u 1,x,d/9,never,EURO", invalid_id=1, invalid_amount=1, invalid_timestamp=1, unknown_currency=1),
    "same_row_twice": lambda: Hostile(CSV + (good() + "\n").encode(), 1, duplicate=1),
    "same_id_with_other_money": lambda: lines(good(1), good(1, amount="26.00"), conflicting_duplicate=1),
    "gzip": lambda: Hostile(gzip.compress(MANY), 5_000, name="a.csv.gz"),
    "gzip_cut_short": lambda: refused(gzip.compress(MANY)[:-20], "compression", "a.csv.gz"),
    "gzip_that_is_none": lambda: refused(CSV, "compression", "a.csv.gz"),
    "zstd": lambda: Hostile(zstd(MANY), 5_000, name="a.csv.zst"),
    "zstd_in_two_frames": lambda: Hostile(zstd(CSV) + zstd(good(2).encode()), 2, name="a.csv.zst"),
    "zstd_cut_short": lambda: refused(zstd(MANY)[:-20], "compression", "a.csv.zst"),
    "zstd_that_is_none": lambda: refused(CSV, "compression", "a.csv.zst"),
    "json_zstd": lambda: Hostile(zstd(f"[{element()}]".encode()), name="a.json.zst"),
    "ndjson_zstd": lambda: Hostile(zstd(element().encode()), name="a.ndjson.zst"),
    "parquet_zstd": lambda: Hostile(zstd(parquet()), name="a.parquet.zst"),
    "parquet_gzip": lambda: Hostile(gzip.compress(parquet()), name="a.parquet.gz"),
    "parquet_zstd_cut_short": lambda: refused(zstd(parquet())[:-20], "compression", "a.parquet.zst"),
    "json_cut_short": lambda: Hostile(f"[{element(1)},{element(2)[:20]}".encode(), 1, {MALFORMED: 1}, name="a.json"),
    "json_cut_between": lambda: Hostile(f"[{element(1)},".encode(), 1, {MALFORMED: 1}, name="a.json"),
    "json_nan": lambda: objects(element(1), element(9, amount="NaN"), invalid_amount=1),
    "json_repeated_key": lambda: objects(element(1), element(9)[:-1] + ',"amount":1}', malformed_row=1),
    "json_nested": lambda: objects(element(1), element(9, amount='{"value":1}'), invalid_amount=1),
    "json_deep": lambda: objects(element(1), '{"a":' * 100 + "1" + "}" * 100, malformed_row=1),
    "json_float_digits": lambda: objects(element(1), element(9, amount="0.1000000000000000055"), too_many_fraction_digits=1),
    "json_not_an_object": lambda: objects(element(1), "17", malformed_row=1),
    "json_surrogate": lambda: objects(element(1), element(9, user_id='"\\ud800"'), bad_encoding=1),
    "json_is_text": lambda: refused(b"user_id", "neither a JSON array", "a.json"),
    "ndjson_broken_line": lambda: objects(element(1), '{"user_id"', element(2), name="a.ndjson", accepted=2, malformed_row=1),
    "ndjson_bad_byte": lambda: objects(element(1), element(9, user_id=f'"{chr(0xDCFF)}"'), name="a.ndjson", bad_encoding=1),
    "parquet_doubles": lambda: refused(parquet(amount=pa.array([25.0])), "floating point", "a.parquet"),
    "parquet_nulls": lambda: Hostile(parquet(amount=pa.array([None], pa.string())), 0, {"missing_field": 1}, name="a.parquet"),
    "parquet_cut_short": lambda: refused(parquet()[:-10], "Parquet", "a.parquet"),
    "unknown_extension": lambda: refused(CSV, "is none of", "a.xls"),
}  # fmt: skip


@pytest.mark.parametrize("make", FILES.values(), ids=list(FILES))
def test_every_record_of_a_hostile_file_is_counted(
    world: IntakeWorld, make: Callable[[], Hostile]
) -> None:
    hostile = make()

    outcome = world.submit("deposits", hostile.content, name=hostile.name)

    quarantined = world.quarantined()
    assert (hostile.error or "") in (outcome.error or "")
    assert bool(hostile.error) == bool(outcome.error)
    assert outcome.reasons == hostile.reasons
    assert (outcome.accepted, outcome.duplicate) == (hostile.accepted, hostile.duplicate)
    assert outcome.read == outcome.accepted + outcome.duplicate + outcome.quarantined
    assert len(quarantined) == outcome.quarantined
    assert len({row["row_number"] for row in quarantined}) == outcome.quarantined
    assert len(world.deposit_ledger.events) == hostile.accepted
    if hostile.error:
        stored = [key for key in world.failed_store.contents if key.endswith("error.json")]
        assert json.loads(world.failed_store.contents[stored[0]])["error"] == outcome.error
        # What happened, then what to do about it.
        assert re.fullmatch(r".+, so (nothing|no row) .+: .+\.", outcome.error or "")
        (entry,) = world.intake_ledger.needing_attention()
        assert entry.status is FileStatus.REFUSED
        assert world.raw_store.contents[entry.arrival.key] == hostile.content


def test_corpus_has_at_least_sixty_files() -> None:
    assert len(FILES) >= 60
