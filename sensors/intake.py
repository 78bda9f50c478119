"""Arrival sensors, one a kind: what came is claimed, and a run is asked for.

A tick may die anywhere and be repeated: the ledger's claims make the effect exactly once, and
what was claimed without a run is found unfinished by a later tick.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import dagster as dg

from cardops.ports import Arrivals, Clock, IntakeLedger, Notifier, ObjectStore, Programs
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.intake.objects import ObjectStat
from cardops.services.intake.claiming import Claims
from sensors.cursor import Cursor
from sensors.recovery import Recovery

# The daemon goes round every 5 seconds and leaves out who looked less than this ago: with 5 itself
# every second round would fall out.
LOOK_EVERY_SECONDS: Final = 3
# The files that a run is at, by their numbers: how a crashed one is told from one that works.
INTAKE_TAG: Final = "cardops/intake_ids"
BATCHES: Final = "chargeback_batch"
JOBS: Final[Mapping[Kind, str]] = {
    Kind.DEPOSITS: "deposit_intake",
    Kind.TRANSACTIONS: "transaction_intake",
    Kind.ORDERS: "order_intake",
    Kind.CHARGEBACKS: "chargeback_intake",
}
UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class Tick:
    """One look at one kind."""

    kind: Kind
    arrivals: Arrivals
    claims: Claims
    recovery: Recovery

    def result(self, cursor: Cursor, instance: dg.DagsterInstance) -> dg.SensorResult:
        """Claim what is ready, and ask for a run of it and of what was left unfinished."""
        look = self.arrivals.look(self.kind, cursor.waiting)
        claimed = self._claimed(look.ready)
        self.arrivals.forget(look)
        busy = {one.intake_id for one in claimed} | busy_ids(self.kind, instance)
        due = self.recovery.due(self.claims.intake_ledger.unfinished(self.kind), busy, cursor.tries)
        requests = [self._request(files) for files in runs_of([*claimed, *due])]
        remembered = Cursor(look.waiting, self.recovery.tries)
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=self._new_batches(claimed, due),
            cursor=remembered.text(),
            skip_reason=None if requests else dg.SkipReason(self._nothing(look.waiting)),
        )

    def _claimed(self, ready: Sequence[ObjectStat]) -> list[IntakeFile]:
        if self.kind is Kind.CHARGEBACKS:
            batches = self.claims.claim_batches(ready)
            return [intake_file for batch in batches for intake_file in batch.files]
        return self.claims.claim(self.kind, ready)

    def _request(self, files: Sequence[IntakeFile]) -> dg.RunRequest:
        tries = [self.recovery.tries.get(one.intake_id) for one in files]
        attempt = max((one.count for one in tries if one), default=0)
        numbers = ",".join(str(one.intake_id) for one in files)
        return dg.RunRequest(
            run_key=f"{partition_of(files[0])}/{numbers}/{attempt}",
            partition_key=partition_of(files[0]),
            run_config=run_config(self.kind, files),
            tags={INTAKE_TAG: numbers},
        )

    def _new_batches(
        self, claimed: Sequence[IntakeFile], due: Sequence[IntakeFile]
    ) -> list[dg.AddDynamicPartitionsRequest]:
        names = sorted({one.batch_id for one in (*claimed, *due) if one.batch_id})
        return [dg.AddDynamicPartitionsRequest(BATCHES, names)] if names else []

    def _nothing(self, waiting: Mapping[str, str]) -> str:
        if waiting:
            return f"{len(waiting)} files may still be being written; the next look tells."
        return f"No new {self.kind.value} files."


def partition_of(intake_file: IntakeFile) -> str:
    """The partition whose run takes the file in: its batch, else its business date."""
    return intake_file.batch_id or intake_file.business_date.isoformat()


def runs_of(files: Iterable[IntakeFile]) -> Iterator[list[IntakeFile]]:
    """The files in groups of one partition each, in order of their numbers."""
    ordered = sorted(files, key=lambda one: (partition_of(one), one.intake_id))
    for _, group in groupby(ordered, key=partition_of):
        yield list(group)


def run_config(kind: Kind, files: Sequence[IntakeFile]) -> dict[str, object]:
    """What a run of that kind's asset is told: which files."""
    numbers = [one.intake_id for one in files]
    return {"ops": {kind.value: {"config": {"intake_ids": numbers}}}}


def busy_ids(kind: Kind, instance: dg.DagsterInstance) -> set[int]:
    """Files that a run under way has in its hands."""
    runs = instance.get_runs(dg.RunsFilter(job_name=JOBS[kind], statuses=UNDER_WAY))
    numbers = (run.tags.get(INTAKE_TAG, "").split(",") for run in runs)
    return {int(number) for some in numbers for number in some if number}


def arrival_sensor(kind: Kind) -> dg.SensorDefinition:
    """The sensor of that kind."""

    @dg.sensor(
        name=f"{kind.value.removesuffix('s')}_arrival_sensor",
        job_name=JOBS[kind],
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"New files under incoming/{kind.value}/ are claimed once and taken in.",
    )
    def sensor(  # noqa: PLR0913, PLR0917 - one parameter a port
        context: dg.SensorEvaluationContext,
        arrivals: dg.ResourceParam[Arrivals],
        raw_store: dg.ResourceParam[ObjectStore],
        failed_store: dg.ResourceParam[ObjectStore],
        intake_ledger: dg.ResourceParam[IntakeLedger],
        programs: dg.ResourceParam[Programs],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
    ) -> dg.SensorResult:
        claims = Claims(raw_store, failed_store, intake_ledger, programs, clock)
        recovery = Recovery(intake_ledger, notifier, clock.now())
        tick = Tick(kind, arrivals, claims, recovery)
        return tick.result(Cursor.parse(context.cursor), context.instance)

    return sensor
