"""Which files of a run are ingested together: small ones that nothing sets apart.

Belongs here: the limits. What is done with a group is in `group_ingestion`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from cardops.contracts.kinds.registry import Kinds
from cardops.rules.intake.arrivals import released_from
from cardops.rules.intake.files import FileStatus, IntakeFile

# One file is no group.
MIN_FILES: Final = 2
# Each locks its entry in the database, whose table of locks all sessions share.
MAX_FILES: Final = 500
# Above, a file's own rows cost more than the file.
MAX_FILE_BYTES: Final = 100_000
# The rows of a group are in memory at once.
MAX_GROUP_BYTES: Final = 8_000_000
# What is compressed may be large; workbooks and Parquet cost more than reading small text.
EXTENSIONS: Final = (".csv", ".json", ".ndjson")


def groups_of(files: Sequence[IntakeFile], kinds: Kinds) -> Iterator[list[IntakeFile]]:
    """Groups of at least two files, each in claim order."""
    alike: dict[object, list[IntakeFile]] = defaultdict(list)
    for intake_file in sorted(files, key=lambda file: file.intake_id):
        if _is_small(intake_file, kinds):
            alike[_circumstances(intake_file)].append(intake_file)
    for candidates in alike.values():
        yield from (group for group in _within_limits(candidates) if len(group) >= MIN_FILES)


def _is_small(intake_file: IntakeFile, kinds: Kinds) -> bool:
    arrival = intake_file.arrival
    return (
        intake_file.status is FileStatus.CLAIMED
        and intake_file.attempt_series == 0
        and arrival.size_bytes <= MAX_FILE_BYTES
        and arrival.key.lower().endswith(EXTENSIONS)
        # Its fate may be that of the file its rows came from.
        and released_from(arrival.key) is None
        # All rows of such a file are judged together, and those of no other.
        and kinds[arrival.kind].refusal is None
    )


def _circumstances(intake_file: IntakeFile) -> object:
    """What the files of a group have in common."""
    arrival = intake_file.arrival
    return (
        arrival.kind,
        arrival.program,
        intake_file.business_date,
        intake_file.batch_id,
        intake_file.mapping_version,
    )


def _within_limits(files: Sequence[IntakeFile]) -> Iterator[list[IntakeFile]]:
    group: list[IntakeFile] = []
    size_bytes = 0
    for intake_file in files:
        own_bytes = intake_file.arrival.size_bytes
        if len(group) == MAX_FILES or size_bytes + own_bytes > MAX_GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
        group.append(intake_file)
        size_bytes += own_bytes
    yield group
