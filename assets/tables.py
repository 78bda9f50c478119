"""Small tables as asset metadata: shown by the UI in rows and columns.

Belongs here: the conversion of frames and records. Whoever hands one in has cut it to a preview and
left out personal data; card numbers in text are masked here.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import dagster as dg

from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.money import format_amount

if TYPE_CHECKING:
    import pandas as pd

# How a column of minor units ends.
_MINOR: Final = "_minor"


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


def money_metadata(totals_minor: Mapping[str, int]) -> dg.TableMetadataValue:
    """Money by currency, in the currency's own digits."""
    rows = [
        {"currency": name, "amount_minor": minor} for name, minor in sorted(totals_minor.items())
    ]
    return priced_metadata(rows)


def priced_metadata(records: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue:
    """Records with a `currency`: each amount in minor units becomes one in the currency's own digits."""
    return records_metadata([priced_record(record) for record in records], "currency")


def totals_metadata(totals: Sequence[Mapping[str, object]]) -> dict[str, dg.MetadataValue]:
    """Totals in minor units by currency: as a table, and each as a number that the UI draws over time."""
    rows = [
        {name if name == "currency" else f"{name}{_MINOR}": value for name, value in row.items()}
        for row in totals
    ]
    plots: dict[str, dg.MetadataValue] = {}
    for row in totals:
        currency = str(row["currency"])
        amounts = {name: value for name, value in row.items() if isinstance(value, int)}
        for name, minor in amounts.items():
            plots |= plotted_money({currency: minor}, name)
    return {"totals": priced_metadata(rows), **plots}


def plotted_money(totals_minor: Mapping[str, int], name: str) -> dict[str, dg.MetadataValue]:
    """Money by currency as numbers, `<name>_<currency>`: the UI draws them over time.

    Only to look at: exact figures are in the tables beside them.
    """
    return {
        f"{name}_{currency}": dg.MetadataValue.float(float(format_amount(minor, currency)))
        for currency, minor in sorted(totals_minor.items())
    }


def rate_metadata(name: str, part: int, whole: int) -> dict[str, dg.MetadataValue]:
    """A share in percent, which the UI draws over time; nothing where there is no whole."""
    if not whole:
        return {}
    return {f"{name}_percent": dg.MetadataValue.float(round(100 * part / whole, 3))}


def priced_record(record: Mapping[str, object], *, is_money: bool = True) -> dict[str, object]:
    """One such record. Where its `_minor` columns are no money they only lose that ending."""

    def shown(name: str, value: object) -> object:
        if is_money and name.endswith(_MINOR) and isinstance(value, int):
            return format_amount(value, str(record["currency"]))
        return value

    return {name.removesuffix(_MINOR): shown(name, value) for name, value in record.items()}


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
