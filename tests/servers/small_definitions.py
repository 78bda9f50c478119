"""A few definitions for a webserver: nothing of Cardops, so that they load at once."""

import dagster as dg

days = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-11")


@dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.multi_run())
def daily() -> None:
    """One partition a day."""


@dg.asset
def whole() -> None:
    """Without partitions."""


@dg.sensor(target=[whole], default_status=dg.DefaultSensorStatus.STOPPED)
def whole_sensor() -> dg.SkipReason:
    """Never asks for a run."""
    return dg.SkipReason("nothing to do")


defs = dg.Definitions([daily, whole], sensors=[whole_sensor])
