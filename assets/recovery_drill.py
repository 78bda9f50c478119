"""The last drill of recovery: whether the store can be restored, and whether its checks can be relied on.

Belongs here: its checks and how it is shown. The drill itself is bound by the orchestration.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from assets.tables import records_metadata
from cardops.ports import RecoveryDrill
from cardops.rules.reconciliation.drills import Drill

RUNBOOK: Final = "docs/runbooks/recovery-drill.md"
# A month, and some days in which a failed one is repeated.
VALID_FOR: Final = timedelta(days=35)
RESTORED: Final = "restored_tables_equal_the_store"
AGREED: Final = "restored_books_have_no_break"
FOUND: Final = "every_planted_damage_is_found"
_SENTENCES: Final = {
    RESTORED: "A dump of the store, restored into a server of its own, has every row of every table.",
    AGREED: "The books of the restored store were compared from the beginning, without a break.",
    FOUND: "Each kind of damage that was planted in the restored store was found by its check.",
}


@dg.asset(
    group_name="control",
    check_specs=[
        dg.AssetCheckSpec(name, asset="recovery_drill", description=sentence, blocking=True)
        for name, sentence in _SENTENCES.items()
    ],
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=VALID_FOR),
    kinds={"postgres"},
)
def recovery_drill(
    context: dg.AssetExecutionContext, drill: dg.ResourceParam[RecoveryDrill]
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Dump of the store, restored elsewhere, compared row by row, reconciled, and damaged on purpose.

    Monthly. It takes as long as a dump, a restore and a full comparison of the books, and as much disk space.
    """
    done = drill.run(context.log.info)
    return dg.MaterializeResult(metadata=_metadata(done), check_results=list(_checks(done)))


def _metadata(drill: Drill) -> dict[str, dg.MetadataValue]:
    restore = drill.restore
    tables = [
        {
            "table": name,
            "rows": table.row_count,
            "restored": restored.row_count if (restored := restore.restored.get(name)) else 0,
            "equal": name not in restore.differing,
        }
        for name, table in restore.tables.items()
    ]
    return {
        "dagster/row_count": dg.MetadataValue.int(restore.row_count),
        "dump_bytes": dg.MetadataValue.int(restore.dump_bytes),
        "dump_seconds": dg.MetadataValue.float(round(restore.dump_seconds, 3)),
        "restore_seconds": dg.MetadataValue.float(round(restore.restore_seconds, 3)),
        "damages_planted": dg.MetadataValue.int(len(drill.damages)),
        "tables": records_metadata(tables, "table"),
    }


def _checks(drill: Drill) -> Iterator[dg.AssetCheckResult]:
    """What was not reached because the restore differs did not pass either."""
    differing = drill.restore.differing
    yield _check(
        RESTORED,
        f"These tables are not the same after the restore: {', '.join(differing)}."
        if differing
        else None,
        {"tables": len(drill.restore.tables), "differing": len(differing)},
    )
    unreached = "Nothing was compared: the restored store is not the same." if differing else None
    breaks = f"{drill.break_count} breaks; `cardops reconcile --full` lists those of the store."
    yield _check(
        AGREED,
        unreached or (breaks if drill.break_count else None),
        {"breaks": drill.break_count},
    )
    missed = f"No check found: {', '.join(drill.missed)}."
    yield _check(
        FOUND,
        unreached or (missed if drill.missed else None),
        {"planted": len(drill.damages), "missed": len(drill.missed)},
    )


def _check(name: str, why: str | None, figures: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=why is None,
        description=why,
        metadata={**figures, "runbook": RUNBOOK},
    )
