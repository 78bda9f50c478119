"""Ids that a spreadsheet destroyed: `516000000012345` saved as the number `5.16E+14`."""

import re
from collections.abc import Iterable
from typing import Final

from cardops.rules.intake.files import RowReason

SPREADSHEET_NUMBER: Final = r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]+"
# What is shown of a time, of a date in a narrow column, or of a formula that failed.
SPREADSHEET_TIME: Final = r"(?:[0-9]{1,2}:[0-9]{2}\.[0-9]|#+|#[A-Z/0]+[!?]?)"
_IN_RECORD: Final = re.compile(rf"(?<![A-Za-z0-9.,]){SPREADSHEET_NUMBER}(?![A-Za-z0-9])")


def spreadsheet_hint(rows: Iterable[tuple[Iterable[str], str]]) -> str | None:
    """What to do about rows, given by their reasons and records, whose ids a spreadsheet destroyed."""
    damaged = sum(
        RowReason.INVALID_ID in reasons and _IN_RECORD.search(raw) is not None
        for reasons, raw in rows
    )
    if not damaged:
        return None
    return (
        f"{damaged} quarantined row(s) have an id in the notation of a spreadsheet, such as 5.16E+13: "
        "its last digits are lost. Export the file again without opening it in a spreadsheet, or "
        "format the column as text, and submit it again."
    )
