"""A delivery service over fakes, for tests of what it decides."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cardops.ports import Destinations
from cardops.rules.deliveries.records import ChargebackFileRecord, TransientDeliveryError
from cardops.rules.deliveries.troubles import Trouble
from cardops.services.deliveries.delivery import DeliveryService
from tests.factories.deliveries import a_made_file
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.destinations import FakeDestinations, FakeFileDelivery
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore


@dataclass
class TroubledDestinations(FakeDestinations):
    """`before_connect` is called with the destination's name; it may raise or wait."""

    before_connect: Callable[[str], None] = lambda _: None
    connections: list[str] = field(default_factory=list)

    def connect(self, destination: str) -> FakeFileDelivery:
        self.connections.append(destination)
        self.before_connect(destination)
        session = super().connect(destination)
        assert isinstance(session, FakeFileDelivery)
        return session


@dataclass
class World:
    """The service's ports, and what was reported."""

    destinations: TroubledDestinations = field(default_factory=TroubledDestinations)
    ledger: FakeDeliveryLedger = field(default_factory=FakeDeliveryLedger)
    store: FakeObjectStore = field(default_factory=FakeObjectStore)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    breakers: FakeBreakers = field(default_factory=FakeBreakers)
    clock: FakeClock = field(default_factory=FakeClock)
    lines: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def service(self, destinations: Destinations | None = None) -> DeliveryService:
        return DeliveryService(
            self.store,
            self.ledger,
            destinations or self.destinations,
            self.notifier,
            self.breakers,
            self.clock,
            self.pauses.append,
            self.lines.append,
        )

    def make_file(
        self, batch_id: str = "b-1", network: str = "visa", evidence: bytes | None = None
    ) -> ChargebackFileRecord:
        return a_made_file(self.ledger, self.store, batch_id, network=network, evidence=evidence)

    def be_down(self, *names: str) -> None:
        """These destinations refuse connections from now on, and no others."""

        def refuse(destination: str) -> None:
            if destination in names:
                raise TransientDeliveryError(f"{destination} is down.", Trouble.UNREACHABLE)

        self.destinations.before_connect = refuse
