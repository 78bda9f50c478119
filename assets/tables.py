"""Small tables as asset metadata: shown by the UI in rows and columns.

Belongs here: the conversion of a frame. Whoever hands one in has cut it to a preview and left out
personal data.
"""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    import pandas as pd


def table_metadata(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """The frame's rows under its own column names and types; an empty frame shows its columns."""
    columns = [dg.TableColumn(str(name), type=str(kind)) for name, kind in frame.dtypes.items()]
    return dg.MetadataValue.table(
        records=[dg.TableRecord(_plain(row)) for row in frame.to_dict("records")],
        schema=dg.TableSchema(columns),
    )


def _plain(row: dict[str, object]) -> dict[str, str | int | float | bool | None]:
    """Dates, decimals and lists as text: table records take plain values alone."""
    return {
        str(name): value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in row.items()
    }
