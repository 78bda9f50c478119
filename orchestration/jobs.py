"""Jobs, each named after the business event that it is. Their assets' partitions are theirs."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.freshness import closing_keys

Job = UnresolvedAssetJobDefinition

# Job -> the assets it makes, together with their checks.
JOBS: Final[Mapping[str, tuple[str, ...]]] = {
    "deposit_intake": ("deposits",),
    "transaction_intake": ("transactions",),
    "order_intake": ("orders",),
    "chargeback_intake": ("chargebacks",),
    "chargeback_delivery": ("chargeback_files", "chargeback_deliveries"),
}
DESCRIPTIONS: Final[Mapping[str, str]] = {
    "deposit_intake": "Deposit files into accounts and the lake.",
    "transaction_intake": "Transaction files into the lake.",
    "order_intake": "Order files into the lake.",
    "chargeback_intake": "One batch of chargeback files into the lake.",
    "chargeback_delivery": "A batch's files made, and placed at the card companies.",
    "daily_close": "Closing balances, the log, reconciliation, marts and report of a business date.",
}


def jobs(assets: Sequence[dg.AssetsDefinition]) -> dict[str, Job]:
    """The jobs whose assets are there, by name; lean definitions have fewer."""
    there = {key.to_user_string() for asset in assets for key in asset.keys}
    selections = {name: keys for name, keys in JOBS.items() if there.issuperset(keys)}
    selections["daily_close"] = tuple(sorted(key.to_user_string() for key in closing_keys(assets)))
    return {
        name: dg.define_asset_job(
            name, selection=dg.AssetSelection.assets(*keys), description=DESCRIPTIONS[name]
        )
        for name, keys in selections.items()
    }
