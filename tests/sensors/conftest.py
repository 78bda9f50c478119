"""Arrival sensors over fakes, ticked as the daemon ticks them: through evaluate_tick."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import dagster as dg
import pytest

from assets.partitions import batches, business_dates
from cardops.adapters.object_stores.listing import ListedArrivals
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import Kind
from sensors.intake import arrival_sensor
from tests.factories.quick_instances import quick_instances
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms
from tests.fakes.source_controls import FakeSourceControls

__all__ = ["quick_instances"]


def repository_of(kind: Kind, sensor: dg.SensorDefinition) -> dg.RepositoryDefinition:
    """An asset that does nothing, with the partitions and the job of the real one."""
    partitions = batches if KINDS[kind].has_batches else business_dates

    @dg.asset(name=kind, partitions_def=partitions)
    def nothing() -> None: ...

    job = dg.define_asset_job(KINDS[kind].job_name, selection=dg.AssetSelection.assets(kind))
    return dg.Definitions(assets=[nothing], jobs=[job], sensors=[sensor]).get_repository_def()


@dataclass
class Desk:
    """One kind's sensor with everything it is handed, and its cursor from tick to tick."""

    kind: Kind
    instance: dg.DagsterInstance
    raw_store: FakeObjectStore = field(default_factory=FakeObjectStore)
    failed_store: FakeObjectStore = field(default_factory=FakeObjectStore)
    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    programs: FakePrograms = field(default_factory=FakePrograms)
    clock: FakeClock = field(default_factory=FakeClock)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    cursor: str | None = None
    skip_message: str | None = None
    source_controls: FakeSourceControls = field(init=False)

    def __post_init__(self) -> None:
        self.source_controls = FakeSourceControls(self.ledger, self.clock)
        self.sensor = arrival_sensor(KINDS[self.kind])
        self.repository = repository_of(self.kind, self.sensor)

    def put(self, name: str, content: str = "a") -> str:
        key = f"incoming/{self.kind}/{name}"
        self.raw_store.replace(key, content.encode())
        return key

    def tick(self) -> Sequence[dg.RunRequest]:
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref() if self.instance.is_persistent else None,
            cursor=self.cursor,
            repository_def=self.repository,
            sensor_name=self.sensor.name,
            resources={
                "arrivals": ListedArrivals(self.raw_store, self.ledger),
                "raw_store": self.raw_store,
                "failed_store": self.failed_store,
                "intake_ledger": self.ledger,
                "programs": self.programs,
                "clock": self.clock,
                "notifier": self.notifier,
                "source_controls": self.source_controls,
            },
        )
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        self.skip_message = data.skip_message
        for request in data.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(
                request.partitions_def_name, request.partition_keys
            )
        return data.run_requests or []


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def deposits(instance: dg.DagsterInstance) -> Desk:
    return Desk(Kind("deposits"), instance)


@pytest.fixture
def stored_instance() -> Iterator[dg.DagsterInstance]:
    """On disk: only there a tick sees the dynamic partitions that it asks for."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def chargebacks(stored_instance: dg.DagsterInstance) -> Desk:
    return Desk(Kind("chargebacks"), stored_instance)
