"""What a drill of recovery proves, and what counts as passed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cardops.rules.errors import ExplainedError


class DrillFailedError(ExplainedError):
    """The drill could not be carried out; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """A table's rows: how many, and a sum of their digests, which does not depend on their order."""

    row_count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Restore:
    """A dump and its restore. `tables` are those of the store at the time of the dump."""

    tables: Mapping[str, TableDigest]
    restored: Mapping[str, TableDigest]
    dump_bytes: int
    dump_seconds: float
    restore_seconds: float

    @property
    def row_count(self) -> int:
        """Rows of the store."""
        return sum(table.row_count for table in self.tables.values())

    @property
    def differing(self) -> Sequence[str]:
        """Tables that are not the same after the restore, in order of name."""
        names = self.tables.keys() | self.restored.keys()
        return sorted(name for name in names if self.tables.get(name) != self.restored.get(name))


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill: the restore, breaks of the restored books, and damages that no check found."""

    restore: Restore
    break_count: int
    damages: Sequence[str]
    missed: Sequence[str]

    @property
    def is_passed(self) -> bool:
        """Whether the store could be restored from its dump today, and its checks can be relied on."""
        return bool(
            self.restore.tables
            and not self.restore.differing
            and not self.break_count
            and self.damages
            and not self.missed
        )
