"""Makes a failed run of each file that was refused before a run was to read it.

Belongs here: Dagster's side. The files are refused, and operators told, when they are claimed.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import dagster as dg

from assets.refused_files import INTAKE_TAG, file_refusal_job
from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import Clock, IntakeLedger
from cardops.rules.intake.files import IntakeFile

MINIMUM_INTERVAL_SECONDS: Final = 15
# After a longer standstill of the sensor itself, `cardops quarantine list` has the older ones.
LOOKED_BACK: Final = timedelta(days=2)
MAX_RUNS_PER_TICK: Final = 25
# An empty cursor would leave the former one.
NO_KEYS: Final = "-"


def refused_file_sensor(kinds: Kinds = KINDS) -> dg.SensorDefinition:
    """Requests one run a refused file; Dagster never runs a key again, and the cursor is bounded."""

    @dg.sensor(
        name="refused_file_sensor",
        job=file_refusal_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Makes a failed run of each file that was refused before it was read.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        intake_ledger: dg.ResourceParam[IntakeLedger],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        since = (clock.now() - LOOKED_BACK).date()
        files = [file for kind in kinds for file in intake_ledger.refused_unread(kind, since)]
        known = set(_keys(context.cursor))
        new = [file for file in files if _key(file) not in known]
        requested = new[:MAX_RUNS_PER_TICK]
        # Of the files of these days only: what is older is not asked for any more.
        done = [_key(file) for file in files if _key(file) in known or file in requested]
        return dg.SensorResult(
            run_requests=[_request(file) for file in requested],
            cursor=",".join(done) or NO_KEYS,
            skip_reason=None if requested else dg.SkipReason("No file was refused unread."),
        )

    return sensor


def _request(intake_file: IntakeFile) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"file_refusal/{_key(intake_file)}",
        run_config={"ops": {"refused_file": {"config": {"intake_id": intake_file.intake_id}}}},
        tags={INTAKE_TAG: str(intake_file.intake_id)},
    )


def _key(intake_file: IntakeFile) -> str:
    """A file that is refused again is another refusal."""
    return f"{intake_file.intake_id}.{intake_file.attempt_series}"


def _keys(cursor: str | None) -> Iterator[str]:
    yield from (cursor or "").split(",")
