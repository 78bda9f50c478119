"""The sources that reconciliation compares, and copies in which damage is planted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.files import FileAdapters

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from cardops.adapters.postgresql.reconciliation.damages import PostgresDamages
    from cardops.ports import Books, LakeBooks, SafeguardingAccounts, TransactionLog
    from cardops.rules.reconciliation.drills import Restore
    from cardops.settings import Settings


class ReconciliationAdapters(FileAdapters):
    """The books, the log and the bank."""

    @cached_property
    def transaction_log(self) -> TransactionLog:
        """Every decision, deposit, recall and action, by business date."""
        from cardops.adapters.postgresql.reconciliation.transaction_log import (
            PostgresTransactionLog,
        )

        return PostgresTransactionLog(self.database.url)

    @cached_property
    def books(self) -> Books:
        """What reconciliation reads of the store."""
        from cardops.adapters.postgresql.reconciliation.books import PostgresBooks

        return PostgresBooks(self.database.url)

    @cached_property
    def lake_books(self) -> LakeBooks:
        """Closing balances and transaction log in the lake, compared with DuckDB."""
        from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks

        return DuckDbLakeBooks(self.lake, self._duckdb)

    @cached_property
    def safeguarding_accounts(self) -> SafeguardingAccounts:
        """Bank accounts that hold users' money."""
        from cardops.adapters.postgresql.bank.safeguarding import PostgresSafeguardingAccounts

        return PostgresSafeguardingAccounts(self.database.url)


def copied_database(url: str) -> AbstractContextManager[str]:
    """URL of a copy of the whole store, dropped when the block ends. Raises CopyRefusedError."""
    from cardops.adapters.postgresql.database_copy import copied_database

    return copied_database(url)


def restored_store(
    settings: Settings, say: Callable[[str], None]
) -> AbstractContextManager[tuple[str, Restore]]:
    """URL of the store, dumped and restored into a server of its own; removed when the block ends.

    Raises DrillFailedError.
    """
    from cardops.adapters.embedded_postgresql.restored import restored_store
    from cardops.adapters.postgresql.connection import connect_info

    return restored_store(connect_info(settings).url, settings.postgres_bin, say)


def keep_one_program(url: str, program: str) -> None:
    """Remove all other programs from the database of a copy."""
    from cardops.adapters.postgresql.database_copy import keep_one_program

    keep_one_program(url, program)


def store_damages(url: str) -> PostgresDamages:
    """Plants damages in the database of a copy."""
    from cardops.adapters.postgresql.reconciliation.damages import PostgresDamages

    return PostgresDamages(url)
