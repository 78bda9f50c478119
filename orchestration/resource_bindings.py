"""One resource for each port, by the parameter name under which assets and sensors ask for it."""

import inspect
from collections.abc import Mapping
from typing import Any

import dagster as dg
from typing_extensions import override

from assets.run_history import RunHistory
from cardops.ports import RecoveryDrill
from resources.adapters import adapters
from resources.analytics import (
    DisputesResource,
    IcebergCatalogResource,
    LakeBooksResource,
    MonitoringProgrammesResource,
    ReportsResource,
    RingSnapshotsResource,
    RingSourcesResource,
    WarehouseResource,
)
from resources.files import ArrivalsResource, LakeResource, ObjectStoreResource
from resources.ledgers import (
    AcknowledgementsResource,
    BooksResource,
    BreakersResource,
    CallbackArchiveResource,
    DeliveryLedgerResource,
    DepositLedgerResource,
    DisputeAlarmsResource,
    DisputeEvidenceResource,
    DisputeRecordsResource,
    ExpectedFilesResource,
    IncidentsResource,
    IntakeLedgerResource,
    KnownRowsResource,
    LogReaderResource,
    MonitoringAlarmsResource,
    ProgramsResource,
    ProvisionalLedgerResource,
    ProvisionalPoliciesResource,
    SafeguardingAccountsResource,
    SourceControlsResource,
    WaitingListResource,
)
from resources.outside import (
    ClockResource,
    DestinationsResource,
    NotifierResource,
)


class RecoveryDrillResource(dg.ConfigurableResource[RecoveryDrill]):
    """Drills of the instance that the settings name."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> RecoveryDrill:
        # It loads the intake, which ticks of sensors do not need.
        from orchestration.proving.drill import SettingsDrill  # noqa: PLC0415

        return SettingsDrill(adapters().settings)


class RunHistoryResource(dg.ConfigurableResource[RunHistory]):
    """What this instance remembers of runs and alarms."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> RunHistory:
        from orchestration.local.history import SettingsHistory  # noqa: PLC0415 - as above

        ours = adapters()
        return SettingsHistory(ours.settings, ours.clock, ours.incidents)


def resources() -> Mapping[str, dg.ResourceDefinition]:
    """Every resource. The settings decide which adapter each builds, when a run or a tick starts."""
    return {name: _made_plainly(resource) for name, resource in _configured().items()}


def _made_plainly(resource: dg.ConfigurableResource[Any]) -> dg.ResourceDefinition:
    """The same resource without Dagster's checks and copies of its fields, which no run changes.

    They took half of the time of a tick, and sensors make fifty resources every five seconds.
    """

    def make(context: dg.InitResourceContext) -> Any:
        return resource.create_resource(context)

    return dg.ResourceDefinition(make, description=inspect.getdoc(resource))


def _configured() -> Mapping[str, dg.ConfigurableResource[Any]]:
    return {
        "raw_store": ObjectStoreResource(role="raw"),
        "processed_store": ObjectStoreResource(role="processed"),
        "failed_store": ObjectStoreResource(role="failed"),
        "lake": LakeResource(),
        "intake_ledger": IntakeLedgerResource(),
        "source_controls": SourceControlsResource(),
        "known_rows": KnownRowsResource(),
        "waiting_list": WaitingListResource(),
        "expected_files": ExpectedFilesResource(),
        "safeguarding_accounts": SafeguardingAccountsResource(),
        "deposit_ledger": DepositLedgerResource(),
        "provisional_policies": ProvisionalPoliciesResource(),
        "provisional_ledger": ProvisionalLedgerResource(),
        "acknowledgement_ledger": AcknowledgementsResource(),
        "breakers": BreakersResource(),
        "delivery_ledger": DeliveryLedgerResource(),
        "disputes": DisputesResource(),
        "dispute_records": DisputeRecordsResource(),
        "dispute_evidence": DisputeEvidenceResource(),
        "dispute_alarms": DisputeAlarmsResource(),
        "incidents": IncidentsResource(),
        "monitoring_programmes": MonitoringProgrammesResource(),
        "raised_monitoring_alarms": MonitoringAlarmsResource(),
        "log_reader": LogReaderResource(),
        "books": BooksResource(),
        "archive": CallbackArchiveResource(),
        "lake_books": LakeBooksResource(),
        "drill": RecoveryDrillResource(),
        "history": RunHistoryResource(),
        "warehouse": WarehouseResource(),
        "reports": ReportsResource(),
        "iceberg_catalog": IcebergCatalogResource(),
        "ring_snapshots": RingSnapshotsResource(),
        "ring_sources": RingSourcesResource(),
        "programs": ProgramsResource(),
        "arrivals": ArrivalsResource(),
        "destinations": DestinationsResource(),
        "notifier": NotifierResource(),
        "clock": ClockResource(),
    }
