"""A process that reads acknowledgements and kills itself, as `kill -9` would, at any of its steps."""

from dataclasses import replace
from pathlib import Path

from cardops.services.deliveries.acknowledgements import AcknowledgementService
from tests.factories.acknowledged_files import AcknowledgementDesk
from tests.fakes.destinations import FakeDestinations
from tests.servers.killable_delivery import KillableProxy, StepCounter


def poll_and_die(url: str, destinations: FakeDestinations, lake: Path, dies_at: int | None) -> None:
    """Poll in this process. The folder that it sees is a copy, so whatever it read is there again."""
    counter = StepCounter(dies_at)
    service = AcknowledgementDesk(url, destinations, lake).service
    _killable(service, counter).poll_all()


def _killable(service: AcknowledgementService, counter: StepCounter) -> AcknowledgementService:
    ledger = frozenset({"record", "record_unmatched", "alarmed", "polled"})
    return replace(
        service,
        acknowledgements=KillableProxy(service.acknowledgements, counter, ledger),
        raw_store=KillableProxy(service.raw_store, counter, frozenset({"replace"})),
        notifier=KillableProxy(service.notifier, counter, frozenset({"notify"})),
    )
