"""Intake assets: files of one kind into the lake, and the checks that compare both.

Belongs here: one factory for every kind, the run config that names files, and what a run reports.
What is particular to a kind is in its profile.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.partitions import batches, business_dates
from assets.refused_files import files_of_partition, refusal_check
from assets.tables import records_metadata
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import IntakeLedger, Lake
from cardops.rules.intake.files import (
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFile,
    total_outcome,
)
from cardops.rules.money import format_amount
from cardops.services.intake.ingestion import ingest_files
from cardops.services.intake.ports import Applier, IngestResult, IntakePorts

PREVIEW_ROWS: Final = 10
COUNTS: Final = ("read", "accepted", "duplicate", "quarantined")
_PORTS: Final = ("raw_store", "failed_store", "lake", "intake_ledger", "programs", "clock")


class IntakeConfig(dg.Config):
    """Which files to ingest; none named means all of the partition, as in a backfill."""

    intake_ids: list[int] = []  # noqa: RUF012 - pydantic copies defaults


def intake_asset(
    profile: KindProfile,
    *,
    applier: Callable[[Any], Applier] | None = None,
    kinds: Kinds = KINDS,
) -> dg.AssetsDefinition:
    """The asset of a kind. `applier` is built over the port that the profile is applied to."""
    applied_to = [profile.applied_to] if profile.applied_to else []

    @dg.asset(
        name=profile.kind,
        partitions_def=batches if profile.has_batches else business_dates,
        group_name=profile.asset_group,
        kinds=set(profile.asset_kinds),
        description=profile.description,
        required_resource_keys={*_PORTS, *applied_to},
    )
    def ingested(
        context: dg.AssetExecutionContext, config: IntakeConfig
    ) -> dg.MaterializeResult[Any]:
        resources = context.resources
        ports = IntakePorts(
            **{name: getattr(resources, name) for name in _PORTS},
            appliers={name: applier(getattr(resources, name)) for name in applied_to if applier},
        )
        files = files_of_partition(profile, context.partition_key, ports.intake_ledger)
        results = ingest_files(files, config.intake_ids, ports, kinds)
        return dg.MaterializeResult(metadata=intake_metadata(results, ports.lake))

    return ingested


def intake_checks(profile: KindProfile) -> list[dg.AssetChecksDefinition]:
    """The checks of every kind: files can be read, no row is lost between file, ledger and lake."""

    @dg.asset_check(asset=profile.kind, blocking=True)
    def every_row_is_accounted_for(
        context: dg.AssetCheckExecutionContext, intake_ledger: dg.ResourceParam[IntakeLedger]
    ) -> dg.AssetCheckResult:
        """Of each file of the partition: read = accepted + duplicate + quarantined."""
        return every_row_counted(files_of_partition(profile, context.partition_key, intake_ledger))

    @dg.asset_check(
        asset=profile.kind,
        name=f"every_accepted_{profile.subject}_is_in_the_lake",
        blocking=True,
    )
    def every_accepted_row_is_in_the_lake(
        context: dg.AssetCheckExecutionContext,
        intake_ledger: dg.ResourceParam[IntakeLedger],
        lake: dg.ResourceParam[Lake],
    ) -> dg.AssetCheckResult:
        """The lake holds as many rows of each file as the ledger says were accepted."""
        files = files_of_partition(profile, context.partition_key, intake_ledger)
        return every_accepted_row_in_lake(files, lake)

    return [
        every_row_is_accounted_for,
        every_accepted_row_is_in_the_lake,
        refusal_check(profile),
    ]


def intake_metadata(results: Sequence[IngestResult], lake: Lake) -> dict[str, Any]:
    """Counts, money by currency, reasons, flags, a preview, and where the quarantine is."""
    outcomes = [result.outcome for result in results]
    total = total_outcome(outcomes)
    return {
        "files": len(results),
        **{name: getattr(total, name) for name in COUNTS},
        "counts_by_file": records_metadata([_file_counts(result) for result in results], "file"),
        "money": {
            currency: format_amount(minor, currency)
            for currency, minor in total.totals_minor.items()
        },
        "reasons": total.reasons,
        "flags": total.flags,
        "refused": {
            result.intake_file.arrival.key: result.outcome.error
            for result in results
            if result.outcome.error
        },
        "recalled": {
            result.intake_file.arrival.key: str(FileRecalledError(result.intake_file))
            for result in results
            if result.intake_file.status is FileStatus.RECALLED
        },
        "unknown_columns": list(total.unknown_columns),
        "quarantine": [o.quarantine_path for o in outcomes if o.quarantine_path],
        "released": [key for result in results for key in result.released],
        "preview": records_metadata(_preview(results, lake), "row_number"),
    }


def every_row_counted(files: Sequence[IntakeFile]) -> dg.AssetCheckResult:
    """Whether each applied file of the partition says what became of every row it had."""
    total = total_outcome([file.outcome for file in files if file.outcome])
    unaccounted = [
        file.arrival.key for file in files if file.outcome and not _adds_up(file.outcome)
    ]
    return dg.AssetCheckResult(
        passed=not unaccounted,
        metadata={
            "files": len(files),
            "read": total.read,
            "accepted": total.accepted,
            "unaccounted": unaccounted,
        },
    )


def every_accepted_row_in_lake(files: Sequence[IntakeFile], lake: Lake) -> dg.AssetCheckResult:
    """Whether the lake holds as many rows of each file as were accepted; of a recalled file, none."""
    expected = {file.intake_id: file.outcome.accepted for file in files if file.outcome}
    recalled = (file for file in files if file.status is FileStatus.RECALLED)
    expected |= {file.intake_id: 0 for file in recalled}
    found = _rows_by_file(files, lake)
    missing = {
        str(intake_id): {"accepted": accepted, "in_lake": found.get(intake_id, 0)}
        for intake_id, accepted in expected.items()
        if found.get(intake_id, 0) != accepted
    }
    return dg.AssetCheckResult(
        passed=not missing, metadata={"files": len(expected), "differences": missing}
    )


def _adds_up(outcome: FileOutcome) -> bool:
    return outcome.read == outcome.accepted + outcome.duplicate + outcome.quarantined


def _rows_by_file(files: Sequence[IntakeFile], lake: Lake) -> dict[int, int]:
    if not files:
        return {}
    table = lake.scan(files[0].arrival.kind, sorted({file.business_date for file in files}))
    if table is None:
        return {}
    return dict(table.group_by("intake_id").agg(pl.len()).collect().iter_rows())


def _file_counts(result: IngestResult) -> dict[str, object]:
    counts = {name: getattr(result.outcome, name) for name in COUNTS}
    return {"file": result.intake_file.arrival.key, **counts}


def _preview(results: Sequence[IngestResult], lake: Lake) -> list[dict[str, object]]:
    """The first accepted rows, without the columns that are the same for all of them."""
    files = [result.intake_file for result in results]
    dates = sorted({intake_file.business_date for intake_file in files})
    table = lake.scan(files[0].arrival.kind, dates) if files else None
    if table is None:
        return []
    is_ingested = pl.col("intake_id").is_in([intake_file.intake_id for intake_file in files])
    rows = table.filter(is_ingested).head(PREVIEW_ROWS).collect()
    return rows.drop("program", "intake_id", "source_file", "business_date").to_dicts()
