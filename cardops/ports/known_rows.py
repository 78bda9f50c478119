"""Accepted rows of kinds that no ledger applies, found by an id in a time that does not grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import polars as pl

    from cardops.rules.intake.files import IntakeFile, Kind


# Added to the intake id of a file that is read from the lake: its place is before all that take turns.
BEFORE_TURNS: Final = -(10**15)


@dataclass(frozen=True, slots=True)
class EarlierRows:
    """Rows of files judged before, and those of these files that are not in the lake yet.

    `rows`: `lookup_id`, `intake_id` (which holds the file's place in the order of judging),
    `row_number`, `content_digest` and `row_values`. Where the file itself was judged before,
    `later_rows` has the same of files judged after it that are in the lake, and `own_rows` of its own
    recorded rows.
    """

    rows: pl.DataFrame
    not_in_lake: tuple[int, ...]
    later_rows: pl.DataFrame | None = None
    own_rows: pl.DataFrame | None = None


class JudgingTurn(Protocol):
    """No other file of the kind and program is judged until the turn ends."""

    def earlier(self, lookup_ids: Sequence[str]) -> EarlierRows:
        """Rows under these ids of files that were judged before this one."""

    def record(self, rows: Iterable[pl.DataFrame], layout: str) -> None:
        """Replace the files' rows, in one commit; their places in the order are fixed with the first.

        The columns are those of `cardops.contracts.judging.known_rows.Layout.entries`.
        """


class KnownRows(Protocol):
    """The index of accepted rows. A file's rows count once its lake file is written."""

    def turn(
        self, intake_file: IntakeFile, *others: IntakeFile
    ) -> AbstractContextManager[JudgingTurn]:
        """Wait for the file's turn to be judged; with others, where none of them was judged before."""

    def mark_in_lake(self, *intake_ids: int) -> None:
        """The files' rows are in the lake: they serve as references from now on."""

    def judged(self, intake_ids: Collection[int]) -> set[int]:
        """Those of these files that have a place in the order of judging."""

    def forget(self, *intake_ids: int) -> None:
        """Delete the files' rows and their places in the order of judging."""

    def find(self, kind: Kind, program: str, lookup_ids: Sequence[str]) -> pl.DataFrame:
        """Rows under these ids that are in the lake.

        The columns are those of `EarlierRows`, with the files' intake ids.
        """

    def row_counts(self, intake_ids: Collection[int]) -> Mapping[int, int]:
        """Rows of each file; files without any are absent."""

    def kinds(self) -> Sequence[Kind]:
        """The kinds whose rows are in the index."""

    # Building from a lake that is older than the index.

    def is_complete(self, kind: Kind, layout: str) -> bool:
        """Whether every row in the lake is known under this layout."""

    def building(self, kind: Kind) -> AbstractContextManager[None]:
        """One builder at a time."""

    def recorded(self, intake_ids: Collection[int], layout: str) -> set[int]:
        """Those of these files whose rows are known under this layout."""

    def record_from_lake(
        self,
        kind: Kind,
        programs: Mapping[int, str],
        rows: Iterable[pl.DataFrame],
        layout: str,
    ) -> None:
        """Replace the rows of these files (intake id -> program) by those in the lake, in one commit.

        A file without a place in the order is placed by its intake id, before all others.
        """

    def complete(self, kind: Kind, layout: str) -> None:
        """Every row of the lake is recorded."""
