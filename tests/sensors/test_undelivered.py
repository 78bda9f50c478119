"""Undelivered files are retried automatically; those that a person must decide on are not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import dagster as dg
import pytest

from assets.partitions import batch_networks
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.deliveries.retries import MAX_RETRIES, MAX_RUNS_A_TICK
from sensors.delivery import RANGE_END, RANGE_START
from sensors.undelivered import parse_cursor, undelivered_sensor
from tests.factories.deliveries import a_made_file
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.destinations import FakeDestinations
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore

pytestmark = pytest.mark.dagster

# As a person may set it: without an offset, which cannot be compared with now.
NAIVE = '{"a|visa": {"count": 1, "last_at": "2026-11-20T00:00:00"}}'


@dataclass
class Daemon:
    """The sensor and its resources, ticked as Dagster's daemon does."""

    instance: dg.DagsterInstance
    ledger: FakeDeliveryLedger = field(default_factory=FakeDeliveryLedger)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    clock: FakeClock = field(default_factory=FakeClock)
    cursor: str | None = None

    def __post_init__(self) -> None:
        @dg.asset(partitions_def=batch_networks)
        def chargeback_deliveries() -> None: ...

        job = dg.define_asset_job("chargeback_delivery", selection=[chargeback_deliveries])
        self.sensor = undelivered_sensor(job)
        self.repository = dg.Definitions(
            assets=[chargeback_deliveries], jobs=[job], sensors=[self.sensor]
        ).get_repository_def()

    def file(
        self, batch_id: str, state: DeliveryState = DeliveryState.MADE
    ) -> ChargebackFileRecord:
        record = a_made_file(self.ledger, FakeObjectStore(), batch_id)
        self.ledger.record(replace(record, state=state, last_error="no connection"))
        self.instance.add_dynamic_partitions("chargeback_batch", [batch_id])
        return record

    def tick(self) -> Sequence[dg.RunRequest]:
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            cursor=self.cursor,
            repository_def=self.repository,
            sensor_name=self.sensor.name,
            resources={
                "delivery_ledger": self.ledger,
                "notifier": self.notifier,
                "clock": self.clock,
                "breakers": FakeBreakers(),
                "destinations": FakeDestinations(),
            },
        )
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        for added in data.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(added.partitions_def_name, added.partition_keys)
        return data.run_requests or []

    def tick_after(self, **pause: float) -> Sequence[dg.RunRequest]:
        self.clock.advance(**pause)
        return self.tick()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.instance_for_test() as instance:
        yield Daemon(instance)


@pytest.mark.parametrize("state", [DeliveryState.MADE, DeliveryState.SENDING])
def test_undelivered_file_is_retried_alone_after_a_pause(
    daemon: Daemon, state: DeliveryState
) -> None:
    daemon.file("default-2026-11-20-001", state)

    assert daemon.tick() == [], "its first run may be about to start"
    (request,) = daemon.tick_after(minutes=3)

    assert set(request.tags.values()) >= {"default-2026-11-20-001|visa"}
    assert request.tags[RANGE_START] == request.tags[RANGE_END]
    assert request.asset_selection == [dg.AssetKey("chargeback_deliveries")]


@pytest.mark.parametrize(
    "state",
    [DeliveryState.FAILED, DeliveryState.DELIVERED_UNCONFIRMED, DeliveryState.DELIVERED],
)
def test_decided_or_delivered_files_are_never_retried(daemon: Daemon, state: DeliveryState) -> None:
    daemon.file("default-2026-11-20-001", state)

    assert [request for _ in range(30) for request in daemon.tick_after(hours=5)] == []
    assert daemon.notifier.alarms == []


def test_batch_whose_partition_was_deleted_has_it_again(daemon: Daemon) -> None:
    daemon.file("default-2026-11-20-001")
    daemon.tick()
    daemon.instance.delete_dynamic_partition("chargeback_batch", "default-2026-11-20-001")

    assert len(daemon.tick_after(minutes=3)) == 1
    assert daemon.instance.get_dynamic_partitions("chargeback_batch") == ["default-2026-11-20-001"]


def test_batch_with_a_run_under_way_is_not_retried(daemon: Daemon) -> None:
    daemon.file("default-2026-11-20-001")
    daemon.tick()
    daemon.instance.add_run(
        dg.DagsterRun(
            job_name="chargeback_delivery",
            run_id="0" * 32,
            tags={"dagster/asset_partition_range_start": "default-2026-11-20-001|visa"},
        ).with_status(dg.DagsterRunStatus.STARTED)
    )

    assert daemon.tick_after(hours=5) == []


def test_retry_pauses_grow_and_end_with_one_alarm(
    daemon: Daemon,
) -> None:
    daemon.file("default-2026-11-20-001")
    requested: list[int] = []
    minute = 0
    while minute < 10 * 24 * 60:
        requested += [minute for _ in daemon.tick()]
        # The first pauses are of minutes, the later ones of hours; after the alarm none may follow.
        step = 2 if len(requested) < 3 else 60 if daemon.notifier.alarms else 10
        minute += step
        daemon.clock.advance(minutes=step)

    pauses = [later - earlier for earlier, later in pairwise(requested)]
    assert len(requested) == MAX_RETRIES
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (8, 240)
    (alarm,) = daemon.notifier.alarms
    assert "cardops deliveries retry default-2026-11-20-001 visa" in alarm[1]


def test_each_retry_has_its_own_run_key(daemon: Daemon) -> None:
    daemon.file("default-2026-11-20-001")
    daemon.tick()
    keys = {request.run_key for _ in range(3) for request in daemon.tick_after(hours=5)}

    assert len(keys) == 3


def test_many_undelivered_files_are_retried_in_portions_oldest_first(
    daemon: Daemon,
) -> None:
    for number in range(MAX_RUNS_A_TICK + 3):
        daemon.file(f"default-2026-11-20-{number:03}")
    daemon.tick()

    first, second = daemon.tick_after(minutes=3), daemon.tick()

    assert [len(first), len(second)] == [MAX_RUNS_A_TICK, 3]
    assert first[0].tags[RANGE_START] == "default-2026-11-20-000|visa"


def test_delivered_file_leaves_the_cursor(daemon: Daemon) -> None:
    record = daemon.file("default-2026-11-20-001")
    daemon.tick()
    daemon.ledger.record(replace(record, state=DeliveryState.DELIVERED))

    assert daemon.tick_after(minutes=3) == []
    assert parse_cursor(daemon.cursor) == {}


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", '{"a|visa": {"count": 1}}', NAIVE])
def test_unreadable_cursor_starts_empty(text: str | None) -> None:
    assert parse_cursor(text) == {}
