"""The world outside: operators, card companies' servers, the clock."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.clock import SystemClock
from cardops.adapters.file_delivery.destinations import SecretDestinations
from cardops.adapters.notifier import open_notifier
from cardops.adapters.object_stores.listing import ListedArrivals
from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.secrets import secret_store
from cardops.ports import Arrivals, Clock, Destinations, Notifier
from cardops.settings import Settings
from resources.ledgers import database_url


class ArrivalsResource(dg.ConfigurableResource[Arrivals]):
    """New files under `incoming/`, found by listing the raw store."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Arrivals:
        store = open_store(Settings.load().store_url("raw"))
        return ListedArrivals(store, PostgresIntakeLedger(database_url()))


class DestinationsResource(dg.ConfigurableResource[Destinations]):
    """The card companies' servers, as their secrets say."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Destinations:
        return SecretDestinations(secret_store(Settings.load()))


class NotifierResource(dg.ConfigurableResource[Notifier]):
    """The log and alarms.jsonl; also SNS where CARDOPS_NOTIFY_TOPIC_ARN is set."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Notifier:
        return open_notifier(Settings.load(), SystemClock())


class ClockResource(dg.ConfigurableResource[Clock]):
    """The machine's clock."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Clock:
        return SystemClock()
