"""Deadlines of the daily close's assets, so that the UI shows a close that did not happen.

Belongs here: deadlines. When the close starts is in orchestration.schedules.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import dagster as dg

# The close starts at 00:30 UTC; the books and the report are read from six o'clock on.
DEADLINE: Final = "0 6 * * *"
NOT_BEFORE: Final = timedelta(hours=5, minutes=30)
# The daily close makes every asset of a business date that is not intake.
CLOSING_GROUPS: Final = frozenset({"balances", "control", "analytics"})
# Assets without partitions that it makes too: what they make is of the date that is closed.
CLOSED_WHOLE: Final = frozenset({dg.AssetKey("fraud_rings")})


def closing_keys(assets: Sequence[dg.AssetsDefinition]) -> set[dg.AssetKey]:
    """The assets that the daily close makes."""
    return {
        key
        for asset in assets
        for key, group in asset.group_names_by_key.items()
        if group in CLOSING_GROUPS and (asset.partitions_def is not None or key in CLOSED_WHOLE)
    }


def with_deadlines(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets; those of the daily close become stale when it misses the deadline."""
    closing = closing_keys(assets)
    # One for all: Dagster counts years of deadlines for each policy that it makes.
    policy = dg.FreshnessPolicy.cron(DEADLINE, lower_bound_delta=NOT_BEFORE)

    def with_deadline(spec: dg.AssetSpec) -> dg.AssetSpec:
        return dg.apply_freshness_policy(spec, policy) if spec.key in closing else spec

    return [asset.map_asset_specs(with_deadline) for asset in assets]
