"""What assets and sensors are handed: one resource for each port, by parameter name."""

from collections.abc import Mapping
from typing import Any

from resources.analytics import WarehouseResource
from resources.files import LakeResource, ObjectStoreResource
from resources.ledgers import (
    BooksResource,
    DeliveryLedgerResource,
    DepositLedgerResource,
    IntakeLedgerResource,
    LogReaderResource,
    ProgramsResource,
)
from resources.outside import (
    ArrivalsResource,
    ClockResource,
    DestinationsResource,
    NotifierResource,
)


def resources() -> Mapping[str, Any]:
    """Every resource; which adapter each builds, the settings say when a run starts."""
    return {
        "raw_store": ObjectStoreResource(role="raw"),
        "processed_store": ObjectStoreResource(role="processed"),
        "failed_store": ObjectStoreResource(role="failed"),
        "lake": LakeResource(),
        "intake_ledger": IntakeLedgerResource(),
        "deposit_ledger": DepositLedgerResource(),
        "delivery_ledger": DeliveryLedgerResource(),
        "log_reader": LogReaderResource(),
        "books": BooksResource(),
        "warehouse": WarehouseResource(),
        "programs": ProgramsResource(),
        "arrivals": ArrivalsResource(),
        "destinations": DestinationsResource(),
        "notifier": NotifierResource(),
        "clock": ClockResource(),
    }
