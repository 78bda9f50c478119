"""The intake worker: a warm process that ingests files within a second or two of their arrival.

It claims through the same services as the arrival sensors and runs the same jobs in this process, on the
instance that the UI shows. What it does counts once because of the intake ledger; what a killed worker
left is found by the sensors, or by the next worker. docs/arrival.md.

Belongs here: which thread does what, and when. How a file is claimed is in cardops.services.intake.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import dagster as dg

from cardops.contracts.kinds.registry import KINDS
from cardops.ports import Arrivals, ArrivalWatch, Notifier
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import FileStatus, IntakeFile, Kind
from cardops.services.intake.claiming import Claims
from cardops.services.intake.looks import Looks
from orchestration.local.in_process import RunFailedError, RunResult
from orchestration.local.intake_backlog import Backlog
from sensors.intake import busy_ids
from sensors.intake_presence import tell

# Each track ingests the files of its kinds one run after the other: a deposit never waits for a long
# chargeback batch.
KINDS_OF_TRACKS: Final = (
    (Kind("deposits"),),
    tuple(kind for kind in KINDS if kind != Kind("deposits")),
)
# Everything is listed this often, for events that were lost.
SWEEP_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 15.0
# The sensors are told at most this often that the worker lives, and at least after each wait.
TELL_SECONDS: Final = 5.0
# Files of one track that are claimed and wait for a run; more are claimed when some have been ingested.
MAX_CLAIMED_AHEAD: Final = 10_000
# A file that waited longer than this may meanwhile be another's: its state is looked up before its run.
FRESH_SECONDS: Final = 2.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
INCIDENT: Final = "arrivals:events"
RUNBOOK: Final = "docs/runbooks/arrivals.md"

_log = logging.getLogger("cardops.intake")


@dataclass
class Noticed:
    """What a kind is to look at: keys, or everything."""

    keys: set[str] = field(default_factory=set)
    is_everything: bool = False

    def add(self, keys: Collection[str] | None) -> None:
        """None: everything."""
        if keys is None:
            self.is_everything = True
        else:
            self.keys |= set(keys)

    def __bool__(self) -> bool:
        return self.is_everything or bool(self.keys)


class Backoff:
    """Pauses after failures in a row, each twice as long as the one before."""

    def __init__(self) -> None:
        self.failures = 0

    def next_pause(self) -> float:
        """Seconds to wait after one more failure."""
        self.failures += 1
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), LONGEST_PAUSE_SECONDS))


class Runs(Protocol):
    """Runs of the intake jobs in this process; InProcessRuns is one."""

    @property
    def instance(self) -> dg.DagsterInstance:
        """Where runs are recorded."""

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> RunResult:
        """Ingest claimed files of one partition. Raises RunFailedError."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where arrivals are found: `arrivals` by keys of which the watch told, `sweep` by listing."""

    watch: ArrivalWatch
    arrivals: Arrivals
    sweep: Arrivals


class IntakeTrack:
    """Kinds whose files one thread claims, and another ingests, one run after the other.

    Claims do not wait for a run: a storm of files is in the ledger, and off the queue of events, long before
    it is credited.
    """

    def __init__(self, kinds: Sequence[Kind], sources: Sources, claims: Claims, runs: Runs) -> None:
        self._sources = sources
        self._claims = claims
        self._runs = runs
        self._looks = {kind: Looks(kind, claims) for kind in kinds}
        self._noticed = {kind: Noticed() for kind in kinds}
        self._backlog = Backlog()
        self._in_hand: list[IntakeFile] = []
        self._failing: set[Kind] = set()
        self._changed = threading.Condition()
        self._is_stopping = False

    def kinds_done(self, unfinished: Collection[IntakeFile]) -> set[Kind]:
        """Kinds of this track of which each unfinished file waits here or is in hand, and whose looks succeed."""
        with self._changed:
            own = self._backlog.ids() | {file.intake_id for file in self._in_hand}
            left = {file.arrival.kind for file in unfinished if file.intake_id not in own}
            return set(self._looks) - self._failing - left

    def notice(self, keys: Collection[str] | None) -> None:
        """These keys may be new; None: everything."""
        with self._changed:
            for kind, noticed in self._noticed.items():
                if keys is None:
                    noticed.add(None)
                else:
                    noticed.add({key for key in keys if key.startswith(f"incoming/{kind}/")})
            self._changed.notify_all()

    def stop(self) -> None:
        """End `claim`, and `ingest` after the run in hand; what is claimed is taken over by the next worker."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def claim(self) -> None:
        """Claim until stopped. A failure is logged; what it left undone goes on later."""
        backoff = Backoff()
        for kind in list(self._looks):
            self._guarded(backoff, kind, self._take_over)
        while (next_kind := self._next_kind()) is not None:
            self._guarded(backoff, next_kind, self._claim_noticed)

    def ingest(self) -> None:
        """Run what is claimed until stopped. Files of a run that failed are left to the sensors."""
        backoff = Backoff()
        while (taken := self._next_files()) is not None:
            kind, files, waited_seconds = taken
            self._guarded(backoff, kind, partial(self._ingest, files, waited_seconds))
            self._in_hand = []

    def _guarded(self, backoff: Backoff, kind: Kind, work: Callable[[Kind], None]) -> None:
        try:
            work(kind)
            self._failing.discard(kind)
        except Exception as error:  # noqa: BLE001 - the thread goes on, whatever became of one kind
            pause = backoff.next_pause()
            self._failing.add(kind)
            sentence = str(error) if isinstance(error, ExplainedError) else repr(error)
            _log.warning("%s: %s; tried again in %.0f s", kind, sentence, pause)
            self.notice(None)
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopping, pause)
        else:
            backoff.failures = 0

    def _next_kind(self) -> Kind | None:
        """The next kind that has something to look at; None when it is to stop."""
        with self._changed:
            while not self._is_stopping:
                kind = self._kind_in_turn()
                if kind is not None:
                    return kind
                waits = [looks.seconds_to_next() for looks in self._looks.values()]
                self._changed.wait(min((wait for wait in waits if wait is not None), default=None))
            return None

    def _kind_in_turn(self) -> Kind | None:
        """A kind with something to look at; it comes last the next time."""
        for kind, looks in self._looks.items():
            self._noticed[kind].add(looks.due())
            if self._noticed[kind]:
                self._looks[kind] = self._looks.pop(kind)
                return kind
        return None

    def _claim_noticed(self, kind: Kind) -> None:
        with self._changed:
            noticed, self._noticed[kind] = self._noticed[kind], Noticed()
        if noticed.keys:
            self._claim_all(kind, self._sources.arrivals, noticed.keys)
        if noticed.is_everything:
            self._claim_all(kind, self._sources.sweep, None)

    def _claim_all(self, kind: Kind, arrivals: Arrivals, keys: Collection[str] | None) -> None:
        has_more = True
        while has_more and self._has_room():
            # A session costs more than what is asked in it.
            with self._claims.intake_ledger.one_session():
                files, has_more = self._looks[kind].look(arrivals, keys)
            self._hand_over(kind, files)

    def _has_room(self) -> bool:
        """Whether more may be claimed, after waiting for runs; False when it is to stop."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopping or self._backlog.count < MAX_CLAIMED_AHEAD
            )
            return not self._is_stopping

    def _take_over(self, kind: Kind) -> None:
        """Ingest what another worker claimed and never began."""
        self._hand_over(kind, self._not_begun(kind))

    def _hand_over(self, kind: Kind, files: Sequence[IntakeFile]) -> None:
        with self._changed:
            self._backlog.add(kind, files)
            self._changed.notify_all()

    def _next_files(self) -> tuple[Kind, list[IntakeFile], float] | None:
        """The files of the next run; None when it is to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping or self._backlog.count)
            if self._is_stopping:
                return None
            taken = self._backlog.take()
            self._in_hand = taken[1]
            self._changed.notify_all()
            return taken

    def _ingest(self, files: Sequence[IntakeFile], waited_seconds: float, kind: Kind) -> None:
        # A session costs more than what is asked in it.
        with self._claims.intake_ledger.one_session():
            # Meanwhile a sensor may have requested a run of what waited.
            left = self._left_of(kind, files) if waited_seconds > FRESH_SECONDS else files
            if left:
                self._run(kind, left)

    def _run(self, kind: Kind, files: Sequence[IntakeFile]) -> None:
        begun = time.monotonic()
        try:
            result = self._runs.ingest_file(kind, files)
        except RunFailedError as error:
            _log.warning("%s", error)  # the sensor requests another run of what is unfinished
        else:
            seconds = time.monotonic() - begun
            _log.info("%s: %d files in %.2f s, run %s", kind, len(files), seconds, result.run_id)

    def _left_of(self, kind: Kind, group: Sequence[IntakeFile]) -> list[IntakeFile]:
        ids = {file.intake_id for file in group}
        return [file for file in self._not_begun(kind) if file.intake_id in ids]

    def _not_begun(self, kind: Kind) -> list[IntakeFile]:
        busy = busy_ids(KINDS[kind], self._runs.instance)
        return [
            file
            for file in self._claims.intake_ledger.unfinished(kind)
            if file.status is FileStatus.CLAIMED and file.intake_id not in busy
        ]


class IntakeWorker:
    """Watches for arrivals in the calling thread, and has a track for deposits and one for the other kinds."""

    def __init__(
        self,
        sources: Sources,
        claims: Claims,
        runs: Runs,
        notifier: Notifier,
        tracks: Sequence[Sequence[Kind]] = KINDS_OF_TRACKS,
        kinds_of_sensors: Callable[[], Collection[Kind]] = tuple,
    ) -> None:
        """Arrival sensors look rarely at kinds of which it says that it does all there is to do.

        `kinds_of_sensors`: of these it does not, whatever is unfinished.
        """
        self._claims = claims
        self._kinds_of_sensors = kinds_of_sensors
        self._instance = runs.instance
        self._told_at: float | None = None
        self._is_ended = False
        self._sources = sources
        self._notifier = notifier
        self._tracks = [IntakeTrack(kinds, sources, claims, runs) for kinds in tracks]
        self._stopping = threading.Event()
        self._backoff = Backoff()
        # An earlier process may have ended after it told that events cannot be read.
        self._may_be_open = True

    def stop(self) -> None:
        """End `run` once the runs in hand have ended."""
        self._stopping.set()
        self._sources.watch.close()

    def run(self) -> None:
        """Ingest what arrives until stopped."""
        running = [
            threading.Thread(target=work, name=f"{work.__name__}-{number}")
            for number, track in enumerate(self._tracks)
            for work in (track.claim, track.ingest)
        ]
        for thread in running:
            thread.start()
        try:
            self._notice(None)
            self._watch()
        finally:
            for track in self._tracks:
                track.stop()
            for thread in running:
                thread.join()
            self._is_ended = True
            self._tell(is_changed=True)
            self._sources.watch.close()

    def _watch(self) -> None:
        swept_at = time.monotonic()
        while not self._stopping.is_set():
            self._tell()
            keys = self._waited()
            if time.monotonic() - swept_at >= SWEEP_SECONDS:
                keys = None
            if keys is None:
                swept_at = time.monotonic()
            if keys is None or keys:
                self._notice(keys)

    def _tell(self, *, is_changed: bool = False) -> None:
        """Say now and then that it lives, and at once that it does no more."""
        is_due = self._told_at is None or time.monotonic() - self._told_at >= TELL_SECONDS
        if not (is_due or is_changed):
            return
        self._told_at = time.monotonic()
        try:
            tell(self._instance, self._kinds_done())
        except Exception as error:  # noqa: BLE001 - sensors then look as often as if there were no worker
            _log.warning("The sensors could not be told that the worker lives: %r", error)

    def _kinds_done(self) -> set[Kind]:
        """Of which nothing is left to the sensors: no run to repeat, nothing that only they look for."""
        if self._backoff.failures or self._is_ended:
            return set()
        with self._claims.intake_ledger.one_session():
            unfinished = self._claims.intake_ledger.unfinished()
        done: set[Kind] = set()
        for track in self._tracks:
            done |= track.kinds_done(unfinished)
        return done - set(self._kinds_of_sensors())

    def _waited(self) -> Collection[str] | None:
        """What the watch tells; everything where it fails, after a pause."""
        try:
            keys = self._sources.watch.wait(WAIT_SECONDS)
        except ExplainedError as error:
            pause = self._backoff.next_pause()
            _log.warning("%s Listed instead; tried again in %.0f s.", error, pause)
            self._tell(is_changed=True)
            if self._backoff.failures == 1:
                self._notifier.notify(
                    "Events of arrivals cannot be read",
                    str(error),
                    runbook=RUNBOOK,
                    incident=INCIDENT,
                )
            self._stopping.wait(pause)
            return None
        if self._backoff.failures:
            _log.warning("Events of arrivals are read again.")
        if self._backoff.failures or self._may_be_open:
            self._notifier.resolve(INCIDENT, "Events of arrivals are read again.")
            self._backoff.failures, self._may_be_open = 0, False
        return keys

    def _notice(self, keys: Collection[str] | None) -> None:
        for track in self._tracks:
            track.notice(keys)
