"""What a sender did to a file, told from its quarantined rows, and what to do about it."""

from typing import Final

from cardops.ports import ObjectStore
from cardops.rules.intake.damage import spreadsheet_hint
from cardops.rules.intake.files import IntakeFile, RowReason
from cardops.services.intake.quarantine import first_quarantined

# Rows that are looked at: a spreadsheet destroys whole columns.
HINTED_ROWS: Final = 1_000


def hints_of(failed: ObjectStore, entry: IntakeFile) -> list[str]:
    """Sentences for the person who submitted the file; empty where nothing is recognised."""
    if entry.outcome is None or RowReason.INVALID_ID not in entry.outcome.reasons:
        return []
    rows = first_quarantined(failed, entry, HINTED_ROWS)
    hint = spreadsheet_hint((str(row["reasons"]).split(), str(row["raw"])) for row in rows)
    return [hint] if hint else []
