"""Accepted rows of a simulated day's disputes, put together by dispute and by stage.

Belongs here: which rows are of one dispute, as the outside world knows it, without any code of the pipeline.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from cardops.rules.intake.files import Kind
from simulation.rows import InputFile, Outcome, Row

ENDED: Final = frozenset({"won", "lost"})
Key = tuple[str, ...]


def grouped(
    files: Sequence[InputFile],
    belongs: Callable[[Row], bool],
    key_of: Callable[[InputFile, Row], Key],
) -> list[list[Row]]:
    """The rows of each key as they arrive, which is the order in which they happened."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for file in files:
        own = [row for row in file.rows if file.kind == Kind("chargebacks") and belongs(row)]
        for row in sorted(own, key=lambda row: row.position):
            groups[key_of(file, row)].append(row)
    return list(groups.values())


def is_at_once(row: Row) -> bool:
    """Accepted when its file arrives."""
    return row.outcome is Outcome.ACCEPTED


def is_released(row: Row) -> bool:
    """Accepted once what it refers to has arrived."""
    return row.released_by is not None


def is_accepted(row: Row) -> bool:
    """Either of both."""
    return is_at_once(row) or is_released(row)


def stage_of(file: InputFile, row: Row) -> str:
    """The stage that a row is about."""
    return str(row.cells["stage"]) if "stage" in file.columns else "chargeback"


def stage_key(file: InputFile, row: Row) -> Key:
    """One stage of one dispute: a line of a chargeback file."""
    return (stage_of(file, row), *dispute_key(file, row))


def dispute_key(file: InputFile, row: Row) -> Key:
    """A row names its case, or is known by its payment, date, reason and amount."""
    unnamed = ("transaction_id", "dispute_date", "reason_code", "chargeback_amount")
    identity = ("case_number",) if "case_number" in file.columns else unnamed
    return (row.network, *(str(row.cells[name]) for name in identity))
