"""Deposits and limits of accounts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from cardops.ports import DepositLedger, SpendingLimits


class AccountAdapters(InstanceAdapters):
    """What credits and limits accounts."""

    @cached_property
    def deposit_ledger(self) -> DepositLedger:
        """Deposits into accounts."""
        from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger

        return PostgresDepositLedger(self.database.url)

    @cached_property
    def spending_limits(self) -> SpendingLimits:
        """Limits of users and programs."""
        from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits

        return PostgresSpendingLimits(self.database.url)
