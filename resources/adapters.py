"""The adapters of this instance, as Dagster's processes build them.

Settings are read when a resource is made, never at import. AWS clients come from `dagster_aws`,
DuckDB sessions from `dagster_duckdb`.
"""

from cardops.bootstrap import Adapters
from cardops.settings import Settings
from resources.aws import DagsterAwsClients
from resources.duckdb_sessions import DagsterDuckDbSessions


def adapters() -> Adapters:
    """Adapters for one resource of one run or tick."""
    return Adapters(Settings.load(), aws=DagsterAwsClients(), duckdb=DagsterDuckDbSessions())
