"""Arrival sensors, one a kind: they claim new files and request runs.

A tick may die anywhere and be repeated: claims in the ledger make its effect exactly once, and files
that were claimed without a run are found unfinished by a later tick.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, Final

import dagster as dg

from assets.refused_files import INTAKE_TAG, ids_of_tags
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import (
    Arrivals,
    Clock,
    IntakeLedger,
    Notifier,
    ObjectStore,
    Programs,
    SourceControls,
)
from cardops.rules.intake.files import FileStatus, IntakeFile, Kind
from cardops.rules.intake.objects import ObjectStat
from cardops.rules.intake.retries import Tries
from cardops.services.intake.claiming import Claims
from cardops.services.intake.held_files import HeldFiles
from cardops.services.intake.recovery import Recovery
from sensors.cursor import Cursor
from sensors.intake_presence import told
from sensors.processes import end_killed_runs

# The daemon goes round every 5 seconds and skips sensors evaluated less than this ago: with 5 every
# second round would be skipped.
POLL_INTERVAL_SECONDS: Final = 3
# A sensor is a safety net where the intake worker lives, and looks so often.
REST_SECONDS: Final = 60.0
BATCHES: Final = "chargeback_batch"
# Money comes before whatever else waits in the queue, whose runs have priority 0.
PRIORITY_TAG: Final = "dagster/priority"
INTAKE_PRIORITY: Final = "10"
# Back-pressure: while so many runs of a kind wait for a place, no more files of it are claimed, and what
# was left undone is not requested again.
MAX_WAITING_RUNS: Final = 5
# Files of one run; more go into the next. Their ids are a tag of the run, which PostgreSQL indexes for Dagster
# only up to 2,704 bytes with the tag's name: ids of ten digits fit.
MAX_FILES_A_RUN: Final = 240
# The key of a run names so many files; of more it has a digest, for it is a tag as well.
MAX_FILES_IN_A_KEY: Final = 50
WHY_AT_REST: Final = (
    "The intake worker takes what arrives as it arrives (cardops intake); this sensor looks once a minute beside it, and "
    "every few seconds when the worker is gone or a file is left undone."
)
# Runs inside a process, which a kill may leave open, are never queued.
WAITING: Final = [dg.DagsterRunStatus.QUEUED]
UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class _Ports:
    """What a tick that looks needs; each is a resource of its field's name."""

    arrivals: Arrivals
    raw_store: ObjectStore
    failed_store: ObjectStore
    intake_ledger: IntakeLedger
    programs: Programs
    clock: Clock
    notifier: Notifier
    source_controls: SourceControls


_PORTS: Final = {port.name for port in fields(_Ports)}


@dataclass(frozen=True, slots=True)
class Tick:
    """One poll for one kind."""

    profile: KindProfile
    arrivals: Arrivals
    claims: Claims
    recovery: Recovery
    held_files: HeldFiles

    def result(self, cursor: Cursor, instance: dg.DagsterInstance) -> dg.SensorResult:
        """Claim what is complete; request runs of it and of unfinished files that are due."""
        kind, looked_at = self.profile.kind, time.time()
        waiting_runs = instance.get_runs_count(
            dg.RunsFilter(job_name=self.profile.job_name, statuses=WAITING)
        )
        if waiting_runs >= MAX_WAITING_RUNS:
            return dg.SensorResult(
                cursor=cursor.text(), skip_reason=dg.SkipReason(self._why_later(waiting_runs))
            )
        poll = self.arrivals.poll(kind, cursor.waiting, position=cursor.position)
        unread: list[ObjectStat] = []
        claimed = self.claims.claim(kind, poll.ready, unread)
        read = tuple(stat for stat in poll.ready if stat not in unread)
        self.arrivals.acknowledge(replace(poll, ready=read))
        busy = {file.intake_id for file in claimed} | busy_ids(self.profile, instance)
        plan = self.recovery.plan(
            self.claims.intake_ledger.unfinished(kind),
            busy,
            cursor.tries,
            self.claims.clock.now(),
        )
        with_control = self.held_files.with_new_control_file(kind)
        resumed = [file for file in with_control if file.intake_id not in busy]
        files = [*claimed, *plan.due, *resumed]
        requests = [self._request(group, plan.tries) for group in files_by_partition(files)]
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=_new_batches(files),
            cursor=Cursor(poll.waiting, plan.tries, poll.position, looked_at).text(),
            skip_reason=None if requests else dg.SkipReason(self._why_idle(poll.waiting, unread)),
        )

    def _request(self, files: Sequence[IntakeFile], tries: Mapping[int, Tries]) -> dg.RunRequest:
        attempt = max(
            (tries[file.intake_id].count for file in files if file.intake_id in tries), default=0
        )
        intake_ids = ",".join(str(file.intake_id) for file in files)
        partition = partition_of(files[0])
        # A held file is not among the tries: its run may have died before it began, and is repeated.
        is_resumed = any(file.status is FileStatus.HELD for file in files)
        hour = f"/{self.claims.clock.now():%Y%m%dT%H}" if is_resumed else ""
        return dg.RunRequest(
            run_key=f"{partition}/{_all_numbered(files)}/{attempt}{hour}",
            partition_key=partition,
            run_config=run_config(self.profile, files),
            tags={INTAKE_TAG: intake_ids, PRIORITY_TAG: INTAKE_PRIORITY},
        )

    def _why_later(self, waiting_runs: int) -> str:
        return (
            f"{waiting_runs} runs of {self.profile.job_name} wait for a place, so no new "
            f"{self.profile.kind} files are claimed until fewer than {MAX_WAITING_RUNS} do. They lie "
            "safe where they are. If this lasts, see which runs are in progress on the page Runs."
        )

    def _why_idle(self, waiting: Mapping[str, str], unread: Sequence[ObjectStat]) -> str:
        if unread:
            return (
                f"{len(unread)} files cannot be read, {unread[0].key} for one; the next poll tries again, and the asset "
                "unclaimed_files shows why within an hour."
            )
        if waiting:
            return f"{len(waiting)} files may still be being written; the next poll decides."
        return f"No new {self.profile.kind} files."


def _all_numbered(files: Sequence[IntakeFile]) -> str:
    """The files of a run in its key."""
    numbers = ",".join(map(_numbered, files))
    if len(files) <= MAX_FILES_IN_A_KEY:
        return numbers
    digest = hashlib.sha256(numbers.encode()).hexdigest()
    return f"{_numbered(files[0])},{len(files) - 1} more,{digest}"


def _numbered(intake_file: IntakeFile) -> str:
    """A file in a run's key: Dagster never runs a key again, but an attempt series begins anew."""
    series = f".{intake_file.attempt_series}" if intake_file.attempt_series else ""
    return f"{intake_file.intake_id}{series}"


def _new_batches(files: Sequence[IntakeFile]) -> list[dg.AddDynamicPartitionsRequest]:
    names = sorted({file.batch_id for file in files if file.batch_id})
    return [dg.AddDynamicPartitionsRequest(BATCHES, names)] if names else []


def partition_of(intake_file: IntakeFile) -> str:
    """The partition whose run ingests the file: its batch, else its business date."""
    return intake_file.batch_id or intake_file.business_date.isoformat()


def files_by_partition(files: Iterable[IntakeFile]) -> Iterator[list[IntakeFile]]:
    """The files of one run each: of one partition, in claim order, and no more than fit into its tags."""
    ordered = sorted(files, key=lambda file: (partition_of(file), file.intake_id))
    for _, group in groupby(ordered, key=partition_of):
        of_partition = list(group)
        for start in range(0, len(of_partition), MAX_FILES_A_RUN):
            yield of_partition[start : start + MAX_FILES_A_RUN]


def run_config(profile: KindProfile, files: Sequence[IntakeFile]) -> dict[str, object]:
    """The config that names the files of a run."""
    intake_ids = [file.intake_id for file in files]
    return {"ops": {profile.kind: {"config": {"intake_ids": intake_ids}}}}


def busy_ids(profile: KindProfile, instance: dg.DagsterInstance) -> set[int]:
    """Files that an unfinished run works on; runs whose process was killed are failed here."""
    runs = instance.get_runs(dg.RunsFilter(job_name=profile.job_name, statuses=UNDER_WAY))
    killed = end_killed_runs(instance, runs)
    at_work = (run for run in runs if run.run_id not in killed)
    return {intake_id for run in at_work for intake_id in ids_of_tags(run.tags)}


def arrival_sensor(profile: KindProfile, *, kinds: Kinds = KINDS) -> dg.SensorDefinition:
    """The sensor of a kind.

    It asks for its ports only where it looks: they cost most of a tick.
    """

    @dg.sensor(
        name=profile.sensor_name,
        job_name=profile.job_name,
        minimum_interval_seconds=POLL_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Claims new files under incoming/{profile.kind}/ once and ingests them.",
        required_resource_keys=_PORTS,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor = Cursor.parse(context.cursor)
        if is_at_rest(cursor, profile.kind, context.instance):
            return dg.SkipReason(WHY_AT_REST)
        return _tick(profile, context.resources, kinds).result(cursor, context.instance)

    return sensor


def is_at_rest(cursor: Cursor, kind: Kind, instance: dg.DagsterInstance) -> bool:
    """Whether the intake worker takes what arrives, and this sensor looked a short while ago."""
    is_recent = 0 <= time.time() - cursor.looked_at < REST_SECONDS
    if not (is_recent and cursor.has_nothing_in_doubt()):
        return False
    worker = told(instance)
    return worker is not None and worker.minds(kind)


def _tick(profile: KindProfile, resources: Any, kinds: Kinds) -> Tick:
    ports = _Ports(**{name: getattr(resources, name) for name in _PORTS})
    claims = Claims(
        ports.raw_store,
        ports.failed_store,
        ports.intake_ledger,
        ports.programs,
        ports.clock,
        kinds,
        ports.notifier,
    )
    held = HeldFiles(
        ports.source_controls,
        ports.intake_ledger,
        ports.raw_store,
        ports.failed_store,
        ports.clock,
    )
    recovery = Recovery(ports.intake_ledger, ports.notifier)
    return Tick(profile, ports.arrivals, claims, recovery, held)
