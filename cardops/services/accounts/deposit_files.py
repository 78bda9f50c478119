"""Which intake files an operator means by a deposit file: for recalls and reinstatements.

Belongs here: finding them. A file is its content: files of a program with the same content share
one fate, and so do the files made of their released rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from cardops.ports import IntakeLedger
from cardops.rules.intake.files import IntakeFile, Kind

DEPOSITS: Final = Kind("deposits")


@dataclass(frozen=True, slots=True)
class DepositFileKey:
    """What identifies a deposit file: its intake id, its key under incoming/, or its content."""

    intake_id: int | None = None
    key: str | None = None
    content_sha256: str | None = None
    program: str | None = None


def named_files(ledger: IntakeLedger, known: DepositFileKey) -> Sequence[IntakeFile]:
    """The files with this id, key or content, oldest first."""
    return ledger.find_all(DEPOSITS, **asdict(known))


def related_files(ledger: IntakeLedger, files: Sequence[IntakeFile]) -> Sequence[IntakeFile]:
    """These files, those of their program with the same content, and those released from any."""
    found: dict[int, IntakeFile] = {}
    waiting = list(files)
    while waiting:
        intake_file = waiting.pop()
        if intake_file.intake_id not in found:
            found[intake_file.intake_id] = intake_file
            waiting.extend(_neighbours(ledger, intake_file))
    return [found[intake_id] for intake_id in sorted(found)]


def ambiguous_key(name: str, files: Sequence[IntakeFile]) -> str | None:
    """Why a key names no single file: its sender used it for different contents. None if it does."""
    contents = {intake_file.arrival.content_sha256 for intake_file in files}
    if len(contents) < 2:  # noqa: PLR2004 - one content is one file
        return None
    ids = ", ".join(str(intake_file.intake_id) for intake_file in files)
    return f"{name} was used for {len(contents)} different files (intake ids {ids})"


def programs_of(files: Sequence[IntakeFile]) -> list[str]:
    """The programs of the files, sorted."""
    return sorted({intake_file.arrival.program for intake_file in files})


def _neighbours(ledger: IntakeLedger, intake_file: IntakeFile) -> Iterator[IntakeFile]:
    arrival = intake_file.arrival
    yield from ledger.find_all(
        arrival.kind, content_sha256=arrival.content_sha256, program=arrival.program
    )
    yield from ledger.released_from(intake_file)
