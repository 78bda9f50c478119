"""Everything that is kept in PostgreSQL. Each resource reads the settings when it is made."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.postgresql.reconciliation.transaction_log import PostgresTransactionLog
from cardops.ports import (
    Books,
    DeliveryLedger,
    DepositLedger,
    IntakeLedger,
    Programs,
    TransactionLog,
)
from cardops.settings import Settings


class IntakeLedgerResource(dg.ConfigurableResource[IntakeLedger]):
    """Which files were seen, claimed and applied."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> IntakeLedger:
        return PostgresIntakeLedger(database_url())


class DepositLedgerResource(dg.ConfigurableResource[DepositLedger]):
    """Deposits into accounts."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DepositLedger:
        return PostgresDepositLedger(database_url())


class DeliveryLedgerResource(dg.ConfigurableResource[DeliveryLedger]):
    """Chargeback files and where each stands."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DeliveryLedger:
        return PostgresDeliveryLedger(database_url())


class LogReaderResource(dg.ConfigurableResource[TransactionLog]):
    """The transaction log by business date."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> TransactionLog:
        return PostgresTransactionLog(database_url())


class BooksResource(dg.ConfigurableResource[Books]):
    """What reconciliation reads of the store."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Books:
        return PostgresBooks(database_url())


class ProgramsResource(dg.ConfigurableResource[Programs]):
    """Card programs and their partners' keys."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Programs:
        return PostgresPrograms(database_url())


def database_url() -> str:
    """The database of this instance, started and migrated where that is still to be done."""
    return connect_info(Settings.load()).url
