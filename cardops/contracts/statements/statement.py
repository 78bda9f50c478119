"""A bank statement as every format has it, and its rows under the contract of bank statements.

Belongs here: what the formats have in common. Amounts are exact decimals, debits negative.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final

from cardops.rules.errors import ExplainedError

MAX_ID_LENGTH: Final = 64
_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
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
    """One account's booked entries between two balances, the closing one of `closed_on`.

    `begins`, `ends`: false where it is a page with others before or after it.
    """

    account_id: str
    statement_id: str
    closed_on: date
    currency: str
    opening: Decimal
    closing: Decimal
    entries: Sequence[Entry] = ()
    begins: bool = True
    ends: bool = True


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


def exact_amount(text: str | None) -> Decimal:
    """The decimal in XML, which has no sign there. Raises StatementError, also for `1e3` and the like."""
    if text is None or not _DECIMAL.fullmatch(text.strip()):
        raise StatementError(f"{text!r} is no amount")
    return Decimal(text.strip())


def only_currency(currencies: Iterable[str], statement_id: str) -> str:
    """The currency of balances and entries. Raises StatementError where there are several."""
    found = sorted(set(currencies))
    if len(found) != 1:
        raise StatementError(
            f"statement {statement_id} has money in {' and '.join(found)}, which cannot be added up"
        )
    return found[0]


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
        if not (pages[0].begins and pages[-1].ends):
            raise StatementError(
                f"statement {pages[0].statement_id} of account {pages[0].account_id} is not whole: its "
                f"{'last' if pages[0].begins else 'first'} page is missing"
            )
        entries = [entry for page in pages for entry in page.entries]
        yield replace(pages[-1], opening=pages[0].opening, entries=entries)
