"""Files in the raw store that nobody claims, as tables in the control room.

Belongs here: how they are shown. Sensors observe them whenever one comes or goes; materialized by hand,
the asset looks at everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import dagster as dg

from assets.check_results import result_of
from cardops.ports import Clock, IntakeLedger, ObjectStore
from cardops.rules.intake.unclaimed import UnclaimedFile
from cardops.services.intake.unclaimed_files import (
    MISPLACED,
    RUNBOOK,
    UNFINISHED,
    UnclaimedFiles,
)

ASSET: Final = "unclaimed_files"
MAX_SHOWN: Final = 200
NAMED_IN_CHECK: Final = 5
_COLUMNS: Final = ("file", "since", "bytes", "what_to_do")


@dataclass(frozen=True, slots=True)
class Look:
    """One of the two looks: how its files are found, its check, and the beginning of its incidents' keys."""

    name: str
    find: Callable[[UnclaimedFiles], list[UnclaimedFile]]
    check_name: str
    sentence: str
    incidents: str


MISPLACED_FILES: Final = Look(
    "misplaced",
    UnclaimedFiles.misplaced,
    "every_file_is_in_a_folder_of_a_kind",
    "No file lies outside the folders of kinds, where nobody claims it.",
    MISPLACED,
)
UNFINISHED_FILES: Final = Look(
    "unfinished",
    UnclaimedFiles.unfinished,
    "every_transfer_was_finished",
    "No file kept a temporary name, could not be read, or was a control file alone for over an hour.",
    UNFINISHED,
)
LOOKS: Final = (MISPLACED_FILES, UNFINISHED_FILES)


@dg.asset(
    name=ASSET,
    group_name="intake",
    # Warnings: what nobody claims holds up nothing else.
    check_specs=[
        dg.AssetCheckSpec(look.check_name, asset=ASSET, description=look.sentence) for look in LOOKS
    ],
    kinds={"s3"},
)
def unclaimed_files(
    raw_store: dg.ResourceParam[ObjectStore],
    clock: dg.ResourceParam[Clock],
    intake_ledger: dg.ResourceParam[IntakeLedger],
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Files that nobody takes, each with what to do: misplaced, unfinished, unreadable, links, control files alone."""
    service, now = UnclaimedFiles(raw_store, clock, intake_ledger), clock.now()
    found = {look: look.find(service) for look in LOOKS}
    metadata = {
        name: value
        for look, files in found.items()
        for name, value in metadata_of(look, files, now).items()
    }
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[result_of(check_of(look, files)) for look, files in found.items()],
    )


def metadata_of(
    look: Look, files: Sequence[UnclaimedFile], now: datetime
) -> dict[str, dg.MetadataValue]:
    """How many, and the first of them, each with what its sender has to do."""
    rows: list[dict[str, str | int]] = [
        {
            "file": file.key,
            "since": f"{file.modified_at:%Y-%m-%d %H:%M} UTC",
            "bytes": file.size_bytes,
            "what_to_do": file.why,
        }
        for file in files[:MAX_SHOWN]
    ]
    return {
        look.name: dg.MetadataValue.int(len(files)),
        f"{look.name}_files": dg.MetadataValue.table(
            [dg.TableRecord(row) for row in rows],
            dg.TableSchema([dg.TableColumn(name) for name in _COLUMNS]),
        ),
        "as_of": dg.MetadataValue.timestamp(now),
    }


def check_of(look: Look, files: Sequence[UnclaimedFile]) -> dg.AssetCheckEvaluation:
    """Whether there is none."""
    named = [f"{file.key}: {file.why}" for file in files[:NAMED_IN_CHECK]]
    more = len(files) - len(named)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(ASSET),
        check_name=look.check_name,
        passed=not files,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join([*named, *([f"And {more} more."] if more else [])]) or None,
        metadata={"files": len(files), "runbook": RUNBOOK},
    )
