"""Books in memory, with the accounts and files that a test gives them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl
from typing_extensions import override

from cardops.contracts.lake.reconciliation import BOOKS_COLUMNS, DEPOSIT_FILE_COLUMNS
from cardops.ports import Books


def an_account(user_id: str, **more: int) -> dict[str, object]:
    """An account's row; its two sources agree where `available_minor` equals the deposits."""
    zeros = dict.fromkeys(list(BOOKS_COLUMNS)[3:], 0)
    return {"program": "default", "user_id": user_id, "currency": "USD", **zeros, **more}


@dataclass
class FakeBooks(Books):
    """`pending` are the dates without a final export."""

    account_rows: list[dict[str, object]] = field(default_factory=list)
    file_rows: list[tuple[str, int, str, int, int]] = field(default_factory=list)
    pending: list[date] = field(default_factory=list)

    @override
    def accounts(self, business_date: date) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame(self.account_rows, schema=BOOKS_COLUMNS)

    @override
    def deposit_files(self, business_date: date) -> pl.DataFrame:
        return pl.DataFrame(self.file_rows, schema=DEPOSIT_FILE_COLUMNS, orient="row")

    @override
    def dates_to_export(self, business_date: date) -> Sequence[date]:
        return [day for day in self.pending if day <= business_date]
