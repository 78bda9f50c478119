"""Files that the calendar says were due on a date and that brought nothing: the date is not whole.

Belongs here: which dates are asked for, and what a missing file's break says. What is due, and what
answers it, is in cardops.services.intake.expected_files.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Protocol

import polars as pl

from cardops.contracts.lake.reconciliation import FOUND_COLUMNS
from cardops.rules.intake.expected_files import LATEST, DueState, JudgedDueFile
from cardops.rules.reconciliation.comparisons import DUE_FILES

ONE_DAY: Final = timedelta(days=1)


class DueFiles(Protocol):
    """The calendar of expected files, compared with what arrived."""

    def absent_on(self, business_date: date) -> Sequence[JudgedDueFile]:
        """Files due on that date that bring nothing."""


def absent_file_breaks(
    calendar: DueFiles, first: date, business_date: date, *, is_closing: bool
) -> pl.DataFrame:
    """One break for each file due on these dates that is absent: FOUND_COLUMNS.

    While a date is not being closed, a file whose time has not come is none. Later than the calendar
    accepts it, a file cannot arrive any more, so older dates are not asked for.
    """
    day = max(first, business_date - LATEST)
    rows = []
    while day <= business_date:
        rows += [
            _found(judged)
            for judged in calendar.absent_on(day)
            if is_closing or judged.state is not DueState.EXPECTED
        ]
        day += ONE_DAY
    return pl.DataFrame(rows, schema=FOUND_COLUMNS, orient="row")


def _found(judged: JudgedDueFile) -> tuple[object, ...]:
    due = judged.due
    state = "held" if judged.is_held else judged.state
    subject = f"{due.expected.kind} file {due.expected.name} due on {due.due_on} is {state}"
    return (DUE_FILES.check, due.expected.program, None, None, subject, 1, 0)
