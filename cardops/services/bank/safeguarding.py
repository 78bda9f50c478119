"""The safeguarding figure of a business date: closing balances at the bank against balances of users.

Belongs here: reading both from the lake and comparing them. A figure that cannot be known is a break:
a due statement that is absent, or a date that was not closed. On a weekend or a holiday of the bank
the figure is that of the last business day: what users spend meanwhile moves at the bank later.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

import polars as pl

from cardops.contracts.lake.tables import SAFEGUARDING, SNAPSHOT
from cardops.ports import Lake, SafeguardingAccounts
from cardops.rules.bank.safeguarding import (
    ONE_DAY,
    SafeguardingAccount,
    SafeguardingCheck,
    last_business_day,
)
from cardops.rules.bank.statement_days import StatementBalances, StatementDay, statement_day
from cardops.services.intake.holiday_dates import holiday_dates

TABLE: Final = "safeguarding"
# Business days that several banks have in common, and statements to compare them by, lie no further back.
LOOK_BACK: Final = timedelta(days=31)
_ACCOUNT: Final = ("program", "account_id", "currency")

# Program, bank account and currency -> its dates with statements, in order.
Statements = Mapping[tuple[str, str, str], Mapping[date, StatementDay]]
Row = tuple[str, str | None, str | None, str, int | None, int | None, bool, date]


@dataclass(frozen=True, slots=True)
class SafeguardingService:
    """Programs without a safeguarding account are not compared."""

    accounts: SafeguardingAccounts
    lake: Lake

    def check(self, business_date: date, today: date) -> pl.DataFrame:
        """One row a figure, with the lake's columns; `is_break` says which do not agree.

        Of a date that is not over there is none: no statement is due.
        """
        entries = self.accounts.all()
        in_force = [entry for entry in entries if entry.is_in_force(business_date)]
        if not in_force or business_date >= today:
            return pl.DataFrame(schema=SAFEGUARDING)
        statements = _statements(self.lake, entries, business_date)
        rows = [*self._money(entries, in_force, statements, business_date)]
        rows += _absent(statements, entries, business_date)
        rows += _gaps(statements, in_force)
        return pl.DataFrame(rows, schema=SAFEGUARDING, orient="row")

    def record(self, business_date: date, today: date) -> pl.DataFrame:
        """The same, written to the lake as the date's figures."""
        figures = self.check(business_date, today)
        self.lake.write(TABLE, business_date, SNAPSHOT, figures)
        return figures

    def _money(
        self,
        entries: Sequence[SafeguardingAccount],
        in_force: Sequence[SafeguardingAccount],
        statements: Statements,
        business_date: date,
    ) -> Iterator[Row]:
        """One row for each program and currency that either side has."""
        for program in sorted({entry.program for entry in in_force}):
            own = [entry for entry in in_force if entry.program == program]
            compared_on = _compared_on(own, statements, business_date)
            accounts = {
                entry.account_id
                for entry in entries
                if entry.program == program and entry.is_in_force(compared_on)
            }
            if accounts:
                owed = _owed(self.lake, program, compared_on)
                yield from _compared(program, accounts, statements, owed, compared_on)


def breaks_of(figures: pl.DataFrame, check: SafeguardingCheck) -> pl.DataFrame:
    """The check's rows that do not agree."""
    return figures.filter((pl.col("check_name") == check) & pl.col("is_break"))


def _statements(
    lake: Lake, entries: Sequence[SafeguardingAccount], business_date: date
) -> Statements:
    """The latest dates with statements up to this one, of these bank accounts."""
    table = lake.scan("bank_statements")
    if table is None:
        return {}
    known = pl.LazyFrame(
        {
            "program": [entry.program for entry in entries],
            "account_id": [entry.account_id for entry in entries],
        }
    )
    balances = ("opening_balance_minor", "closing_balance_minor")
    rank = pl.col("statement_date").rank("dense", descending=True).over(_ACCOUNT)
    found = (
        table.filter(pl.col("statement_date") <= business_date)
        .join(known, on=["program", "account_id"], how="semi")
        .group_by(*_ACCOUNT, "statement_date", "statement_id", *balances)
        .agg(pl.col("intake_id").min())
        # The last two, and what may be compared; the one before these only to follow it.
        .filter((rank <= 2) | (pl.col("statement_date") >= business_date - LOOK_BACK))  # noqa: PLR2004
        # By number: 10 follows 9.
        .sort(
            *_ACCOUNT, "statement_date", pl.col("statement_id").str.len_bytes(), "statement_id",
            "intake_id",
        )
        .select(*_ACCOUNT, "statement_date", *balances)
        .collect()
    )  # fmt: skip
    return {
        account: dict(_days(list(rows)))
        for account, rows in groupby(found.iter_rows(), lambda row: row[:3])
    }


def _days(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[date, StatementDay]]:
    """Statements of one account, in order of their dates -> each date's first and last balance."""
    before: int | None = None
    for (on,), statements in groupby(rows, lambda row: row[3:4]):
        day = statement_day([StatementBalances(*row[4:]) for row in statements], before)
        before = day.closing_minor
        yield on, day


def _owed(lake: Lake, program: str, compared_on: date) -> dict[str, int] | None:
    """Sums of the users' ledger balances by currency; None where the date was not closed."""
    table = lake.scan("balances", [compared_on])
    if table is None:
        return None
    sums = (
        table.filter(pl.col("program") == program)
        .group_by("currency")
        .agg(pl.col("ledger_minor").cast(pl.Int128).sum())
        .collect()
    )
    return {currency: int(owed) for currency, owed in sums.iter_rows()}


def _compared_on(
    entries: Sequence[SafeguardingAccount], statements: Statements, business_date: date
) -> date:
    """The last date up to this one that every bank makes a statement of, or made one of."""
    day = business_date
    while day > business_date - LOOK_BACK:
        if all(_is_business_day(entry, day) for entry in entries) or all(
            any(day in days for account, days in statements.items() if _is_of(account, entry))
            for entry in entries
        ):
            return day
        day -= ONE_DAY
    return business_date


def _compared(
    program: str,
    accounts: Collection[str],
    statements: Statements,
    owed: Mapping[str, int] | None,
    compared_on: date,
) -> Iterator[Row]:
    at_bank: dict[str, int] = {}
    for (owner, account_id, currency), days in statements.items():
        until = [on for on in days if on <= compared_on]
        if owner == program and account_id in accounts and until:
            closing = days[until[-1]].closing_minor
            at_bank[currency] = at_bank.get(currency, 0) + closing
    for currency in sorted({*at_bank, *(owed or {})}):
        bank = at_bank.get(currency, 0)
        due = None if owed is None else owed.get(currency, 0)
        check = SafeguardingCheck.MONEY_IS_THERE
        yield program, None, currency, check, bank, due, bank != due, compared_on


def _absent(
    statements: Statements, entries: Sequence[SafeguardingAccount], business_date: date
) -> Iterator[Row]:
    """A due statement that is not there; an account that never had one counts as due.

    An account may have several currencies: one in which it had money is due as well.
    """
    for entry in entries:
        due_on = last_business_day(business_date, _holidays(entry, business_date))
        own = {account[2]: days for account, days in statements.items() if _is_of(account, entry)}
        late = {currency: days for currency, days in own.items() if max(days) < due_on}
        with_money = [
            currency for currency, days in late.items() if days[max(days)].closing_minor != 0
        ]
        currencies = [None] if len(late) == len(own) else sorted(with_money)
        if entry.is_in_force(due_on):  # guard: statement-present
            for currency in currencies:
                check = SafeguardingCheck.STATEMENT_IS_THERE
                yield entry.program, entry.account_id, currency, check, None, None, True, due_on


def _gaps(statements: Statements, entries: Sequence[SafeguardingAccount]) -> Iterator[Row]:
    """An opening balance that is not the closing one of the account's statement before."""
    for account, days in statements.items():
        latest_on = max(days)
        gap = days[latest_on].gap
        if gap is not None and any(_is_of(account, entry) for entry in entries):
            yield *account, SafeguardingCheck.STATEMENTS_FOLLOW, *gap, True, latest_on


def _is_of(account: tuple[str, str, str], entry: SafeguardingAccount) -> bool:
    return account[:2] == (entry.program, entry.account_id)


def _is_business_day(entry: SafeguardingAccount, day: date) -> bool:
    return last_business_day(day, _holidays(entry, day)) == day


def _holidays(entry: SafeguardingAccount, day: date) -> Collection[date]:
    return holiday_dates(entry.holidays, (day.year - 1, day.year))
