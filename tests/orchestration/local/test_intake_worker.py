"""The intake worker: who waits for whom, how many runs there are, and what a failure leaves."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg
import pytest
from typing_extensions import override

from assets.refused_files import INTAKE_TAG
from cardops.adapters.object_stores.listing import ListedArrivals
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import ArrivalWatch
from cardops.rules.intake.files import FileStatus, IntakeFile, Kind
from cardops.rules.intake.objects import ObjectStoreError
from cardops.services.intake.claiming import Claims
from orchestration.local import intake_worker
from orchestration.local.in_process import RunFailedError, RunResult
from orchestration.local.intake_worker import (
    KINDS_OF_TRACKS,
    IntakeWorker,
    Sources,
)
from sensors.intake import MAX_FILES_A_RUN
from sensors.processes import PROCESS_TAG, process_tag
from tests.factories.waiting import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms

pytestmark = pytest.mark.dagster
DEPOSITS, CHARGEBACKS, ORDERS = Kind("deposits"), Kind("chargebacks"), Kind("orders")


class ToldWatch(ArrivalWatch):
    """Tells what a test put into it: keys, everything, or an error."""

    def __init__(self) -> None:
        self._told: deque[Collection[str] | Exception | None] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def tell(self, what: Collection[str] | Exception | None) -> None:
        with self._changed:
            self._told.append(what)
            self._changed.notify()

    @override
    def wait(self, seconds: float) -> Collection[str] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._told or self._is_closed, seconds)
            what = self._told.popleft() if self._told else ()
        if isinstance(what, Exception):
            raise what
        return what

    @override
    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()


@dataclass
class RecordedRuns:
    """Runs that mark their files as applied, once `may_go_on` allows it for their kind."""

    instance: dg.DagsterInstance
    ledger: FakeIntakeLedger
    begun: list[tuple[Kind, int]] = field(default_factory=list)
    ended: list[tuple[Kind, int]] = field(default_factory=list)
    may_go_on: Callable[[Kind], bool] = lambda _kind: True
    errors: list[Exception] = field(default_factory=list)

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> RunResult:
        self.begun.append((kind, len(files)))
        wait_until(lambda: self.may_go_on(kind))
        if self.errors:
            raise self.errors.pop(0)
        for file in files:
            self.ledger.mark(file.intake_id, FileStatus.APPLIED)
        self.ended.append((kind, len(files)))
        return RunResult("run", ())


class Desk:
    """A worker over fakes."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.store, self.ledger, self.notifier = (
            FakeObjectStore(),
            FakeIntakeLedger(),
            FakeNotifier(),
        )
        self.watch = ToldWatch()
        self.runs = RecordedRuns(instance, self.ledger)
        self.kinds_of_sensors: set[Kind] = set()
        self.claims = Claims(
            self.store, FakeObjectStore(), self.ledger, FakePrograms(), FakeClock(), notifier=None
        )
        arrivals = ListedArrivals(self.store, self.ledger, is_certain=True, max_files=500)
        self.sources = Sources(self.watch, arrivals, arrivals)

    def put(self, kind: Kind, *names: str) -> list[str]:
        keys = [f"incoming/{kind}/{name}" for name in names]
        for key in keys:
            self.store.replace(key, key.encode())
        return keys

    def arrive(self, kind: Kind, *names: str) -> None:
        self.watch.tell(self.put(kind, *names))

    @contextmanager
    def running(self) -> Iterator[None]:
        worker = IntakeWorker(
            self.sources,
            self.claims,
            self.runs,
            self.notifier,
            kinds_of_sensors=lambda: self.kinds_of_sensors,
        )
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(instance)


def test_every_kind_has_one_track() -> None:
    assert sorted(kind for kinds in KINDS_OF_TRACKS for kind in kinds) == sorted(KINDS)


def test_deposit_does_not_wait_for_a_long_chargeback_batch(desk: Desk) -> None:
    is_deposit_credited = threading.Event()
    desk.runs.may_go_on = lambda kind: kind != CHARGEBACKS or is_deposit_credited.is_set()

    with desk.running():
        desk.arrive(CHARGEBACKS, "long.csv")
        wait_until(lambda: desk.runs.begun)
        desk.arrive(DEPOSITS, "a.csv")
        wait_until(lambda: (DEPOSITS, 1) in desk.runs.ended)
        is_deposit_credited.set()
        wait_until(lambda: len(desk.runs.ended) == 2)

    assert desk.runs.ended == [(DEPOSITS, 1), (CHARGEBACKS, 1)]


def test_many_files_make_few_runs(desk: Desk) -> None:
    names = [f"{number:05}.csv" for number in range(2 * MAX_FILES_A_RUN + 1)]

    with desk.running():
        desk.arrive(DEPOSITS, *names)
        wait_until(lambda: sum(count for _, count in desk.runs.ended) == len(names))

    assert len(desk.runs.ended) == 3
    assert len(desk.ledger.files) == len(names)


def test_claims_do_not_wait_for_the_run_in_hand(desk: Desk) -> None:
    is_claimed = threading.Event()
    desk.runs.may_go_on = lambda _kind: is_claimed.is_set()

    with desk.running():
        desk.arrive(DEPOSITS, "first.csv")
        wait_until(lambda: desk.runs.begun)
        desk.arrive(DEPOSITS, "a.csv")
        desk.arrive(DEPOSITS, "b.csv")
        wait_until(lambda: len(desk.ledger.files) == 3)
        is_claimed.set()
        wait_until(lambda: len(desk.runs.ended) == 2)

    assert desk.runs.ended == [(DEPOSITS, 1), (DEPOSITS, 2)]


def test_claims_wait_when_too_many_files_wait_for_a_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_worker, "MAX_CLAIMED_AHEAD", 2)
    may_go_on = threading.Event()
    desk.runs.may_go_on = lambda _kind: may_go_on.is_set()

    with desk.running():
        desk.arrive(DEPOSITS, "first.csv")
        wait_until(lambda: desk.runs.begun)
        desk.arrive(DEPOSITS, "a.csv", "b.csv")
        wait_until(lambda: len(desk.ledger.files) == 3)
        desk.arrive(DEPOSITS, "late.csv")
        time.sleep(0.3)
        assert len(desk.ledger.files) == 3
        may_go_on.set()
        wait_until(lambda: sum(count for _, count in desk.runs.ended) == 4)


def test_file_that_a_sensor_took_while_it_waited_is_not_run_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_worker, "FRESH_SECONDS", 0.0)
    may_go_on = threading.Event()
    desk.runs.may_go_on = lambda _kind: may_go_on.is_set()

    with desk.running():
        desk.arrive(DEPOSITS, "first.csv")
        wait_until(lambda: desk.runs.begun)
        desk.arrive(DEPOSITS, "a.csv", "b.csv")
        wait_until(lambda: len(desk.ledger.files) == 3)
        desk.ledger.begin(2)  # as the run that a sensor requested does
        may_go_on.set()
        wait_until(lambda: len(desk.runs.ended) == 2)

    assert desk.runs.ended == [(DEPOSITS, 1), (DEPOSITS, 1)]


def test_event_told_again_makes_no_other_run(desk: Desk) -> None:
    with desk.running():
        desk.arrive(DEPOSITS, "a.csv")
        wait_until(lambda: desk.runs.ended)
        desk.watch.tell(["incoming/deposits/a.csv"])
        desk.arrive(DEPOSITS, "b.csv")
        wait_until(lambda: len(desk.runs.ended) == 2)

    assert desk.runs.begun == [(DEPOSITS, 1), (DEPOSITS, 1)]


def test_what_arrived_before_the_start_is_ingested(desk: Desk) -> None:
    desk.put(ORDERS, "a.csv", "b.csv")

    with desk.running():
        wait_until(lambda: desk.runs.ended)

    assert desk.runs.ended == [(ORDERS, 2)]


def test_files_that_a_killed_worker_claimed_are_taken_over(desk: Desk) -> None:
    keys = desk.put(DEPOSITS, "claimed.csv", "begun.csv", "busy.csv")
    claimed = desk.claims.claim(DEPOSITS, [desk.claims.listed(key) for key in keys])
    desk.ledger.begin(claimed[1].intake_id)
    run = dg.DagsterRun(
        job_name=KINDS[DEPOSITS].job_name,
        run_id="1" * 32,
        tags={INTAKE_TAG: str(claimed[2].intake_id), PROCESS_TAG: process_tag()},
    )
    desk.runs.instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))

    with desk.running():
        wait_until(lambda: desk.runs.ended)

    statuses = [desk.ledger.find(file.intake_id).status for file in claimed]
    assert statuses == [FileStatus.APPLIED, FileStatus.APPLYING, FileStatus.CLAIMED]


def test_failed_run_leaves_its_files_to_the_sensor_and_the_next_go_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.runs.errors.append(RunFailedError("deposit_intake", "1", "the lake's disk is full"))

    with desk.running():
        desk.arrive(DEPOSITS, "a.csv")
        wait_until(lambda: not desk.runs.errors)
        desk.arrive(DEPOSITS, "b.csv")
        wait_until(lambda: desk.runs.ended)

    (unfinished,) = desk.ledger.unfinished(DEPOSITS)
    assert unfinished.arrival.key == "incoming/deposits/a.csv"
    assert "the lake's disk is full" in caplog.text


def test_failed_claim_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(intake_worker, "FIRST_PAUSE_SECONDS", 0.01)
    errors = [ObjectStoreError("the bucket cannot be read"), ConnectionError("no database")]
    real = desk.ledger.claim_all

    def failing(*arguments: object) -> object:
        if errors:
            raise errors.pop(0)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.ledger, "claim_all", failing)
    with desk.running():
        desk.arrive(DEPOSITS, "a.csv")
        wait_until(lambda: desk.runs.ended)

    assert desk.runs.ended == [(DEPOSITS, 1)]
    assert "the bucket cannot be read" in caplog.text


def test_failing_events_are_one_alarm_and_everything_is_listed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_worker, "FIRST_PAUSE_SECONDS", 0.01)
    with desk.running():
        desk.put(DEPOSITS, "a.csv")
        for _ in range(3):
            desk.watch.tell(ObjectStoreError("The queue of arrivals does not exist."))
        wait_until(lambda: desk.runs.ended)
        desk.arrive(ORDERS, "b.csv")
        wait_until(lambda: len(desk.runs.ended) == 2)
        wait_until(lambda: not desk.notifier.open)

    assert len(desk.notifier.alarms) == 1
    assert desk.runs.ended == [(DEPOSITS, 1), (ORDERS, 1)]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[set[Kind]]:
    """What a worker tells again and again: the kinds at which sensors need not look often."""
    found: list[set[Kind]] = []
    monkeypatch.setattr(intake_worker, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(intake_worker, "TELL_SECONDS", 0.0)
    # Not through the instance: one in memory is for one thread at a time.
    monkeypatch.setattr(intake_worker, "tell", lambda _instance, kinds: found.append(set(kinds)))
    return found


def test_sensors_are_told_while_the_worker_lives(desk: Desk, told: list[set[Kind]]) -> None:
    may_go_on = threading.Event()
    desk.runs.may_go_on = lambda _kind: may_go_on.is_set()

    with desk.running():
        wait_until(lambda: told[-1:] == [set(KINDS)])
        desk.arrive(DEPOSITS, "in_hand.csv")
        wait_until(lambda: desk.runs.begun)
        desk.arrive(DEPOSITS, "waiting.csv")
        wait_until(lambda: len(desk.ledger.files) == 2)
        before = len(told)
        wait_until(lambda: len(told) > before + 2)
        assert told[-1] == set(KINDS), "both are the worker's own"
        may_go_on.set()

    assert told[-1] == set()


def test_sensors_are_told_of_kinds_that_are_left_to_them(desk: Desk, told: list[set[Kind]]) -> None:
    desk.runs.errors.append(RunFailedError("deposit_intake", "1", "the lake's disk is full"))
    desk.kinds_of_sensors = {ORDERS}

    with desk.running():
        wait_until(lambda: told[-1:] == [set(KINDS) - {ORDERS}])
        desk.arrive(DEPOSITS, "a.csv")
        wait_until(lambda: told[-1:] == [set(KINDS) - {ORDERS, DEPOSITS}])


def test_sensors_look_often_while_events_cannot_be_read(desk: Desk, told: list[set[Kind]]) -> None:
    with desk.running():
        wait_until(lambda: told[-1:] == [set(KINDS)])
        desk.watch.tell(ObjectStoreError("The queue of arrivals does not exist."))
        wait_until(lambda: told[-1:] == [set()])


def test_alarm_of_a_worker_that_was_restarted_is_ended_by_the_next(desk: Desk) -> None:
    desk.notifier.notify(
        "Events of arrivals cannot be read", "no queue", incident="arrivals:events"
    )
    with desk.running():
        desk.arrive(DEPOSITS, "a.csv")
        wait_until(lambda: not desk.notifier.open)
