"""A deposit file as the intake ledger describes it, and a deposit as its raw file has it.

Belongs here: values that a recount compares. Reading the raw file again is in
cardops.services.reconciliation.raw_rows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cardops.rules.mappings.mapping import STRICT, FileMapping


@dataclass(frozen=True, slots=True)
class CountedFile:
    """What the ledger recorded of a deposit file; counts are None where it never finished.

    `currency` is the program's, for rows that name none. Rows that were refused because their
    deposit was recalled before count as quarantined, and under `recalled_before`. `mapping`: with which
    the file was read.
    """

    intake_id: int
    program: str
    currency: str
    key: str
    content_sha256: str
    status: str
    claimed_at: datetime
    read: int | None
    accepted: int | None
    duplicate: int | None
    quarantined: int | None
    recalled_before: int
    mapping: FileMapping = STRICT


class RawDeposit(NamedTuple):
    """A valid row of a raw deposit file.

    `row_number` counts from 1, `occurred_micros` are microseconds since 1970 in UTC.
    """

    row_number: int
    deposit_id: str
    user_id: str
    currency: str
    amount_minor: int
    occurred_micros: int
