"""From which columns our own assets' columns are made: shown with each materialization.

Belongs here: lineage that follows from the code itself. That of dbt's models is read off their SQL.
"""

from typing import Final

import dagster as dg

from cardops.contracts.lake.chargeback_cells import origins_of
from cardops.contracts.lake.tables import lake_tables
from cardops.rules.chargebacks.files import FORMAT_VERSION, columns_of

LINEAGE: Final = "dagster/column_lineage"
CHARGEBACKS: Final = "chargebacks"


def lineage_of_files() -> dict[str, dg.MetadataValue]:
    """From which of a chargeback's columns each column of a chargeback file is written."""
    known = lake_tables()[CHARGEBACKS]
    return _lineage(
        {column: origins_of(column, FORMAT_VERSION, known) for column in columns_of(FORMAT_VERSION)}
    )


def lineage_of_rows(table: str) -> dict[str, dg.MetadataValue]:
    """Of a table whose rows are rows of chargebacks: the columns that both have."""
    known = lake_tables()
    return _lineage({column: [column] for column in known[table] if column in known[CHARGEBACKS]})


def _lineage(origins: dict[str, list[str]]) -> dict[str, dg.MetadataValue]:
    deps = {
        column: [dg.TableColumnDep(dg.AssetKey(CHARGEBACKS), name) for name in names]
        for column, names in origins.items()
    }
    return {LINEAGE: dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))}
