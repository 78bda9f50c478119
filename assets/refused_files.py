"""The check that fails a run whose file cannot be read at all, with the sentence that says why.

Belongs here: which files a run is about, the check, and the job that fails for a file that was refused
before a run was to read it. The files themselves are refused, with their
error.json, in cardops.services.intake; other files of the run are ingested all the same.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import dagster as dg

from cardops.contracts.kinds.profile import KindProfile
from cardops.ports import IntakeLedger
from cardops.rules.intake.files import FileStatus, IntakeFile
from cardops.services.intake.claiming import RUNBOOK

# The intake ids that a run works on: by it a crashed run's files are found.
INTAKE_TAG: Final = "cardops/intake_ids"


def refusal_check_name(profile: KindProfile) -> str:
    """The name of the check: true when it passes."""
    return f"every_{profile.subject}_file_can_be_read"


def refusal_check(profile: KindProfile) -> dg.AssetChecksDefinition:
    """The check of a kind. It is blocking, so a refused file makes the run a failed one."""

    @dg.asset_check(asset=profile.kind, name=refusal_check_name(profile), blocking=True)
    def every_file_can_be_read(
        context: dg.AssetCheckExecutionContext, intake_ledger: dg.ResourceParam[IntakeLedger]
    ) -> dg.AssetCheckResult:
        """No file of the run was refused whole; a refused one is named with what to mend."""
        partition = files_of_partition(profile, context.partition_key, intake_ledger)
        return every_file_read(files_of_run(partition, context.run.tags))

    return every_file_can_be_read


def files_of_partition(
    profile: KindProfile, partition_key: str, intake_ledger: IntakeLedger
) -> list[IntakeFile]:
    """The files of a batch or of a business date, each with its latest outcome."""
    if profile.has_batches:
        # A batch holds its files as they were sealed; their own entries have the outcome.
        sealed = intake_ledger.batch(partition_key).files
        return [intake_ledger.find(intake_file.intake_id) for intake_file in sealed]
    return list(intake_ledger.claimed_on(profile.kind, date.fromisoformat(partition_key)))


def ids_of_tags(tags: Mapping[str, str]) -> set[int]:
    """The intake ids that a run's tag names. A person may launch a run with any text there: it names none."""
    return {int(number) for number in tags.get(INTAKE_TAG, "").split(",") if number.isdecimal()}


def files_of_run(files: Sequence[IntakeFile], tags: Mapping[str, str]) -> list[IntakeFile]:
    """Those of the partition's files that the run's tag names; all where it names none."""
    ids = ids_of_tags(tags)
    return [file for file in files if not ids or file.intake_id in ids]


def every_file_read(files: Sequence[IntakeFile]) -> dg.AssetCheckResult:
    """Whether none of the files was refused whole."""
    refused = {
        file.arrival.key: file.outcome.error
        for file in files
        if file.status is FileStatus.REFUSED and file.outcome and file.outcome.error
    }
    return dg.AssetCheckResult(
        passed=not refused,
        description=" ".join(refused.values()) or None,
        metadata={"files": len(files), "refused": refused, "runbook": RUNBOOK},
    )


class RefusedFile(dg.Config):
    """The file that was refused."""

    intake_id: int


@dg.op(description="Fails with the sentence that says why the file was refused, and what to mend.")
def refused_file(config: RefusedFile, intake_ledger: dg.ResourceParam[IntakeLedger]) -> None:
    """Nothing is read again: this is what the UI shows of a file that no run takes up."""
    intake_file = intake_ledger.find(config.intake_id)
    outcome = intake_file.outcome
    raise dg.Failure(
        description=outcome.error if outcome and outcome.error else "The file was refused.",
        metadata={
            "file": intake_file.arrival.key,
            "intake_id": intake_file.intake_id,
            "quarantine": (outcome.quarantine_path if outcome else None) or "",
        },
        allow_retries=False,
    )


@dg.job(
    name="file_refusal",
    description="A file that was refused before it was read, such as one of an unknown program.",
)
def file_refusal_job() -> None:
    """One run a file, which fails."""
    refused_file()
