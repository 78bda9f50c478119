"""A file that could not be delivered is tried again by itself; what a person must decide is not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import dagster as dg
import pytest

from assets.partitions import batch_networks
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from sensors.delivery import RANGE_END, RANGE_START
from sensors.undelivered import MAX_RUNS_A_LOOK, MAX_TRIES, parse, undelivered_sensor
from tests.factories.deliveries import a_made_file
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore

pytestmark = pytest.mark.dagster


@dataclass
class Desk:
    """The sensor with everything it is handed, looking as the daemon does."""

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

    def look(self) -> Sequence[dg.RunRequest]:
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
            },
        )
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data.run_requests or []

    def look_after(self, **pause: float) -> Sequence[dg.RunRequest]:
        self.clock.advance(**pause)
        return self.look()


@pytest.fixture
def administration() -> Iterator[Desk]:
    with dg.instance_for_test() as instance:
        yield Desk(instance)


@pytest.mark.parametrize("state", [DeliveryState.MADE, DeliveryState.SENDING])
def test_an_undelivered_file_is_asked_for_after_a_pause_and_no_other_network_with_it(
    administration: Desk, state: DeliveryState
) -> None:
    administration.file("default-2026-11-20-001", state)

    assert administration.look() == [], "its first run may be about to begin"
    (request,) = administration.look_after(minutes=3)

    assert set(request.tags.values()) >= {"default-2026-11-20-001|visa"}
    assert request.tags[RANGE_START] == request.tags[RANGE_END]
    assert request.asset_selection == [dg.AssetKey("chargeback_deliveries")]


@pytest.mark.parametrize(
    "state",
    [DeliveryState.FAILED, DeliveryState.DELIVERED_UNCONFIRMED, DeliveryState.DELIVERED],
)
def test_what_a_person_decides_or_is_done_is_never_asked_for(
    administration: Desk, state: DeliveryState
) -> None:
    administration.file("default-2026-11-20-001", state)

    assert [request for _ in range(30) for request in administration.look_after(hours=5)] == []
    assert administration.notifier.alarms == []


def test_a_batch_that_a_run_is_at_is_left_to_it(administration: Desk) -> None:
    administration.file("default-2026-11-20-001")
    administration.look()
    administration.instance.add_run(
        dg.DagsterRun(
            job_name="chargeback_delivery",
            run_id="0" * 32,
            tags={"dagster/asset_partition_range_start": "default-2026-11-20-001|visa"},
        ).with_status(dg.DagsterRunStatus.STARTED)
    )

    assert administration.look_after(hours=5) == []


def test_tries_are_spaced_more_and_more_widely_then_end_with_one_alarm(
    administration: Desk,
) -> None:
    administration.file("default-2026-11-20-001")
    asked: list[int] = []
    minute = 0
    while minute < 10 * 24 * 60:
        asked += [minute for _ in administration.look()]
        step = (
            60 if administration.notifier.alarms else 2
        )  # after the alarm nothing is to come at all
        minute += step
        administration.clock.advance(minutes=step)

    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert len(asked) == MAX_TRIES
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (8, 240)
    (alarm,) = administration.notifier.alarms
    assert "cardops deliveries retry default-2026-11-20-001 visa" in alarm[1]


def test_each_try_is_a_run_of_its_own(administration: Desk) -> None:
    administration.file("default-2026-11-20-001")
    administration.look()
    keys = {request.run_key for _ in range(3) for request in administration.look_after(hours=5)}

    assert len(keys) == 3


def test_a_storm_of_undelivered_files_is_asked_for_in_portions_the_oldest_first(
    administration: Desk,
) -> None:
    for number in range(MAX_RUNS_A_LOOK + 3):
        administration.file(f"default-2026-11-20-{number:03}")
    administration.look()

    first, second = administration.look_after(minutes=3), administration.look()

    assert [len(first), len(second)] == [MAX_RUNS_A_LOOK, 3]
    assert first[0].tags[RANGE_START] == "default-2026-11-20-000|visa"


def test_what_was_delivered_meanwhile_is_forgotten(administration: Desk) -> None:
    record = administration.file("default-2026-11-20-001")
    administration.look()
    administration.ledger.record(replace(record, state=DeliveryState.DELIVERED))

    assert administration.look_after(minutes=3) == []
    assert parse(administration.cursor) == {}


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", '{"a|visa": {"count": 1}}'])
def test_an_unreadable_cursor_is_begun_anew(text: str | None) -> None:
    assert parse(text) == {}
