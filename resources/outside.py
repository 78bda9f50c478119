"""The world outside: operators, card companies' servers, the clock."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.clock import SystemClock
from cardops.adapters.notifier import open_notifier
from cardops.adapters.settings import Settings
from cardops.ports import Clock, Notifier


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
