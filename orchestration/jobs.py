"""Jobs, each named after its business event and partitioned as its assets are."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg

from cardops.contracts.kinds.registry import KINDS
from orchestration.freshness import closing_keys
from sensors.intake import PRIORITY_TAG
from sensors.jobs import AssetJob

# Job -> the assets it makes, together with their checks.
JOBS: Final[Mapping[str, tuple[str, ...]]] = {
    **{profile.job_name: (profile.kind,) for profile in KINDS.values()},
    "chargeback_delivery": ("chargeback_files", "chargeback_deliveries"),
    "acknowledgement_poll": ("acknowledgements",),
    "full_reconciliation": ("reconciliation_breaks", "reconciliation"),
    "monthly_drill": ("recovery_drill",),
    "history_pruning": ("run_history",),
}
DESCRIPTIONS: Final[Mapping[str, str]] = {
    **{profile.job_name: profile.job_description for profile in KINDS.values()},
    "chargeback_delivery": "Make a batch's chargeback files and deliver them to the card companies.",
    "acknowledgement_poll": "Read what the card companies answered about chargeback files.",
    "full_reconciliation": "Compare all books from the beginning, and so prove the balances carried forward.",
    "monthly_drill": "Dump the store, restore it elsewhere, and prove the checks of the books on what was restored.",
    "history_pruning": "Remove what Dagster remembers of runs that ended long ago.",
    "daily_close": "Close a business date: balances, transaction log, reconciliation, marts, report.",
}
# Whoever launches a close does not wait for each date of a backfill of marts, which has priority 0.
CLOSE_PRIORITY: Final = 1
TAGS: Final[Mapping[str, Mapping[str, str]]] = {"daily_close": {PRIORITY_TAG: str(CLOSE_PRIORITY)}}


def jobs(
    assets: Sequence[dg.AssetsDefinition], source_checks: Sequence[dg.AssetChecksDefinition] = ()
) -> dict[str, AssetJob]:
    """The jobs whose assets are loaded, by name; definitions without dbt have a smaller close.

    `source_checks` tell what the newest build of the marts found, which yields it itself: no job makes them.
    """
    loaded = {key.to_user_string() for asset in assets for key in asset.keys}
    selections = {name: keys for name, keys in JOBS.items() if loaded.issuperset(keys)}
    selections["daily_close"] = tuple(sorted(key.to_user_string() for key in closing_keys(assets)))
    left_out = dg.AssetSelection.checks(*source_checks)
    return {
        name: dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*keys) - left_out,
            description=DESCRIPTIONS[name],
            tags=TAGS.get(name),
        )
        for name, keys in selections.items()
    }
