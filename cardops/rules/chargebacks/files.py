"""The at most four CSV files of a chargeback batch: membership, names, bytes, control totals.

Belongs here: everything that fixes a file's bytes, one row at a time. This is the oracle of
cardops.contracts.lake.chargeback_csv, which makes the same bytes of whole columns. Nothing here reads
a clock: the same rows give the same bytes, in whatever order they come.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from cardops.rules.chargebacks.routing import MIXED, NETWORKS
from cardops.rules.currencies import EXPONENTS
from cardops.rules.money import format_amount

MAX_CHARGEBACK_FILES: Final = 4
FORMAT_VERSION: Final = 1

COLUMNS: Final = (
    "case_number",
    "stage",
    "action_sequence",
    "network",
    "transaction_id",
    "arn",
    "merchant_id",
    "merchant_name",
    "card_bin",
    "card_last4",
    "transaction_date",
    "transaction_amount",
    "transaction_currency",
    "dispute_amount",
    "dispute_currency",
    "dispute_date",
    "reason_code",
    "reason_category",
    "reason_text",
    "status",
    "reply_by_date",
)
# What people typed somewhere. Ids were held to their pattern at intake and are never touched.
TEXT_COLUMNS: Final = ("merchant_name", "reason_code", "reason_category", "reason_text", "status")
# A spreadsheet runs a cell that begins so.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class SplitMode(StrEnum):
    """How a batch becomes files; sealed in the batch, never switched by itself."""

    BY_NETWORK = "by_network"
    SIZE_BALANCED = "size_balanced"


@dataclass(frozen=True, slots=True)
class Chargeback:
    """One row of a chargeback file, in the order of COLUMNS, amounts in minor units."""

    case_number: str
    stage: str
    action_sequence: int
    network: str
    transaction_id: str
    arn: str | None
    merchant_id: str | None
    merchant_name: str | None
    card_bin: str | None
    card_last4: str | None
    transaction_date: date | None
    transaction_amount_minor: int | None
    transaction_currency: str | None
    dispute_amount_minor: int
    dispute_currency: str
    dispute_date: date
    reason_code: str | None
    reason_category: str | None
    reason_text: str | None
    status: str | None
    reply_by_date: date | None


@dataclass(frozen=True, slots=True)
class Body:
    """A file's bytes, and what was counted while they were made."""

    content: bytes
    row_count: int
    totals_minor: Mapping[str, int]
    neutralised_count: int

    @property
    def sha256(self) -> str:
        """Of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Whose file it is. `label` is the network, or `mixed-<1..4>` of a size-balanced batch."""

    batch_id: str
    program: str
    business_date: date
    label: str
    sequence: int
    previous_sequence: int

    @property
    def name(self) -> str:
        """`CB_<network>_<program>_<business date>_<sequence>_v1.csv`; nothing from the clock."""
        return (
            f"CB_{self.label}_{self.program}_{self.business_date.isoformat()}"
            f"_{self.sequence:06d}_v{FORMAT_VERSION}.csv"
        )

    @property
    def control_name(self) -> str:
        """The control file, delivered last."""
        return f"{self.name}.ctl"


def slot_label(slot: str, mode: SplitMode) -> str:
    """What a slot is called in file names: its network, or `mixed-<1..4>`."""
    return slot if mode is SplitMode.BY_NETWORK else f"{MIXED}-{NETWORKS.index(slot) + 1}"


def slot_destination(slot: str, mode: SplitMode) -> str:
    """To whom a slot's file goes: its card company, or the one that wants equal parts."""
    return slot if mode is SplitMode.BY_NETWORK else "default"


def slot_ranges(row_count: int) -> dict[str, tuple[int, int]]:
    """Size-balanced: each slot's (offset, length) in the sorted rows; lengths differ by one at most."""
    length, longer = divmod(row_count, MAX_CHARGEBACK_FILES)
    ranges, offset = {}, 0
    for position, slot in enumerate(NETWORKS):
        size = length + (position < longer)
        ranges[slot] = (offset, size)
        offset += size
    return ranges


def split_into_files(
    chargebacks: Iterable[Chargeback], mode: SplitMode
) -> dict[str, list[Chargeback]]:
    """Every row to exactly one of at most four slots, each sorted; a slot without rows is absent."""
    rows = sorted(chargebacks, key=sort_key)
    if mode is SplitMode.BY_NETWORK:
        slots = {slot: [row for row in rows if row.network == slot] for slot in NETWORKS}
    else:
        slots = {slot: rows[at : at + size] for slot, (at, size) in slot_ranges(len(rows)).items()}
    if sum(map(len, slots.values())) != len(rows):
        strangers = sorted({row.network for row in rows} - set(NETWORKS))
        raise ValueError(f"no file takes the rows of {', '.join(strangers)}: route them first")
    return {slot: members for slot, members in slots.items() if members}


def sort_key(row: Chargeback) -> tuple[str, str, int, tuple[str, ...]]:
    """By case, stage and sequence; what follows makes the order total."""
    return (row.case_number, row.stage, row.action_sequence, plain_cells(row))


def plain_cells(row: Chargeback) -> tuple[str, ...]:
    """The row as text, formulas as they came."""
    texts = dict(zip(COLUMNS, map(_text, astuple(row)), strict=True))
    texts["transaction_amount"] = _amount(row.transaction_amount_minor, row.transaction_currency)
    texts["dispute_amount"] = _amount(row.dispute_amount_minor, row.dispute_currency)
    return tuple(texts.values())


def render(rows: Sequence[Chargeback], *, neutralise: bool = True) -> Body:
    """The CSV of one slot's rows: UTF-8, CRLF, every field quoted, sorted."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    neutralised_count, totals = 0, dict[str, int]()
    for row in sorted(rows, key=sort_key):
        cells, count = neutralised(plain_cells(row)) if neutralise else (plain_cells(row), 0)
        writer.writerow(cells)
        neutralised_count += count
        currency = row.dispute_currency
        totals[currency] = totals.get(currency, 0) + row.dispute_amount_minor
    return Body(lines.getvalue().encode(), len(rows), totals, neutralised_count)


def neutralised(cells: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """The cells with an apostrophe before each text that a spreadsheet would run, and how many."""
    pairs = zip(COLUMNS, cells, strict=True)
    safe = tuple(
        f"'{cell}" if name in TEXT_COLUMNS and cell.startswith(FORMULA_STARTS) else cell
        for name, cell in pairs
    )
    return safe, sum(map(str.__ne__, safe, cells))


def control_json(
    identity: FileIdentity,
    *,
    row_count: int,
    totals_minor: Mapping[str, int],
    sha256: str,
    neutralised_count: int,
) -> bytes:
    """The control file: what its CSV must contain. The same values give the same bytes."""
    control = {
        "version": FORMAT_VERSION,
        "batch": identity.batch_id,
        "program": identity.program,
        "network": identity.label.partition("-")[0],
        "sequence": identity.sequence,
        "previous_sequence": identity.previous_sequence,
        "rows": row_count,
        "totals": dict(sorted(totals_minor.items())),
        "sha256": sha256,
        "neutralised": neutralised_count,
    }
    return (json.dumps(control, indent=2) + "\n").encode()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _amount(amount_minor: int | None, currency: str | None) -> str:
    if amount_minor is None or currency not in EXPONENTS:
        return ""
    return format_amount(amount_minor, currency)
