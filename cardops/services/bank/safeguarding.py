"""The safeguarding figure of a business date: closing balances at the bank against balances of users.

Belongs here: reading both from the lake and comparing them. A figure that cannot be known is a break:
a due statement that is absent, or a date that was not closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardops.contracts.lake.tables import SAFEGUARDING, SNAPSHOT
from cardops.ports import Lake, SafeguardingAccounts
from cardops.rules.bank.safeguarding import (
    SafeguardingAccount,
    SafeguardingCheck,
    is_statement_due,
)

TABLE: Final = "safeguarding"
_ACCOUNT: Final = ("program", "account_id", "currency")


@dataclass(frozen=True, slots=True)
class SafeguardingService:
    """Programs without a safeguarding account are not compared."""

    accounts: SafeguardingAccounts
    lake: Lake

    def check(self, business_date: date, today: date) -> pl.DataFrame:
        """One row a figure, with the lake's columns; `is_break` says which do not agree.

        Of a date that is not over there is none: no statement is due.
        """
        in_force = [entry for entry in self.accounts.all() if entry.is_in_force(business_date)]
        if not in_force or business_date >= today:
            return pl.DataFrame(schema=SAFEGUARDING)
        statements = _statements(self.lake, in_force, business_date)
        closing = statements.filter(pl.col("statement_date") == pl.col("latest_on"))
        rows = [
            *_money(closing, _owed(self.lake, in_force, business_date)),
            *_absent(closing, in_force, business_date, today),
            *_gaps(statements),
        ]
        return pl.DataFrame(rows, schema=SAFEGUARDING, orient="row")

    def record(self, business_date: date, today: date) -> pl.DataFrame:
        """The same, written to the lake as the date's figures."""
        figures = self.check(business_date, today)
        self.lake.write(TABLE, business_date, SNAPSHOT, figures)
        return figures


def breaks_of(figures: pl.DataFrame, check: SafeguardingCheck) -> pl.DataFrame:
    """The check's rows that do not agree."""
    return figures.filter((pl.col("check_name") == check) & pl.col("is_break"))


def _statements(
    lake: Lake, in_force: Sequence[SafeguardingAccount], business_date: date
) -> pl.DataFrame:
    """Statements up to the date, one row each, in order of their dates, and what their account says."""
    table = lake.scan("bank_statements")
    known = pl.LazyFrame(
        {
            "program": [entry.program for entry in in_force],
            "account_id": [entry.account_id for entry in in_force],
        }
    )
    columns = ["statement_id", "statement_date", "opening_balance_minor", "closing_balance_minor"]
    if table is None:
        names = [*_ACCOUNT, *columns, "latest_on", "before_minor"]
        return pl.DataFrame(schema=dict.fromkeys(names, pl.Null()))
    return (
        table.filter(pl.col("statement_date") <= business_date)
        .join(known, on=["program", "account_id"], how="semi")
        .group_by(*_ACCOUNT, *columns)
        .agg(pl.col("intake_id").min())
        # Of one day and file by number: 10 follows 9.
        .sort("statement_date", "intake_id", pl.col("statement_id").str.len_bytes(), "statement_id")
        .with_columns(
            latest_on=pl.col("statement_date").max().over(_ACCOUNT),
            before_minor=pl.col("closing_balance_minor").shift().over(_ACCOUNT),
        )
        .collect()
    )


def _owed(
    lake: Lake, in_force: Sequence[SafeguardingAccount], business_date: date
) -> dict[tuple[str, str], int] | None:
    """Sums of the users' ledger balances by program and currency; None where it was not closed."""
    table = lake.scan("balances", [business_date])
    if table is None:
        return None
    sums = (
        table.filter(pl.col("program").is_in({entry.program for entry in in_force}))
        .group_by("program", "currency")
        .agg(pl.col("ledger_minor").cast(pl.Int128).sum())
        .collect()
    )
    return {(program, currency): int(owed) for program, currency, owed in sums.iter_rows()}


Row = tuple[str, str | None, str | None, str, int | None, int | None, bool]


def _money(closing: pl.DataFrame, owed: dict[tuple[str, str], int] | None) -> list[Row]:
    """One row for each program and currency that either side has."""
    at_bank: dict[tuple[str, str], int] = {}
    last = closing.unique(subset=_ACCOUNT, keep="last", maintain_order=True)
    for row in last.iter_rows(named=True):
        key = row["program"], row["currency"]
        at_bank[key] = at_bank.get(key, 0) + row["closing_balance_minor"]
    check = SafeguardingCheck.MONEY_IS_THERE
    rows: list[Row] = []
    for program, currency in sorted({*at_bank, *(owed or {})}):
        bank = at_bank.get((program, currency), 0)
        due = None if owed is None else owed.get((program, currency), 0)
        rows.append((program, None, currency, check, bank, due, bank != due))
    return rows


def _absent(
    closing: pl.DataFrame, in_force: Sequence[SafeguardingAccount], business_date: date, today: date
) -> list[Row]:
    """A due statement that is not there; an account that never had one counts as due.

    An account may have several currencies: one in which it had money is due as well.
    """
    check = SafeguardingCheck.STATEMENT_IS_THERE
    is_due = is_statement_due(business_date, today)
    rows: list[Row] = []
    for entry in in_force:
        own = closing.filter(program=entry.program, account_id=entry.account_id)
        late = own.filter(pl.col("statement_date") != business_date)
        with_money = late.filter(pl.col("closing_balance_minor") != 0)
        is_whole_account = late.height == own.height
        currencies = [None] if is_whole_account else sorted(set(with_money["currency"]))
        if own.is_empty() or is_due:  # guard: statement-present
            rows += (
                (entry.program, entry.account_id, currency, check, None, None, True)
                for currency in currencies
            )
    return rows


def _gaps(statements: pl.DataFrame) -> list[Row]:
    """An opening balance that is not the closing one of the account's statement before."""
    check = SafeguardingCheck.STATEMENTS_FOLLOW
    broken = statements.filter(
        (pl.col("statement_date") == pl.col("latest_on"))
        & pl.col("before_minor").is_not_null()
        & (pl.col("before_minor") != pl.col("opening_balance_minor"))
    )
    return [
        (
            row["program"], row["account_id"], row["currency"], check,
            row["opening_balance_minor"], row["before_minor"], True,
        )
        for row in broken.iter_rows(named=True)
    ]  # fmt: skip
