"""Deposit files of a business date into accounts and the lake."""

from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from assets.intake_runs import (
    IntakeConfig,
    every_accepted_row_in_lake,
    every_row_counted,
    ingest_files,
    intake_metadata,
)
from assets.partitions import business_dates
from cardops.ports import Clock, DepositLedger, IntakeLedger, Lake, ObjectStore, Programs
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.services.intake.ports import IntakePorts


@dg.asset(partitions_def=business_dates, group_name="intake", kinds={"postgres", "parquet"})
def deposits(  # noqa: PLR0913, PLR0917 - Dagster hands one port a parameter
    context: dg.AssetExecutionContext,
    config: IntakeConfig,
    raw_store: dg.ResourceParam[ObjectStore],
    failed_store: dg.ResourceParam[ObjectStore],
    lake: dg.ResourceParam[Lake],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    deposit_ledger: dg.ResourceParam[DepositLedger],
    programs: dg.ResourceParam[Programs],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[Any]:
    """Deposits claimed on one business date, credited once each; bad rows are quarantined."""
    ports = IntakePorts(
        raw_store=raw_store,
        failed_store=failed_store,
        lake=lake,
        intake_ledger=intake_ledger,
        programs=programs,
        clock=clock,
        deposit_ledger=deposit_ledger,
    )
    taken = ingest_files(_files(context, intake_ledger), config, ports)
    return dg.MaterializeResult(metadata=intake_metadata(taken, lake))


@dg.asset_check(asset=deposits, blocking=True)
def every_row_is_accounted_for(
    context: dg.AssetCheckExecutionContext, intake_ledger: dg.ResourceParam[IntakeLedger]
) -> dg.AssetCheckResult:
    """Of each file of the date: read = accepted + duplicate + quarantined."""
    return every_row_counted(_files(context, intake_ledger))


@dg.asset_check(asset=deposits, blocking=True)
def every_accepted_deposit_is_in_the_lake(
    context: dg.AssetCheckExecutionContext,
    intake_ledger: dg.ResourceParam[IntakeLedger],
    lake: dg.ResourceParam[Lake],
) -> dg.AssetCheckResult:
    """The lake holds as many rows of each file as the ledger says were accepted."""
    return every_accepted_row_in_lake(_files(context, intake_ledger), lake)


@dg.asset_check(asset=deposits, blocking=True)
def no_deposit_is_credited_twice(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    """No deposit of the date is in the lake twice, on that date or any other."""
    repeated = repeated_deposits(lake, date.fromisoformat(context.partition_key))
    return dg.AssetCheckResult(
        passed=repeated.is_empty(),
        metadata={
            "business_date": context.partition_key,
            "repeated": repeated.height,
            "examples": repeated.head(10)["deposit_id"].to_list(),
        },
    )


def repeated_deposits(lake: Lake, business_date: date) -> pl.DataFrame:
    """`program`, `deposit_id` and `len` of what stands in the lake more than once."""
    key = ["program", "deposit_id"]
    day, ever = lake.scan("deposits", [business_date]), lake.scan("deposits")
    if day is None or ever is None:
        return pl.DataFrame(schema=dict.fromkeys([*key, "len"], pl.String()))
    counts = ever.join(day.select(key), on=key, how="semi").group_by(key).agg(pl.len())
    return counts.filter(pl.col("len") > 1).sort(key).collect()


def _files(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, intake_ledger: IntakeLedger
) -> list[IntakeFile]:
    business_date = date.fromisoformat(context.partition_key)
    return list(intake_ledger.claimed_on(Kind.DEPOSITS, business_date))
