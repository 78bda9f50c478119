"""The card companies' servers, and the state of what goes there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from cardops.ports import Acknowledgements, Breakers, DeliveryLedger, Destinations


class DeliveryAdapters(InstanceAdapters):
    """What delivers chargeback files."""

    @cached_property
    def destinations(self) -> Destinations:
        """The card companies' servers, as their secrets say."""
        from cardops.adapters.file_delivery.destinations import SecretDestinations

        return SecretDestinations(self.secrets)

    @cached_property
    def delivery_ledger(self) -> DeliveryLedger:
        """Chargeback files and the state of each delivery."""
        from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger

        return PostgresDeliveryLedger(self.database.url)

    @cached_property
    def acknowledgements(self) -> Acknowledgements:
        """What the card companies answered about chargeback files."""
        from cardops.adapters.postgresql.chargebacks.acknowledgements import (
            PostgresAcknowledgements,
        )

        return PostgresAcknowledgements(self.database.url)

    @cached_property
    def breakers(self) -> Breakers:
        """The circuit breaker of each destination."""
        from cardops.adapters.postgresql.breakers import PostgresBreakers

        return PostgresBreakers(self.database.url)
