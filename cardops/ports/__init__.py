"""What services need from outside, as Protocols; one module per subject.

Adapters implement them; assets, sensors and the authorizer ask for them; tests pass fakes.

Belongs here: signatures and their guarantees. Does not belong here: implementations, or types that
a rule needs (those are in cardops.rules). Polars and DuckDB appear in annotations only, so that
importing this package is cheap.
"""

from cardops.ports.accounts import DepositLedger, SpendingLimits
from cardops.ports.acknowledgements import Acknowledgements
from cardops.ports.alarms import AlarmChannel, AlarmChannels, Incidents
from cardops.ports.audit import AuditTrail
from cardops.ports.authorizations import Authorizations, CallerDirectory, ExpiredHolds, Tracing
from cardops.ports.bank import SafeguardingAccounts
from cardops.ports.callbacks import (
    CallbackAdministration,
    CallbackArchive,
    CallbackMetrics,
    CallbackOutbox,
    CallbackSender,
)
from cardops.ports.deliveries import (
    Breakers,
    DeliveryLedger,
    Destinations,
    FileDelivery,
    Readable,
)
from cardops.ports.disputes import DisputeAlarms, DisputeRecords, Disputes
from cardops.ports.environment import (
    Clock,
    DatabaseTime,
    DatabaseWatch,
    Notifier,
    SecretStore,
)
from cardops.ports.evidence import DisputeEvidence
from cardops.ports.expected_files import ExpectedFiles
from cardops.ports.files import Lake, ObjectListing, ObjectStore
from cardops.ports.fraud import RingActivity, RingGraph, RingSnapshots, RingSources
from cardops.ports.intake import Arrivals, ArrivalWatch, IntakeLedger
from cardops.ports.known_rows import EarlierRows, JudgingTurn, KnownRows
from cardops.ports.mappings import FileMappings
from cardops.ports.monitoring import MonitoringAlarms, MonitoringProgrammes
from cardops.ports.programs import Programs
from cardops.ports.provisional import ProvisionalLedger, ProvisionalPolicies
from cardops.ports.reads import Reads
from cardops.ports.reconciliation import (
    Books,
    DayExport,
    ExportedDay,
    LakeBooks,
    ReconciledDay,
    RecoveryDrill,
    TransactionLog,
)
from cardops.ports.source_controls import SourceControls
from cardops.ports.waiting_rows import WaitingList
from cardops.ports.warehouse import IcebergCatalog, Publication, Reports, Warehouse

__all__ = [
    "Acknowledgements",
    "AlarmChannel",
    "AlarmChannels",
    "ArrivalWatch",
    "Arrivals",
    "AuditTrail",
    "Authorizations",
    "Books",
    "Breakers",
    "CallbackAdministration",
    "CallbackArchive",
    "CallbackMetrics",
    "CallbackOutbox",
    "CallbackSender",
    "CallerDirectory",
    "Clock",
    "DatabaseTime",
    "DatabaseWatch",
    "DayExport",
    "DeliveryLedger",
    "DepositLedger",
    "Destinations",
    "DisputeAlarms",
    "DisputeEvidence",
    "DisputeRecords",
    "Disputes",
    "EarlierRows",
    "ExpectedFiles",
    "ExpiredHolds",
    "ExportedDay",
    "FileDelivery",
    "FileMappings",
    "IcebergCatalog",
    "Incidents",
    "IntakeLedger",
    "JudgingTurn",
    "KnownRows",
    "Lake",
    "LakeBooks",
    "MonitoringAlarms",
    "MonitoringProgrammes",
    "Notifier",
    "ObjectListing",
    "ObjectStore",
    "Programs",
    "ProvisionalLedger",
    "ProvisionalPolicies",
    "Publication",
    "Readable",
    "Reads",
    "ReconciledDay",
    "RecoveryDrill",
    "Reports",
    "RingActivity",
    "RingGraph",
    "RingSnapshots",
    "RingSources",
    "SafeguardingAccounts",
    "SecretStore",
    "SourceControls",
    "SpendingLimits",
    "Tracing",
    "TransactionLog",
    "WaitingList",
    "Warehouse",
]
