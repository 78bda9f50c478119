"""Reports of several sections, of which one lists the disputes: its header, and lines that are no rows.

Belongs here: how such a report is recognised, in text and in a workbook whose cells are joined by commas.
"""

from collections.abc import Sequence
from typing import Final

# How a report of several sections begins, in lower case.
_STARTS: Final = (
    "begin,",
    'begin"',
    "rpde0017s",
    "record type",
    "entityidentifier=",
    "entityid=",
    "processingentityid=",
)
# Its lines that are not rows.
NO_ROWS: Final = (
    r'(?i)^"?((BEGIN|END|RPDE0017S|DisputeSummary|Record Type)\b'
    r"|(Processing)?Entity(Id|Identifier)=)"
)


def begins_sections(line: str) -> bool:
    """Whether a file's first line is that of such a report."""
    return line.lstrip('"').lower().startswith(_STARTS)


def is_section(line: str, names: Sequence[str]) -> bool:
    """Whether the line is the header of a section with one of these columns."""
    return any(name.lower() in line.lower() for name in names)


def without_section(name: str) -> str:
    """Why a report without such a header is refused; `name`: the file's."""
    return (
        f"{name} begins like a report of several sections but has none with disputes, so nothing was "
        "ingested: ask its sender for the detail report."
    )
