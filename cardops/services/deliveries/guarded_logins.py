"""Destinations whose refused sessions nobody tries again, whatever they are wanted for.

Belongs here: sessions beside deliveries, such as reading acknowledgements, which would log in every quarter
of an hour. Deliveries ask the circuit breaker themselves.
"""

from dataclasses import dataclass

from typing_extensions import override

from cardops.ports import Breakers, Clock, Destinations, FileDelivery
from cardops.rules.deliveries.breakers import BreakerState
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.records import PermanentDeliveryError, TransientDeliveryError
from cardops.rules.deliveries.troubles import REFUSED_SESSIONS, Trouble


@dataclass(frozen=True, slots=True)
class GuardedDestinations(Destinations):
    """The same destinations; one whose sessions are refused is left alone as for deliveries."""

    inner: Destinations
    breakers: Breakers
    clock: Clock

    @override
    def connect(self, destination: str) -> FileDelivery:
        """Raises TransientDeliveryError where it is left alone: there is nothing new to be told."""
        breaker, now = self.breakers.find(destination), self.clock.now()
        if breaker.refused_at is not None and breaker.state(now) is BreakerState.OPEN:
            raise TransientDeliveryError(
                f"{destination}: sessions have been refused since "
                f"{breaker.refused_at:%Y-%m-%d %H:%M} UTC. It is left alone, so that it does not "
                f"lock the account: {breaker.last_error}",
                Trouble.CREDENTIALS,
            )
        try:
            session = self.inner.connect(destination)
        except PermanentDeliveryError as error:
            if error.trouble in REFUSED_SESSIONS:
                explained = error.explained(destination)
                self.breakers.change(destination, lambda found: found.after_refusal(now, explained))
            raise
        if breaker.refused_at is not None:
            self.breakers.change(destination, lambda found: found.after_success(now))
        return session

    @override
    def settings(self, destination: str) -> Destination:
        return self.inner.settings(destination)

    @override
    def neutralises_formulas(self, destination: str) -> bool:
        return self.inner.neutralises_formulas(destination)
