"""Accounts as they are stored, and as their postings add up: the two roads of every balance."""

from collections.abc import Iterator
from typing import Any, Final

import polars as pl
import psycopg
from psycopg import sql

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.frames import stream_frames
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.accounts.ledger import Account, AccountTotals

_KEY: Final = {"program": pl.String(), "user_id": pl.String(), "currency": pl.String()}
ACCOUNTS: Final = pl.Schema(
    {**_KEY, "available_minor": pl.Int64(), "held_minor": pl.Int64(), "ledger_seq": pl.Int64()}
)
TOTALS: Final = pl.Schema(
    {
        **_KEY,
        "deposits_minor": pl.Int64(),
        "recalls_minor": pl.Int64(),
        "spends_minor": pl.Int64(),
        "reversals_minor": pl.Int64(),
        "open_holds_minor": pl.Int64(),
    }
)

_ACCOUNTS: Final = (
    "select program, user_id, currency, available_minor, held_minor, ledger_seq from accounts"
)
_TOTALS: Final = """
select program, user_id, currency,
    coalesce(sum(minor) filter (where kind = 'deposit'), 0)::bigint as deposits_minor,
    coalesce(-sum(minor) filter (where kind = 'recall'), 0)::bigint as recalls_minor,
    coalesce(-sum(minor) filter (where kind = 'spend'), 0)::bigint as spends_minor,
    coalesce(sum(minor) filter (where kind = 'reversal'), 0)::bigint as reversals_minor,
    coalesce(sum(minor) filter (where kind = 'hold'), 0)::bigint as open_holds_minor
from (
    select program, user_id, currency, kind, posted_minor as minor from postings
    union all
    select program, user_id, currency, 'hold', held_minor from holds where state = 'held'
) as entries
{only}
group by program, user_id, currency
"""
_ONE: Final = sql.SQL("where program = %s and user_id = %s and currency = %s")


class AccountReader:
    """Reads of the DepositLedger port. Streams hold a session of their own to their end."""

    def __init__(self, url: str) -> None:
        self.url = url

    def accounts(self) -> Iterator[pl.DataFrame]:
        """All accounts in chunks, one snapshot."""
        return self._stream(sql.SQL(_ACCOUNTS).format(), ACCOUNTS)

    def posting_totals(self) -> Iterator[pl.DataFrame]:
        """The second road, from postings and holds alone, in chunks, one snapshot."""
        return self._stream(sql.SQL(_TOTALS).format(only=sql.SQL("")), TOTALS)

    def account(self, program: str, user_id: str, currency: str) -> Account | None:
        """One account, or None."""
        query = sql.SQL(_ACCOUNTS + " ") + _ONE
        row = run_in_transaction(self.url, lambda s: _one(s, query, (program, user_id, currency)))
        return None if row is None else Account(*row)

    def account_totals(self, program: str, user_id: str, currency: str) -> AccountTotals:
        """Sums of one account's postings; zeros where it has none."""
        query = sql.SQL(_TOTALS).format(only=_ONE)
        row = run_in_transaction(self.url, lambda s: _one(s, query, (program, user_id, currency)))
        return AccountTotals(*(row[:-1] if row else (program, user_id, currency, 0, 0, 0, 0)))

    def _stream(self, query: sql.Composed, schema: pl.Schema) -> Iterator[pl.DataFrame]:
        with connect(self.url) as session:
            yield from stream_frames(session, query, schema)


def _one(
    session: psycopg.Connection, query: sql.Composed, values: tuple[str, str, str]
) -> tuple[Any, ...] | None:
    return session.execute(query, values).fetchone()
