"""Deposits, limits of accounts, and what disputes give back to them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from cardops.ports import (
        DepositLedger,
        ProvisionalLedger,
        ProvisionalPolicies,
        SpendingLimits,
    )


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

    @cached_property
    def provisional_policies(self) -> ProvisionalPolicies:
        """Whether programs give disputed money back to users meanwhile."""
        from cardops.adapters.postgresql.provisional.policies import PostgresProvisionalPolicies

        return PostgresProvisionalPolicies(self.database.url)

    @cached_property
    def provisional_ledger(self) -> ProvisionalLedger:
        """Credits of disputes, and their ends."""
        from cardops.adapters.postgresql.provisional.ledger import PostgresProvisionalLedger

        return PostgresProvisionalLedger(self.database.url)
