"""Intake assets: files of one kind into the lake, and the checks that compare both.

Belongs here: one factory for every kind, the run config that names files, and what a run reports.
What is particular to a kind is in its profile.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.intake_metadata import intake_metadata
from assets.partitions import batches, business_dates
from assets.refused_files import files_of_partition, refusal_check
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import IntakeLedger, KnownRows, Lake
from cardops.ports.progress import ProgressLines, heard_by
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile, total_outcome
from cardops.services.intake.index_check import index_differences
from cardops.services.intake.ingestion import ingest_files
from cardops.services.intake.ports import Applier, IntakePorts

_PORTS: Final = (
    "raw_store",
    "failed_store",
    "lake",
    "intake_ledger",
    "known_rows",
    "programs",
    "source_controls",
    "clock",
)


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
        begun = time.monotonic()
        with heard_by(ProgressLines(context.log.info)):
            results = ingest_files(files, config.intake_ids, ports, kinds)
        seconds = time.monotonic() - begun
        files = files_of_partition(profile, context.partition_key, ports.intake_ledger)
        return dg.MaterializeResult(
            metadata=intake_metadata(results, files, profile, ports, seconds)
        )

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

    checks = [
        every_row_is_accounted_for,
        every_accepted_row_is_in_the_lake,
        refusal_check(profile),
    ]
    return checks if profile.applied_to else [*checks, _known_rows_check(profile)]


def _known_rows_check(profile: KindProfile) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=profile.kind, name=f"every_accepted_{profile.subject}_is_known", blocking=True
    )
    def every_accepted_row_is_known(
        context: dg.AssetCheckExecutionContext,
        intake_ledger: dg.ResourceParam[IntakeLedger],
        lake: dg.ResourceParam[Lake],
        known_rows: dg.ResourceParam[KnownRows],
    ) -> dg.AssetCheckResult:
        """The index by which later files are judged has as many rows of each file as the lake."""
        files = files_of_partition(profile, context.partition_key, intake_ledger)
        return every_row_in_index(files, lake, known_rows)

    return every_accepted_row_is_known


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


def every_row_in_index(
    files: Sequence[IntakeFile], lake: Lake, known_rows: KnownRows
) -> dg.AssetCheckResult:
    """Whether the index of known rows has as many rows of each finished file as the lake."""
    found = index_differences(files, lake, known_rows)
    differences = {
        str(file.intake_id): {"in_lake": file.in_lake, "known": file.known} for file in found
    }
    finished = sum(1 for file in files if file.outcome)
    return dg.AssetCheckResult(
        passed=not differences, metadata={"files": finished, "differences": differences}
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
