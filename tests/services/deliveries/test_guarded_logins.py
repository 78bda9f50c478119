"""A rejected password is not tried again by whoever else logs in, such as polls for acknowledgements."""

from dataclasses import dataclass, replace

import pytest
from typing_extensions import override

from cardops.ports import Destinations, FileDelivery
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.records import PermanentDeliveryError
from cardops.rules.deliveries.troubles import Trouble
from cardops.services.deliveries.guarded_logins import GuardedDestinations
from tests.factories.acknowledged_files import (
    OUTBOX,
    AcknowledgementDesk,
    an_acknowledgement,
    outbox_of,
)
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.destinations import FakeDestinations


@dataclass
class RejectingDestinations(Destinations):
    """Counts log-ins, and rejects each."""

    inner: Destinations
    log_ins: int = 0
    is_rejecting: bool = True

    @override
    def connect(self, destination: str) -> FileDelivery:
        self.log_ins += 1
        if self.is_rejecting:
            raise PermanentDeliveryError("visa rejected these credentials.", Trouble.CREDENTIALS)
        return self.inner.connect(destination)

    @override
    def settings(self, destination: str) -> Destination:
        return self.inner.settings(destination)

    @override
    def neutralises_formulas(self, destination: str) -> bool:
        return self.inner.neutralises_formulas(destination)


@pytest.mark.database
def test_rejected_password_is_tried_once_by_all_polls(
    database_url: str,
) -> None:
    destinations = FakeDestinations()
    outbox = outbox_of(destinations)
    desk = AcknowledgementDesk(database_url, destinations)
    record = desk.deliver("c1")
    outbox[f"{OUTBOX}/a.ack.json"] = an_acknowledgement(record)
    rejecting, breakers, clock = (
        RejectingDestinations(desk.destinations),
        FakeBreakers(),
        FakeClock(),
    )
    guarded = GuardedDestinations(rejecting, breakers, clock)
    service = replace(desk.service, destinations=guarded)

    errors = [service.poll_all()[0].error for _ in range(3)]

    assert rejecting.log_ins == 1
    assert [subject for subject, _, _ in desk.notifier.alarms] == [
        "Acknowledgements of visa cannot be read"
    ]
    assert "is left alone, so that it does not lock the account: visa rejected" in str(errors[-1])
    # The operator gives the right one.
    rejecting.is_rejecting = False
    breakers.change("visa", lambda breaker: breaker.with_new_settings(clock.now()))
    assert len(service.poll_all()[0].read) == 1
    assert breakers.find("visa").is_closed
