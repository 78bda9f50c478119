"""Small tables as asset metadata: shown by the UI in rows and columns.

Belongs here: the conversion of frames and records. Whoever hands one in has cut it to a preview and
left out personal data; card numbers in text are masked here.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from cardops.rules.card_numbers import mask_card_numbers

if TYPE_CHECKING:
    import pandas as pd


def table_metadata(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """The frame's rows under its own column names and types; an empty frame shows its columns."""
    columns = [dg.TableColumn(str(name), type=str(kind)) for name, kind in frame.dtypes.items()]
    return dg.MetadataValue.table(
        records=[dg.TableRecord(_plain(row)) for row in frame.to_dict("records")],
        schema=dg.TableSchema(columns),
    )


def records_metadata(
    records: Sequence[Mapping[str, object]], first_column: str
) -> dg.TableMetadataValue:
    """Records under their own names; without any, a table with one column and no rows."""
    names = list(records[0]) if records else [first_column]
    return dg.MetadataValue.table(
        records=[dg.TableRecord(_plain({name: row[name] for name in names})) for row in records],
        schema=dg.TableSchema([dg.TableColumn(name, _type_of(records, name)) for name in names]),
    )


def _type_of(records: Sequence[Mapping[str, object]], name: str) -> str:
    is_number = bool(records) and all(isinstance(record[name], int) for record in records)
    return "int" if is_number else "string"


def _plain(row: Mapping[str, object]) -> dict[str, str | int | float | bool | None]:
    return {str(name): _cell(value) for name, value in row.items()}


def _cell(value: object) -> str | int | float | bool | None:
    """A plain value; dates and decimals become text, a list its members in one text."""
    if isinstance(value, bool | int | float | None):
        return value
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return mask_card_numbers(text)
