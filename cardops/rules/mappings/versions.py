"""Stored mappings: who set which version, why and when."""

from dataclasses import dataclass
from datetime import datetime

from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import FileMapping


@dataclass(frozen=True, slots=True)
class StoredMapping:
    """One version of the mapping of a program's files of one kind; it never changes."""

    program: str
    kind: Kind
    version: int
    mapping: FileMapping
    set_by: str
    why: str
    set_at: datetime


class MappingMissingError(ExplainedError, LookupError):
    """There is no such mapping."""

    def __init__(self, program: str, kind: Kind, version: int | None = None) -> None:
        which = "no mapping" if version is None else f"no version {version} of the mapping"
        super().__init__(
            f"Program {program} has {which} of {kind}; `cardops mapping list` shows those that there are."
        )
