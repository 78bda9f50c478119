"""Disputes as the lake has them, and what operators recorded about them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.files import FileAdapters

if TYPE_CHECKING:
    from cardops.ports import (
        DisputeAlarms,
        DisputeEvidence,
        DisputeRecords,
        Disputes,
        MonitoringAlarms,
    )


class DisputeAdapters(FileAdapters):
    """What the work queue is made of."""

    @cached_property
    def disputes(self) -> Disputes:
        """The lake's disputes by their last step."""
        from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes

        return DuckDbDisputes(self.lake, self._duckdb)

    @cached_property
    def dispute_records(self) -> DisputeRecords:
        """What operators recorded about disputes."""
        from cardops.adapters.postgresql.chargebacks.dispute_records import (
            PostgresDisputeRecords,
        )

        return PostgresDisputeRecords(self.database.url)

    @cached_property
    def dispute_alarms(self) -> DisputeAlarms:
        """Which alarms of deadlines were raised."""
        from cardops.adapters.postgresql.chargebacks.dispute_alarms import PostgresDisputeAlarms

        return PostgresDisputeAlarms(self.database.url)

    @cached_property
    def monitoring_alarms(self) -> MonitoringAlarms:
        """Which alarms of monitoring programmes were raised."""
        from cardops.adapters.postgresql.chargebacks.monitoring_alarms import (
            PostgresMonitoringAlarms,
        )

        return PostgresMonitoringAlarms(self.database.url)

    @cached_property
    def dispute_evidence(self) -> DisputeEvidence:
        """Files that people added to disputes, and what was sent of them."""
        from cardops.adapters.postgresql.chargebacks.dispute_evidence import (
            PostgresDisputeEvidence,
        )

        return PostgresDisputeEvidence(self.database.url)
