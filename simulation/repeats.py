"""Rows added to the good ones: bad rows with ids of their own, repeats and conflicts.

Belongs here: where such rows are put in their files. What is wrong with a bad row is in bad_rows.
"""

from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from cardops.rules.intake.files import RowReason
from simulation.bad_rows import Roles, damaged_rows, rows_with_bad_values, rows_with_two_reasons
from simulation.rows import InputFile, Row

LINES_MAY_BREAK = (".csv", ".ndjson", ".csv.gz", ".ndjson.gz")
# (file of the original, file of the repeat); the same file twice is a repeat inside it.
Pair = tuple[InputFile, InputFile]


class Spoiler:
    """Puts bad rows among the good ones of files of one kind."""

    def __init__(self, rng: Random, roles: Roles, id_prefix: str) -> None:
        self._rng = rng
        self._roles = roles
        self._ids = (f"{id_prefix}-{number:06d}" for number in count())

    def spoil(self, file: InputFile, reasons: Sequence[RowReason], how_many: int) -> None:
        """Rows of each reason; broken lines too where the format has lines."""
        templates, end = file.plain_rows(), file.end
        if not templates:
            return

        def make_good(_number: int) -> Row:
            changes = {self._roles.key: next(self._ids)}
            return self._rng.choice(templates).copy(self._rng.uniform(0, end), **changes)

        bad = rows_with_bad_values(
            make_good, self._roles, reasons, how_many, is_typed=file.is_typed
        )
        if file.name.endswith(LINES_MAY_BREAK):
            bad += damaged_rows(make_good, self._roles, how_many)
            bad += rows_with_two_reasons(make_good, self._roles)
        file.rows += bad


def repeat_rows(
    rng: Random, pairs: Sequence[Pair], how_many: int, repeat: Callable[[Row], Row]
) -> None:
    """Repeat that many plain rows of each pair's first file in its second, further down."""
    for original_file, target in pairs:
        end = target.end
        plain = [row for row in original_file.plain_rows() if row.currency == "USD"]
        for original in rng.sample(plain, k=min(how_many, len(plain) // 4)):
            original.is_plain = False
            row = repeat(original)
            row.is_plain = False
            first = original.position if original_file is target else 0.0
            row.position = rng.uniform(first + 1e-6, max(end, first + 1))
            target.rows.append(row)
