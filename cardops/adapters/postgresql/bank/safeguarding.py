"""SafeguardingAccounts on PostgreSQL."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, LiteralString

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.bank.safeguarding import SafeguardingAccount

_ADD: Final = (
    "insert into safeguarding_accounts (program, account_id, since_on, added_by, holidays)"
    " values (%s, %s, %s, %s, %s) on conflict (program, account_id) where until_on is null do nothing"
    " returning account_id"
)
_REMOVE: Final = (
    "update safeguarding_accounts set until_on = greatest(%s, since_on), removed_by = %s,"
    " removed_at = clock_timestamp()"
    " where program = %s and account_id = %s and until_on is null returning account_id"
)
_ALL: Final = (
    "select program, account_id, since_on, until_on, added_by, removed_by, holidays"
    " from safeguarding_accounts order by program, account_id, since_on, added_at"
)


class PostgresSafeguardingAccounts:
    """Implements cardops.ports.SafeguardingAccounts. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def add(self, account: SafeguardingAccount) -> bool:
        """Add an account; False where the program has it already."""
        return bool(
            self._rows(
                _ADD,
                account.program,
                account.account_id,
                account.since_on,
                account.added_by,
                account.holidays,
            )
        )

    def remove(self, program: str, account_id: str, until_on: date, removed_by: str) -> bool:
        """End the account's entry from that date on; False where the program does not have it."""
        return bool(self._rows(_REMOVE, until_on, removed_by, program, account_id))

    def all(self) -> Sequence[SafeguardingAccount]:
        """Every entry, by program, account and first date."""
        return [SafeguardingAccount(*row) for row in self._rows(_ALL)]

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self._url, lambda session: session.execute(query, values).fetchall()
        )
