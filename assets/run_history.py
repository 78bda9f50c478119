"""How much the control room remembers of its runs, and what was removed because it is old.

Belongs here: how it is shown. Removing is bound by the orchestration, which knows Dagster's tables.
"""

from collections.abc import Mapping
from typing import Protocol

import dagster as dg


class RunHistory(Protocol):
    """Runs, events, output and alarms that are kept for as long as the settings say."""

    def prune(self, instance: dg.DagsterInstance) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Remove what is older: how many of what were removed, and the bytes of the tables that remain."""


@dg.asset(group_name="control", kinds={"postgres"})
def run_history(
    context: dg.AssetExecutionContext, history: dg.ResourceParam[RunHistory]
) -> dg.MaterializeResult[None]:
    """Runs that ended over `CARDOPS_RUN_HISTORY_DAYS` ago are removed each night, with their events and output.

    The newest materialization of each partition, the newest evaluation of each check, and the runs of both
    stay. Alarms that were resolved over `CARDOPS_ALARM_HISTORY_DAYS` ago go with their own history. Money, files,
    deliveries and the audit are not touched.
    """
    removed, sizes = history.prune(context.instance)
    return dg.MaterializeResult(
        metadata={
            **{f"{name}_removed": dg.MetadataValue.int(count) for name, count in removed.items()},
            **{f"{name}_bytes": dg.MetadataValue.int(size) for name, size in sizes.items()},
            "bytes": dg.MetadataValue.int(sum(sizes.values())),
        }
    )
