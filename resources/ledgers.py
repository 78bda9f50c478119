"""Everything that is kept in PostgreSQL."""

import dagster as dg
from typing_extensions import override

from cardops.ports import (
    Acknowledgements,
    Books,
    Breakers,
    CallbackArchive,
    DeliveryLedger,
    DepositLedger,
    DisputeAlarms,
    DisputeEvidence,
    DisputeRecords,
    ExpectedFiles,
    Incidents,
    IntakeLedger,
    KnownRows,
    MonitoringAlarms,
    Programs,
    ProvisionalLedger,
    ProvisionalPolicies,
    SafeguardingAccounts,
    SourceControls,
    TransactionLog,
    WaitingList,
)
from resources.adapters import adapters


class IntakeLedgerResource(dg.ConfigurableResource[IntakeLedger]):
    """Which files were seen, claimed and applied."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> IntakeLedger:
        return adapters().intake_ledger


class IncidentsResource(dg.ConfigurableResource[Incidents]):
    """Alarms as incidents, each with its state."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Incidents:
        return adapters().incidents


class WaitingListResource(dg.ConfigurableResource[WaitingList]):
    """Rows that wait for a reference."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> WaitingList:
        return adapters().waiting_list


class KnownRowsResource(dg.ConfigurableResource[KnownRows]):
    """The index of accepted rows."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> KnownRows:
        return adapters().known_rows


class ExpectedFilesResource(dg.ConfigurableResource[ExpectedFiles]):
    """The calendar of files that senders should deliver."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ExpectedFiles:
        return adapters().expected_files


class SafeguardingAccountsResource(dg.ConfigurableResource[SafeguardingAccounts]):
    """Bank accounts that hold users' money."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> SafeguardingAccounts:
        return adapters().safeguarding_accounts


class SourceControlsResource(dg.ConfigurableResource[SourceControls]):
    """What programs demand of their deposit files, and which are held."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> SourceControls:
        return adapters().source_controls


class DepositLedgerResource(dg.ConfigurableResource[DepositLedger]):
    """Deposits into accounts."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DepositLedger:
        return adapters().deposit_ledger


class ProvisionalPoliciesResource(dg.ConfigurableResource[ProvisionalPolicies]):
    """Whether programs give disputed money back to users meanwhile."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ProvisionalPolicies:
        return adapters().provisional_policies


class ProvisionalLedgerResource(dg.ConfigurableResource[ProvisionalLedger]):
    """Credits of disputes, and their ends."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ProvisionalLedger:
        return adapters().provisional_ledger


class DeliveryLedgerResource(dg.ConfigurableResource[DeliveryLedger]):
    """Chargeback files and the state of each delivery."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DeliveryLedger:
        return adapters().delivery_ledger


class DisputeRecordsResource(dg.ConfigurableResource[DisputeRecords]):
    """What operators recorded about disputes."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DisputeRecords:
        return adapters().dispute_records


class DisputeEvidenceResource(dg.ConfigurableResource[DisputeEvidence]):
    """What people added and sent about disputes."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DisputeEvidence:
        return adapters().dispute_evidence


class DisputeAlarmsResource(dg.ConfigurableResource[DisputeAlarms]):
    """Which alarms of deadlines were raised."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DisputeAlarms:
        return adapters().dispute_alarms


class MonitoringAlarmsResource(dg.ConfigurableResource[MonitoringAlarms]):
    """Which alarms of monitoring programmes were raised."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> MonitoringAlarms:
        return adapters().monitoring_alarms


class AcknowledgementsResource(dg.ConfigurableResource[Acknowledgements]):
    """What the card companies answered about chargeback files."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Acknowledgements:
        return adapters().acknowledgements


class BreakersResource(dg.ConfigurableResource[Breakers]):
    """The circuit breaker of each destination."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Breakers:
        return adapters().breakers


class LogReaderResource(dg.ConfigurableResource[TransactionLog]):
    """The transaction log by business date."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> TransactionLog:
        return adapters().transaction_log


class BooksResource(dg.ConfigurableResource[Books]):
    """What reconciliation reads of the store."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Books:
        return adapters().books


class CallbackArchiveResource(dg.ConfigurableResource[CallbackArchive]):
    """Old callbacks, and for how long they are retained."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> CallbackArchive:
        return adapters().callback_archive


class ProgramsResource(dg.ConfigurableResource[Programs]):
    """Card programs and their partners' keys."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Programs:
        return adapters().programs
