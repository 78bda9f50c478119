"""When what the daily close makes must be there, so that a close that did not happen is seen.

Belongs here: deadlines alone. When the close starts is in orchestration.schedules.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import dagster as dg

# The close starts at 00:30 UTC; who reads the books and the report comes at six.
DEADLINE: Final = "0 6 * * *"
NOT_BEFORE: Final = timedelta(hours=5, minutes=30)
# The nightly close is everything of a business date that is not intake.
CLOSING_GROUPS: Final = frozenset({"balances", "control", "analytics"})


def closing_keys(assets: Sequence[dg.AssetsDefinition]) -> set[dg.AssetKey]:
    """The assets that the daily close makes."""
    return {
        key
        for asset in assets
        for key, group in asset.group_names_by_key.items()
        if group in CLOSING_GROUPS and asset.partitions_def is not None
    }


def with_deadlines(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets; those of the daily close are stale where it was not done by the deadline."""
    closing = closing_keys(assets)

    def with_deadline(spec: dg.AssetSpec) -> dg.AssetSpec:
        policy = dg.FreshnessPolicy.cron(DEADLINE, lower_bound_delta=NOT_BEFORE)
        return dg.apply_freshness_policy(spec, policy) if spec.key in closing else spec

    return [asset.map_asset_specs(with_deadline) for asset in assets]
