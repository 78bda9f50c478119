"""Transaction files of a business date into the lake."""

from datetime import date
from typing import Any

import dagster as dg

from assets.intake_runs import (
    IntakeConfig,
    every_accepted_row_in_lake,
    every_row_counted,
    ingest_files,
    intake_metadata,
)
from assets.partitions import business_dates
from cardops.ports import Clock, IntakeLedger, Lake, ObjectStore, Programs
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.services.intake.ports import IntakePorts


@dg.asset(partitions_def=business_dates, group_name="intake", kinds={"parquet"})
def transactions(  # noqa: PLR0913, PLR0917 - Dagster hands one port a parameter
    context: dg.AssetExecutionContext,
    config: IntakeConfig,
    raw_store: dg.ResourceParam[ObjectStore],
    failed_store: dg.ResourceParam[ObjectStore],
    lake: dg.ResourceParam[Lake],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    programs: dg.ResourceParam[Programs],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[Any]:
    """Transactions as processors tell them, every version; bad rows are quarantined."""
    ports = IntakePorts(
        raw_store=raw_store,
        failed_store=failed_store,
        lake=lake,
        intake_ledger=intake_ledger,
        programs=programs,
        clock=clock,
    )
    taken = ingest_files(_files(context, intake_ledger), config, ports)
    return dg.MaterializeResult(metadata=intake_metadata(taken, lake))


@dg.asset_check(asset=transactions, blocking=True)
def every_row_is_accounted_for(
    context: dg.AssetCheckExecutionContext, intake_ledger: dg.ResourceParam[IntakeLedger]
) -> dg.AssetCheckResult:
    """Of each file of the date: read = accepted + duplicate + quarantined."""
    return every_row_counted(_files(context, intake_ledger))


@dg.asset_check(asset=transactions, blocking=True)
def every_accepted_transaction_is_in_the_lake(
    context: dg.AssetCheckExecutionContext,
    intake_ledger: dg.ResourceParam[IntakeLedger],
    lake: dg.ResourceParam[Lake],
) -> dg.AssetCheckResult:
    """The lake holds as many rows of each file as the ledger says were accepted."""
    return every_accepted_row_in_lake(_files(context, intake_ledger), lake)


def _files(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, intake_ledger: IntakeLedger
) -> list[IntakeFile]:
    business_date = date.fromisoformat(context.partition_key)
    return list(intake_ledger.claimed_on(Kind.TRANSACTIONS, business_date))
