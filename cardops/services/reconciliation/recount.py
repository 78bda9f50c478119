"""Raw deposit files counted again, against what the store credited of them.

Belongs here: which row of a raw file should have been credited, and the breaks where it was not.
The rows themselves come from raw_rows, the credits from the store.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, Final

import polars as pl

from cardops.contracts.lake.reconciliation import CREDITED_COLUMNS, FOUND_COLUMNS
from cardops.ports import Books, ObjectStore
from cardops.rules.intake.arrivals import released_from
from cardops.rules.intake.objects import ObjectMissingError
from cardops.rules.mappings.mapping import STRICT
from cardops.rules.reconciliation.raw_files import CountedFile, RawDeposit
from cardops.services.reconciliation.mapped_rows import (
    contract_rows,
    csv_cells,
    for_released_file,
    is_workbook,
    sheet_cells,
)
from cardops.services.reconciliation.raw_rows import (
    EPOCH,
    Values,
    as_deposit,
    decompressed,
    read_rows,
)

# A file in these states has credited what it will; others are at work, or must have credited nothing.
RECALLED: Final = "recalled"
RECOUNTED: Final = frozenset({"applied", "dead", RECALLED})
IDS_A_QUERY: Final = 10_000
BLOCK_BYTES: Final = 1024 * 1024
# A row further ahead of its file's claim than clocks explain was refused; whether one at the edge was,
# only the intake's clock knew.
MAX_AHEAD: Final = timedelta(hours=24)
_CONTENT: Final = ("deposit_id", "user_id", "currency", "amount_minor", "occurred_micros")
_ROWS: Final = CREDITED_COLUMNS


@dataclass(frozen=True, slots=True)
class Recount:
    """What was found, with FOUND_COLUMNS; files read again, and files that are not there any more."""

    found: pl.DataFrame
    read_count: int
    missing_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class RawCount:
    """A raw file's number of rows and its valid ones, with CREDITED_COLUMNS."""

    row_count: int
    content_sha256: str
    valid: pl.DataFrame


def recount_files(files: Iterable[CountedFile], raw_store: ObjectStore, books: Books) -> Recount:
    """Read these files again; one that the store of raw files no longer has is left out."""
    found = [pl.DataFrame(schema=FOUND_COLUMNS)]
    read_count, missing = 0, list[str]()
    for file in files:
        if file.status not in RECOUNTED:
            continue
        try:
            with raw_store.open(file.key) as content:
                raw = _count(file, content)
        except ObjectMissingError:
            missing.append(file.key)
            continue
        read_count += 1
        rows = list(_breaks(file, raw, books))
        found.append(pl.DataFrame(rows, schema=FOUND_COLUMNS, orient="row"))
    return Recount(pl.concat(found), read_count, missing)


def _count(file: CountedFile, content: BinaryIO) -> RawCount:
    digest = hashlib.sha256()
    while block := content.read(BLOCK_BYTES):
        digest.update(block)
    content.seek(0)
    latest = (file.claimed_at + MAX_AHEAD - EPOCH) // timedelta(microseconds=1)
    valid: list[tuple[object, ...]] = []
    row_count = 0
    for values in _rows_of(file, content):
        row_count += 1
        deposit = as_deposit(row_count, values, file.currency)
        if deposit is not None:
            valid.append(_row(deposit, is_certain=deposit.occurred_micros <= latest))
    return RawCount(row_count, digest.hexdigest(), pl.DataFrame(valid, schema=_ROWS, orient="row"))


def _rows_of(file: CountedFile, content: BinaryIO) -> Iterator[Values | None]:
    mapping = file.mapping
    if released_from(file.key) is not None:
        mapping = for_released_file(mapping)
    if is_workbook(file.key):
        records = sheet_cells(decompressed(file.key.lower(), content).read(), mapping)
        return contract_rows(records, mapping, file.currency)
    if mapping == STRICT:
        return read_rows(file.key, content)
    records = csv_cells(decompressed(file.key.lower(), content), mapping)
    return contract_rows(records, mapping, file.currency)


def _row(deposit: RawDeposit, *, is_certain: bool) -> tuple[object, ...]:
    return (*deposit, is_certain)


def _breaks(file: CountedFile, raw: RawCount, books: Books) -> Iterator[tuple[object, ...]]:
    subject = f"intake file {file.intake_id} ({file.key})"
    if raw.content_sha256 != file.content_sha256:
        yield _found(
            file, "raw_files_are_unchanged", f"{subject}: other content", raw.row_count, file.read
        )
    credited = books.credited_rows(file.intake_id)
    if file.status != RECALLED:
        # A deposit that was recalled may have been credited again by a corrected file.
        credited = credited.filter("is_standing")
    expected, elsewhere = _split(file, raw.valid, credited, books)
    if file.read is not None and file.status != RECALLED:
        for name, a, b in _counts(file, raw, expected, elsewhere):
            if a != b:
                yield _found(file, "raw_rows_equal_rows_counted", f"{subject}: rows {name}", a, b)
    yield from _amount_breaks(file, subject, expected, credited)


def _found(
    file: CountedFile, check: str, subject: str, a: int, b: int | None, currency: str | None = None
) -> tuple[object, ...]:
    return (check, file.program, None, currency, subject, a, b or 0)


def _split(
    file: CountedFile, valid: pl.DataFrame, credited: pl.DataFrame, books: Books
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that this file should have credited, and the latest credits of its other deposits.

    The first valid row of a deposit counts, unless another file had credited the deposit before.
    """
    first = valid.unique("deposit_id", keep="first", maintain_order=True)
    own = first.join(credited, on="deposit_id", how="semi")
    others = first.join(credited, on="deposit_id", how="anti")
    known = [
        books.known_deposits(file.program, chunk["deposit_id"].to_list())
        for chunk in others.iter_slices(IDS_A_QUERY)
    ]
    elsewhere = pl.concat([pl.DataFrame(schema=_ROWS), *known])
    if file.status == RECALLED:
        return own, elsewhere  # what was not credited before the recall never will be
    uncredited = others.join(elsewhere, on="deposit_id", how="anti").filter("is_standing")
    return pl.concat([own, uncredited]).sort("row_number"), elsewhere


def _counts(
    file: CountedFile, raw: RawCount, expected: pl.DataFrame, elsewhere: pl.DataFrame
) -> list[tuple[str, int, int | None]]:
    """Each count by the raw file and by the ledger."""
    known = pl.concat([expected, elsewhere]).select(_CONTENT)
    same = raw.valid.join(known, on=_CONTENT, how="semi")
    duplicate = same.join(expected, on="row_number", how="anti").height
    quarantined = raw.row_count - expected.height - duplicate
    both = [("read", raw.row_count, file.read), ("accepted", expected.height, file.accepted)]
    if file.recalled_before:
        # Whether such a row repeats a recalled one or corrects it, it was quarantined.
        return both
    return [
        *both,
        ("duplicate", duplicate, file.duplicate),
        ("quarantined", quarantined, file.quarantined),
    ]


def _amount_breaks(
    file: CountedFile, subject: str, expected: pl.DataFrame, credited: pl.DataFrame
) -> Iterator[tuple[object, ...]]:
    """One break a currency: the amounts of rows that only one of the two has."""
    rows = credited.unique("row_number")
    key = ("row_number", *_CONTENT)
    only_raw = expected.join(rows, on=key, how="anti")
    only_store = rows.join(expected, on=key, how="anti")
    for currency in sorted({*only_raw["currency"], *only_store["currency"]}):
        a, b = only_raw.filter(currency=currency), only_store.filter(currency=currency)
        numbers = sorted({*a["row_number"], *b["row_number"]})
        where = f"{subject}: row {numbers[0]}" + (
            f" and {len(numbers) - 1} more" if numbers[1:] else ""
        )
        yield _found(
            file, "raw_deposits_equal_deposits_credited", where,
            _total(a), _total(b), currency,
        )  # fmt: skip


def _total(rows: pl.DataFrame) -> int:
    """The sum of the amounts, also where it is no i64 any more."""
    return int(rows["amount_minor"].cast(pl.Int128).sum())
