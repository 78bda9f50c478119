"""Alarms of monitoring programmes, raised once the marts of a business date are built."""

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from cardops.ports import Clock, MonitoringAlarms, MonitoringProgrammes, Notifier
from cardops.services.disputes.monitoring_alarms import MonitoringWatch


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="analytics",
    deps=["fct_monitoring_programmes"],
    kinds={"postgresql"},
)
def monitoring_alarms(
    context: dg.AssetExecutionContext,
    monitoring_programmes: dg.ResourceParam[MonitoringProgrammes],
    raised_monitoring_alarms: dg.ResourceParam[MonitoringAlarms],
    notifier: dg.ResourceParam[Notifier],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Merchants that may reach the line of a monitoring programme this month, or have, told once."""
    watch = MonitoringWatch(monitoring_programmes, raised_monitoring_alarms, clock)
    found = watch.raise_due(notifier)
    return dg.MaterializeResult(
        metadata={
            "raised": len(found.raised),
            # Their process ended before it could say that it sent them.
            "may_not_have_been_sent": len(found.unconfirmed),
        }
    )
