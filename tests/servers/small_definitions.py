"""A few definitions for a webserver: nothing of Cardops, so that they load at once."""

import dagster as dg

days = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-11")


@dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.multi_run())
def daily() -> None:
    """One partition a day."""


batches = dg.DynamicPartitionsDefinition(name="batch")
networks = dg.StaticPartitionsDefinition(["visa", "amex"])
batch_networks = dg.MultiPartitionsDefinition({"batch": batches, "network": networks})


@dg.asset(partitions_def=batch_networks, backfill_policy=dg.BackfillPolicy.single_run())
def delivered() -> None:
    """One partition a batch and network."""


@dg.multi_asset(specs=[dg.AssetSpec("one_half"), dg.AssetSpec("other_half")])
def halves() -> tuple[None, None]:
    """Both at once."""
    return None, None


@dg.asset
def whole() -> None:
    """Without partitions."""


@dg.sensor(target=[whole], default_status=dg.DefaultSensorStatus.STOPPED)
def whole_sensor() -> dg.SkipReason:
    """Never asks for a run."""
    return dg.SkipReason("nothing to do")


daily_job = dg.define_asset_job("daily_job", selection=[daily, whole])
defs = dg.Definitions([daily, delivered, halves, whole], jobs=[daily_job], sensors=[whole_sensor])
