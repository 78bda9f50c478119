"""Deposit ledgers whose accounts and postings a test can read: the model and PostgreSQL alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import polars as pl
import psycopg
from psycopg import sql

from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.frames import stream_frames
from cardops.ports import DepositLedger
from cardops.rules.accounts.ledger import Account

_KEY: Final = {"program": pl.String(), "user_id": pl.String(), "currency": pl.String()}
_SUMS: Final = ("deposits", "recalls", "spends", "reversals", "open_holds")
TOTALS: Final = pl.Schema({**_KEY, **{f"{name}_minor": pl.Int64() for name in _SUMS}})

_ACCOUNT: Final = (
    "select program, user_id, currency, available_minor, held_minor, ledger_seq from accounts"
    " where program = %s and user_id = %s and currency = %s"
)
_TOTALS: Final = """
select program, user_id, currency,
    coalesce(sum(minor) filter (where kind in ('deposit', 'reinstatement')), 0)::bigint
        as deposits_minor,
    coalesce(-sum(minor) filter (where kind = 'recall'), 0)::bigint as recalls_minor,
    coalesce(-sum(minor) filter (where kind = 'spend'), 0)::bigint as spends_minor,
    coalesce(sum(minor) filter (where kind = 'reversal'), 0)::bigint as reversals_minor,
    coalesce(sum(minor) filter (where kind = 'hold'), 0)::bigint as open_holds_minor
from (
    select program, user_id, currency, kind, posted_minor as minor from postings
    union all
    select program, user_id, currency, 'hold', held_minor from holds where state = 'held'
) as entries
{where}
group by program, user_id, currency
"""
_OF_ACCOUNT: Final = sql.SQL("where program = %s and user_id = %s and currency = %s")


@dataclass(frozen=True, slots=True)
class AccountTotals:
    """Sums of an account's postings by kind, in minor units, all non-negative."""

    program: str
    user_id: str
    currency: str
    deposits_minor: int
    recalls_minor: int
    spends_minor: int
    reversals_minor: int

    @property
    def ledger_minor(self) -> int:
        """Deposits - recalls - spends + reversals."""
        return self.deposits_minor - self.recalls_minor - self.spends_minor + self.reversals_minor


class ObservedDepositLedger(DepositLedger, Protocol):
    """A DepositLedger with the reads that only tests need."""

    def account(self, program: str, user_id: str, currency: str) -> Account | None:
        """One account, or None."""

    def posting_totals(self) -> Iterator[pl.DataFrame]:
        """Sums of postings and of open holds by account; columns are those of TOTALS."""

    def account_totals(self, program: str, user_id: str, currency: str) -> AccountTotals:
        """Sums of one account's postings; zeros where it has none."""


class ObservedPostgresDepositLedger(PostgresDepositLedger):
    """The product's ledger, and reads of what it stored."""

    def account(self, program: str, user_id: str, currency: str) -> Account | None:
        with connect(self.url) as session:
            row = session.execute(_ACCOUNT, (program, user_id, currency)).fetchone()
        return None if row is None else Account(*row)

    def posting_totals(self) -> Iterator[pl.DataFrame]:
        with connect(self.url) as session:
            yield from stream_frames(session, sql.SQL(_TOTALS).format(where=sql.SQL("")), TOTALS)

    def account_totals(self, program: str, user_id: str, currency: str) -> AccountTotals:
        query, key = sql.SQL(_TOTALS).format(where=_OF_ACCOUNT), (program, user_id, currency)
        with connect(self.url) as session:
            row = _first(session, query, key)
        return AccountTotals(*(row[:-1] if row else (*key, 0, 0, 0, 0)))


def _first(
    session: psycopg.Connection, query: sql.Composed, values: tuple[str, str, str]
) -> tuple[Any, ...] | None:
    return session.execute(query, values).fetchone()
