"""Alarms that are not resolved, as a table in the control room.

Belongs here: how they are shown. `alarm_sensor` shows them anew whenever one opens, is acknowledged or
ends; materialized by hand, the asset shows them as they stand.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import dagster as dg

from assets.check_results import result_of
from cardops.ports import Incidents
from cardops.rules.alarms.incidents import IncidentState
from cardops.rules.alarms.records import IncidentRecord

ACKNOWLEDGED: Final = "every_alarm_is_acknowledged"
UNRESOLVED: Final = frozenset({IncidentState.OPEN, IncidentState.ACKNOWLEDGED})
MAX_SHOWN: Final = 100
RUNBOOK: Final = "docs/runbooks/README.md"
_COLUMNS: Final = (
    *(
        "id",
        "severity",
        "state",
        "alarm",
        "since",
        "last_seen",
        "seen",
        "acknowledged_by",
        "runbook",
    ),
)


@dg.asset(
    group_name="control",
    # A warning: an alarm that waits for a person stops no work.
    check_specs=[
        dg.AssetCheckSpec(
            ACKNOWLEDGED, asset="alarms", description="Somebody sees to each alarm that is open."
        )
    ],
    kinds={"postgres"},
)
def alarms(incidents: dg.ResourceParam[Incidents]) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Alarms that are not resolved, one an incident, the worst first. `cardops alarms ack` acknowledges one."""
    records = unresolved(incidents)
    return dg.MaterializeResult(
        metadata=metadata_of(records, incidents.now()),
        check_results=[result_of(check_of(records))],
    )


def unresolved(incidents: Incidents) -> Sequence[IncidentRecord]:
    """What the table has."""
    return incidents.all(UNRESOLVED, MAX_SHOWN)


def metadata_of(records: Sequence[IncidentRecord], now: datetime) -> dict[str, dg.MetadataValue]:
    """How many, and each with its state and runbook."""
    rows = [_row(record) for record in records]
    return {
        "dagster/row_count": dg.MetadataValue.int(len(rows)),
        "as_of": dg.MetadataValue.timestamp(now),
        "alarms": dg.MetadataValue.table(
            [dg.TableRecord(row) for row in rows],
            dg.TableSchema([dg.TableColumn(name) for name in _COLUMNS]),
        ),
    }


def check_of(records: Sequence[IncidentRecord]) -> dg.AssetCheckEvaluation:
    """Whether somebody sees to each."""
    waiting = [record.incident for record in records if record.incident.state is IncidentState.OPEN]
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("alarms"),
        check_name=ACKNOWLEDGED,
        passed=not waiting,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(incident.subject for incident in waiting) or None,
        metadata={"open": len(waiting), "runbook": RUNBOOK},
    )


def _row(record: IncidentRecord) -> dict[str, str | int]:
    incident = record.incident
    return {
        "id": incident.incident_id,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "alarm": incident.subject,
        "since": f"{incident.opened_at:%Y-%m-%d %H:%M} UTC",
        "last_seen": f"{incident.last_seen_at:%Y-%m-%d %H:%M} UTC",
        "seen": incident.seen_count,
        "acknowledged_by": incident.acknowledged_by or "",
        "runbook": incident.runbook or "",
    }
