"""The newest batches and their card companies as a picture in Markdown.

Belongs here: a table in SVG, which shows at a glance what needs a person. It is written by hand as the other
pictures of runs are: a library to draw it takes longer to import than a delivery takes.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.progress import NEEDS_PERSON, FileProgress, Progress
from cardops.services.deliveries.board import BoardRow

ROW: Final = 24
_NAME_WIDTH, _CELL_WIDTH, _HEAD = 250, 132, 26
WIDTH: Final = _NAME_WIDTH + _CELL_WIDTH * len(NETWORKS)
# Ground and ink by what a reader has to do: nothing yet, nothing more, something.
_PLAIN: Final = ("#ffffff", "#5a6b7c")
_UNDER_WAY: Final = ("#dceafb", "#0b3d75")
_DONE: Final = ("#d7f0e2", "#0b5a36")
_TO_DO: Final = ("#fbdcd2", "#8a2310")
_COLORS: Final[Mapping[Progress, tuple[str, str]]] = {
    **dict.fromkeys(Progress, _UNDER_WAY),
    Progress.NO_FILE: _PLAIN,
    Progress.NOT_MADE: _PLAIN,
    Progress.ACKNOWLEDGED: _DONE,
    Progress.DELIVERED: _DONE,
    **dict.fromkeys(NEEDS_PERSON, _TO_DO),
}


def board_markdown(rows: Sequence[BoardRow]) -> str:
    """The picture, and sentences that say the same of what needs a person without it."""
    if not rows:
        return "No chargeback file was made yet."
    image = base64.b64encode(board_svg(rows).encode()).decode()
    needs = [
        f"- **{row.batch_id} to {network}: {found.progress}.** {found.detail}"
        for row in rows
        for network, found in row.files.items()
        if found.progress in NEEDS_PERSON
    ]
    said = "\n".join(needs) or "No file needs a person."
    return f"![Batches and card companies](data:image/svg+xml;base64,{image})\n\n{said}"


def board_svg(rows: Sequence[BoardRow]) -> str:
    """One line a batch, one cell a card company."""
    height = _HEAD + ROW * len(rows) + 4
    head = "".join(
        f'<text x="{_NAME_WIDTH + index * _CELL_WIDTH + 6}" y="17" font-weight="bold">{network}</text>'
        for index, network in enumerate(NETWORKS)
    )
    lines = "".join(_line(row, y=_HEAD + place * ROW) for place, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="#22303f">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{head}{lines}</svg>'
    )


def _line(row: BoardRow, *, y: int) -> str:
    cells = "".join(
        _cell(row.files[network], x=_NAME_WIDTH + index * _CELL_WIDTH, y=y)
        for index, network in enumerate(NETWORKS)
    )
    return f'<text x="4" y="{y + 16}">{escape(row.batch_id)}</text>{cells}'


def _cell(found: FileProgress, *, x: int, y: int) -> str:
    ground, ink = _COLORS[found.progress]
    sign = "! " if found.progress in NEEDS_PERSON else ""
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL_WIDTH - 2}" height="{ROW - 2}" fill="{ground}"/>'
        f'<text x="{x + 6}" y="{y + 16}" fill="{ink}">{sign}{escape(found.progress.value)}'
        f"<title>{escape(found.detail)}</title></text>"
    )
