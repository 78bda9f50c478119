"""A chargeback batch adds up: rows read = rows in files + superseded + waiting + duplicates + quarantined.

Belongs here: the equation, in rows and in money by currency. Its two sides come from independent
sources: intake's own counts, and the bytes of the chargeback files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cardops.rules.chargebacks.control_totals import ControlTotals
from cardops.rules.intake.files import FileOutcome, RowReason

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RowSums:
    """Rows, and their money by currency in minor units."""

    rows: int = 0
    minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """One batch, added up from two sources. `is_complete`: all its files were made.

    `superseded`: accepted steps that are no lines, because a later step of their stage is. `waiting`:
    rows that are held. `carried`: rows of earlier batches that were released into this one.
    """

    read: int
    duplicate: int
    quarantined: int
    unroutable: int
    accepted_minor: Mapping[str, int]
    filed: int
    filed_minor: Mapping[str, int]
    disputes: int = 0
    superseded: int = 0
    superseded_minor: Mapping[str, int] = field(default_factory=dict)
    waiting: RowSums = field(default_factory=RowSums)
    carried: RowSums = field(default_factory=RowSums)
    unapplied_files: int = 0
    is_complete: bool = True
    damaged_files: tuple[str, ...] = field(default=())


_NONE: Final = RowSums()


def add_up_batch(  # noqa: PLR0913 - one parameter a term of the equation
    outcomes: Sequence[FileOutcome | None],
    filed: Sequence[ControlTotals],
    *,
    superseded: tuple[int, Mapping[str, int]] = (0, _NOTHING),
    waiting: RowSums = _NONE,
    carried: RowSums = _NONE,
    is_complete: bool = True,
    damaged_files: tuple[str, ...] = (),
) -> BatchTotals:
    """Intake's outcomes (None: an intake file not applied) and the control totals of the files."""
    applied = [outcome for outcome in outcomes if outcome is not None]
    return BatchTotals(
        read=sum(outcome.read for outcome in applied),
        duplicate=sum(outcome.duplicate for outcome in applied),
        quarantined=sum(outcome.quarantined for outcome in applied),
        unroutable=sum(outcome.reasons.get(RowReason.UNROUTABLE_NETWORK, 0) for outcome in applied),
        accepted_minor=_sums([outcome.totals_minor for outcome in applied]),
        filed=sum(file.row_count for file in filed),
        filed_minor=_sums([file.totals_minor for file in filed]),
        disputes=sum(file.dispute_count for file in filed),
        superseded=superseded[0],
        superseded_minor=dict(superseded[1]),
        waiting=waiting,
        carried=carried,
        unapplied_files=len(outcomes) - len(applied),
        is_complete=is_complete,
        damaged_files=damaged_files,
    )


def batch_breaks(totals: BatchTotals) -> list[str]:
    """What does not add up, one sentence each; empty where every row and every unit is accounted for."""
    breaks = [f"{name} is damaged" for name in totals.damaged_files]
    if totals.unapplied_files:
        breaks.append(f"{totals.unapplied_files} files of the batch are not applied")
    accepted = totals.read - totals.duplicate - totals.quarantined + totals.carried.rows
    # Until the last file is made, fewer rows may be in files, but never more.
    found = totals.filed + totals.superseded + totals.waiting.rows
    if found > accepted or (totals.is_complete and found < accepted):
        breaks.append(
            f"{accepted} rows were accepted, {totals.filed} are in files{_beside(totals)}"
        )
    # With credits, which are negative, part of the rows may sum to more than all of them.
    is_whole = totals.is_complete or accepted == found
    breaks += _money_breaks(totals) if is_whole else []
    return breaks


def _money_breaks(totals: BatchTotals) -> list[str]:
    accepted = Counter(totals.accepted_minor)
    accepted.update(totals.carried.minor)
    breaks = []
    for currency in sorted({*accepted, *totals.filed_minor}):
        filed = totals.filed_minor.get(currency, 0)
        superseded = totals.superseded_minor.get(currency, 0)
        waiting = totals.waiting.minor.get(currency, 0)
        if accepted[currency] != filed + superseded + waiting:
            beside = f", {superseded} of superseded steps" if superseded else ""
            beside += f", {waiting} of rows that wait" if waiting else ""
            breaks.append(
                f"{accepted[currency]} minor units of {currency} were accepted, {filed} are in "
                f"files{beside}"
            )
    return breaks


def _beside(totals: BatchTotals) -> str:
    superseded = f" and {totals.superseded} superseded" if totals.superseded else ""
    return superseded + (f" and {totals.waiting.rows} wait" if totals.waiting.rows else "")


def _sums(totals: Sequence[Mapping[str, int]]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for part in totals:
        added.update(part)
    return dict(added)
