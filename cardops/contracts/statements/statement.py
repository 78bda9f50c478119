"""A bank statement as every format has it, and its rows under the contract of bank statements.

Belongs here: what the formats have in common. Amounts are exact decimals, debits negative.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final

from cardops.rules.errors import ExplainedError

MAX_ID_LENGTH: Final = 64
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_.:-]+")

StatementRow = dict[str, str | None]


class StatementError(ExplainedError, ValueError):
    """A statement that cannot be understood; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Money that was booked: `amount` is negative for a debit."""

    amount: Decimal
    booked_on: date | None
    valued_on: date | None = None
    reference: str | None = None
    remittance: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One account's booked entries between two balances, the closing one of `closed_on`."""

    account_id: str
    statement_id: str
    closed_on: date
    currency: str
    opening: Decimal
    closing: Decimal
    entries: Sequence[Entry] = ()


def statement_rows(statements: Sequence[Statement]) -> Iterator[StatementRow]:
    """One row an entry; one row with the balances alone for a statement without entries."""
    for statement in _joined_pages(statements):
        shared: StatementRow = {
            "account_id": as_id(statement.account_id),
            "statement_id": as_id(statement.statement_id),
            "statement_date": statement.closed_on.isoformat(),
            "currency": statement.currency,
            "opening_balance": f"{statement.opening:f}",
            "closing_balance": f"{statement.closing:f}",
        }
        if not statement.entries:
            yield shared
        for number, entry in enumerate(statement.entries, 1):
            yield {**shared, "entry_id": str(number), **_entry_cells(entry, statement.closed_on)}


def as_id(text: str) -> str:
    """The text as an id of ours: other characters become hyphens."""
    return _NO_ID.sub("-", text.strip())[:MAX_ID_LENGTH]


def _entry_cells(entry: Entry, closed_on: date) -> StatementRow:
    return {
        "amount": f"{abs(entry.amount):f}",
        "direction": "debit" if entry.amount < 0 else "credit",
        "booking_date": (entry.booked_on or closed_on).isoformat(),
        "value_date": entry.valued_on.isoformat() if entry.valued_on else None,
        "reference": entry.reference,
        "remittance": entry.remittance,
    }


def _joined_pages(statements: Sequence[Statement]) -> Iterator[Statement]:
    """A statement over several messages is one: it opens with the first, closes with the last."""
    by_number = groupby(
        statements, key=lambda page: (page.account_id, page.currency, page.statement_id)
    )
    for _, group in by_number:
        pages = list(group)
        for page, following in pairwise(pages):
            if page.closing != following.opening:
                raise StatementError(
                    f"statement {page.statement_id} of account {page.account_id} has a page that "
                    f"closes with {page.closing:f} and a next one that opens with "
                    f"{following.opening:f}"
                )
        entries = [entry for page in pages for entry in page.entries]
        yield replace(pages[-1], opening=pages[0].opening, entries=entries)
