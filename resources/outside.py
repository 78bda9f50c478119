"""The world outside: operators, card companies' servers, the clock."""

import dagster as dg
from typing_extensions import override

from cardops.ports import Clock, Destinations, Notifier
from resources.adapters import adapters


class DestinationsResource(dg.ConfigurableResource[Destinations]):
    """The card companies' servers, as their secrets say."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Destinations:
        return adapters().destinations


class NotifierResource(dg.ConfigurableResource[Notifier]):
    """Incidents in the database, told in the log, alarms.jsonl and the configured channels."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Notifier:
        return adapters().notifier


class ClockResource(dg.ConfigurableResource[Clock]):
    """The database's clock, in UTC."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Clock:
        return adapters().database_clock
