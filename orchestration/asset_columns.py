"""The columns of the tables behind our own assets, as the Dagster UI shows them: names, types, meaning.

Belongs here: what is known before any run; from which columns they are made is said by each run. Names and types are those of the lake's tables and of chargeback
files; what a column means is said once, where dbt declares the lake's tables as its sources. dbt's models say
of their columns themselves what they are (assets.dbt_results).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from cardops.contracts.lake.callback_archive import COLUMNS as CALLBACK_TABLES
from cardops.contracts.lake.chargeback_cells import origins_of
from cardops.contracts.lake.tables import lake_tables
from cardops.rules.chargebacks.files import FORMAT_VERSION, columns_of

SCHEMA: Final = "dagster/column_schema"
FILES: Final = "chargeback_files"
CHARGEBACKS: Final = "chargebacks"
BUSINESS_DATE: Final = "business_date"
# What dbt calls the types of its columns: a reader meets one name for each.
_TYPES: Final[Mapping[pl.DataType, str]] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
# Assets whose tables no model reads, so that dbt does not declare them.
_UNREAD: Final[Mapping[str, tuple[str, ...]]] = {
    "callback_archive": tuple(table.value for table in CALLBACK_TABLES)
}
# A column of chargeback files that another one than its namesake says best.
_WRITTEN_FROM: Final[Mapping[str, str]] = {"reply_by_date": "reply_by_on"}


def with_columns(
    assets: Sequence[dg.AssetsDefinition], manifest: Path
) -> list[dg.AssetsDefinition]:
    """The same assets; each that writes tables of the lake, or chargeback files, with their columns."""
    known = column_metadata(json.loads(manifest.read_text()))

    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        metadata = known.get(spec.key.to_user_string())
        return spec.merge_attributes(metadata=metadata) if metadata else spec

    return [asset.map_asset_specs(described) for asset in assets]


def column_metadata(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Asset -> its tables' columns. The one of its own name comes first; others are named after theirs."""
    tables, meanings = lake_tables(), _meanings(manifest)
    found: dict[str, dict[str, Any]] = {}
    for asset, names in {**_tables_of_assets(manifest), **_UNREAD}.items():
        ordered = sorted(names, key=lambda name: (name != asset, names.index(name)))
        found[asset] = {
            SCHEMA if place == 0 else f"columns_of_{name}": _schema(
                {**tables[name], BUSINESS_DATE: pl.Date()}, meanings.get(name, {})
            )
            for place, name in enumerate(ordered)
        }
    found[FILES] = {SCHEMA: file_schema(meanings[CHARGEBACKS])}
    return found


def file_schema(meanings: Mapping[str, str]) -> dg.TableSchema:
    """Columns of a chargeback file in our own layout: all of them text."""
    return dg.TableSchema(
        [
            dg.TableColumn(name, "text", _meaning_in_file(name, meanings))
            for name in columns_of(FORMAT_VERSION)
        ]
    )


def _meaning_in_file(column: str, meanings: Mapping[str, str]) -> str:
    """What the column of chargebacks behind it means, and from which columns it is written.

    An amount is written in its currency's own digits. Dagster's UI shows lineage of assets, not of columns.
    """
    meaning = meanings.get(_WRITTEN_FROM.get(column, column)) or meanings.get(f"{column}_minor")
    said = (meaning or "").replace(" minor units of ", " the digits of ")
    origins = origins_of(column, FORMAT_VERSION, lake_tables()[CHARGEBACKS])
    made = f"Made from {', '.join(origins)} of {CHARGEBACKS}." if origins else ""
    return " ".join(filter(None, (said, made)))


def _schema(columns: Mapping[str, pl.DataType], meanings: Mapping[str, str]) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(name, _type(kind), meanings.get(name)) for name, kind in columns.items()]
    )


def _type(kind: pl.DataType) -> str:
    if isinstance(kind, pl.List):
        return f"{_TYPES[kind.inner]}[]"  # type: ignore[index] # lists of our tables have an instance inside
    if isinstance(kind, pl.Decimal):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _TYPES[kind]


def _tables_of_assets(manifest: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for source in manifest["sources"].values():
        tied = source["config"]["meta"].get("dagster")
        if tied is not None:
            (asset,) = tied["asset_key"]
            found[asset] = (*found.get(asset, ()), source["name"])
    return found


def _meanings(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Table -> column -> what it means."""
    return {
        source["name"]: {
            name: column["description"].strip() for name, column in source["columns"].items()
        }
        for source in manifest["sources"].values()
    }
