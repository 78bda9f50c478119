"""Chargeback files of a sealed batch into the lake."""

from typing import Any

import dagster as dg

from assets.intake_runs import (
    IntakeConfig,
    every_accepted_row_in_lake,
    every_row_counted,
    ingest_files,
    intake_metadata,
)
from assets.partitions import batches
from cardops.ports import Clock, IntakeLedger, Lake, ObjectStore, Programs
from cardops.rules.intake.files import IntakeFile
from cardops.services.intake.ports import IntakePorts


@dg.asset(partitions_def=batches, group_name="chargebacks", kinds={"parquet"})
def chargebacks(  # noqa: PLR0913, PLR0917 - Dagster hands one port a parameter
    context: dg.AssetExecutionContext,
    config: IntakeConfig,
    raw_store: dg.ResourceParam[ObjectStore],
    failed_store: dg.ResourceParam[ObjectStore],
    lake: dg.ResourceParam[Lake],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    programs: dg.ResourceParam[Programs],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[Any]:
    """One batch's chargebacks with their network, stage and reason; bad rows are quarantined."""
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


@dg.asset_check(asset=chargebacks, blocking=True)
def every_row_is_accounted_for(
    context: dg.AssetCheckExecutionContext, intake_ledger: dg.ResourceParam[IntakeLedger]
) -> dg.AssetCheckResult:
    """Of each file of the batch: read = accepted + duplicate + quarantined."""
    return every_row_counted(_files(context, intake_ledger))


@dg.asset_check(asset=chargebacks, blocking=True)
def every_accepted_chargeback_is_in_the_lake(
    context: dg.AssetCheckExecutionContext,
    intake_ledger: dg.ResourceParam[IntakeLedger],
    lake: dg.ResourceParam[Lake],
) -> dg.AssetCheckResult:
    """The lake holds as many rows of each file as the ledger says were accepted."""
    return every_accepted_row_in_lake(_files(context, intake_ledger), lake)


def _files(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, intake_ledger: IntakeLedger
) -> list[IntakeFile]:
    # A batch as it was sealed; each file's fresh entry has its outcome.
    sealed = intake_ledger.batch(context.partition_key).files
    return [intake_ledger.find(file.intake_id) for file in sealed]
