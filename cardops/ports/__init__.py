"""What the rules need from the outside, as Protocols.

Adapters implement them; assets, sensors and the authorizer ask for them; tests hand in fakes.

Belongs here: signatures and what holds about them. Does not belong here: any implementation, or
a type that a rule needs (those are in cardops.rules). Polars is named in annotations only, so
that importing this module costs nothing.
"""

from cardops.ports.administration import Notifier, Programs, SecretStore, SpendingLimits
from cardops.ports.authorizing import (
    Access,
    Authorizations,
    CallbackAdministration,
    CallbackOutbox,
    Tracing,
)
from cardops.ports.delivering import DeliveryLedger, Destinations, FileDelivery
from cardops.ports.files import Arrivals, Clock, Lake, ObjectStore, Publication, Warehouse
from cardops.ports.intake import IntakeLedger
from cardops.ports.money import Books, DayExport, DepositLedger, TransactionLog

__all__ = [
    "Access",
    "Arrivals",
    "Authorizations",
    "Books",
    "CallbackAdministration",
    "CallbackOutbox",
    "Clock",
    "DayExport",
    "DeliveryLedger",
    "DepositLedger",
    "Destinations",
    "FileDelivery",
    "IntakeLedger",
    "Lake",
    "Notifier",
    "ObjectStore",
    "Programs",
    "Publication",
    "SecretStore",
    "SpendingLimits",
    "Tracing",
    "TransactionLog",
    "Warehouse",
]
