"""Settings to adapters: the only package of the product that names an adapter.

Every entry point (assets through resources, sensors, commands, demo, authorizer, callback worker)
takes its adapters from an `Adapters`. Each adapter is imported and built when it is first asked
for: `cardops version` loads no database driver, and the authorizer never loads polars.

Belongs here: which adapter serves which port under which setting, one module per subject. Use
cases are in cardops.services.
"""

from cardops.bootstrap.accounts import AccountAdapters
from cardops.bootstrap.authorizations import (
    AuthorizationAdapters,
    AuthorizerAdapters,
    is_tracing_configured,
    trace_collector,
)
from cardops.bootstrap.callbacks import CALLBACK_SESSIONS, CallbackAdapters, CallbackStores
from cardops.bootstrap.deliveries import DeliveryAdapters
from cardops.bootstrap.disputes import DisputeAdapters
from cardops.bootstrap.fraud import FraudAdapters
from cardops.bootstrap.instance import (
    file_lock,
    is_disk_full,
    keep_sessions,
    stop_unused_server,
)
from cardops.bootstrap.intake import IntakeAdapters
from cardops.bootstrap.programs import ProgramAdapters
from cardops.bootstrap.reconciliation import (
    ReconciliationAdapters,
    copied_database,
    keep_one_program,
    restored_store,
    store_damages,
)
from cardops.bootstrap.reports import ReportAdapters, dbt_manifest, dbt_program

__all__ = [
    "CALLBACK_SESSIONS",
    "Adapters",
    "AuthorizerAdapters",
    "CallbackAdapters",
    "copied_database",
    "dbt_manifest",
    "dbt_program",
    "file_lock",
    "is_disk_full",
    "is_tracing_configured",
    "keep_one_program",
    "keep_sessions",
    "restored_store",
    "stop_unused_server",
    "store_damages",
    "trace_collector",
]


class Adapters(
    AccountAdapters,
    AuthorizationAdapters,
    CallbackStores,
    DeliveryAdapters,
    DisputeAdapters,
    FraudAdapters,
    IntakeAdapters,
    ProgramAdapters,
    ReconciliationAdapters,
    ReportAdapters,
):
    """The adapters of one instance of Cardops, as its settings name them.

    Asking for any part of the database starts the embedded server where no URL is set, and applies
    migrations. Raises DatabaseUnavailableError, MigrationChangedError, SettingsError,
    SecretUnreadableError, each with a sentence for the operator. Without `aws` or `duckdb`,
    clients come from boto3 and sessions from duckdb directly.
    """
