"""Jobs, each named after its business event and partitioned as its assets are."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg

from orchestration.freshness import closing_keys
from sensors.jobs import AssetJob

# Job -> the assets it makes, together with their checks.
JOBS: Final[Mapping[str, tuple[str, ...]]] = {
    "deposit_intake": ("deposits",),
    "transaction_intake": ("transactions",),
    "order_intake": ("orders",),
    "chargeback_intake": ("chargebacks",),
    "chargeback_delivery": ("chargeback_files", "chargeback_deliveries"),
}
DESCRIPTIONS: Final[Mapping[str, str]] = {
    "deposit_intake": "Ingest deposit files into accounts and the lake.",
    "transaction_intake": "Ingest transaction files into the lake.",
    "order_intake": "Ingest order files into the lake.",
    "chargeback_intake": "Ingest one batch of chargeback files into the lake.",
    "chargeback_delivery": "Make a batch's chargeback files and deliver them to the card companies.",
    "daily_close": "Close a business date: balances, transaction log, reconciliation, marts, report.",
}


def jobs(assets: Sequence[dg.AssetsDefinition]) -> dict[str, AssetJob]:
    """The jobs whose assets are loaded, by name; definitions without dbt have a smaller close."""
    loaded = {key.to_user_string() for asset in assets for key in asset.keys}
    selections = {name: keys for name, keys in JOBS.items() if loaded.issuperset(keys)}
    selections["daily_close"] = tuple(sorted(key.to_user_string() for key in closing_keys(assets)))
    return {
        name: dg.define_asset_job(
            name, selection=dg.AssetSelection.assets(*keys), description=DESCRIPTIONS[name]
        )
        for name, keys in selections.items()
    }
