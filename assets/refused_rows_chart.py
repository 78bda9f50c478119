"""Refused rows of the last days as a picture in Markdown.

Belongs here: a bar chart in SVG. It is written by hand because a library to draw it takes longer to
import than most files take to ingest.
"""

import base64
from collections.abc import Sequence
from datetime import date
from typing import Final

from cardops.rules.intake.files import DailyCounts

WIDTH, HEIGHT = 640, 190
_TOP, _BOTTOM, _LEFT = 26, 34, 8
_BAR: Final = "#b3402f"
_INK: Final = "#22303f"

Days = Sequence[tuple[date, DailyCounts | None]]


def chart_of(days: Days) -> str:
    """Markdown: the picture, and a sentence that says the same without it."""
    refused = sum(day.quarantined for _, day in days if day)
    read = sum(day.read for _, day in days if day)
    files = sum(day.refused_files for _, day in days if day)
    image = base64.b64encode(svg_of(days).encode()).decode()
    sentence = (
        f"{days[0][0]} to {days[-1][0]}: {refused:,} of {read:,} rows quarantined, files refused "
        f"whole: {files:,}."
    )
    return f"![Quarantined rows by business date](data:image/svg+xml;base64,{image})\n\n{sentence}"


def svg_of(days: Days) -> str:
    """One bar a day with its count, and the share of the rows read below it."""
    slot = (WIDTH - 2 * _LEFT) / len(days)
    most = max((day.quarantined for _, day in days if day), default=0)
    scale = (HEIGHT - _TOP - _BOTTOM) / max(most, 1)
    parts = [
        _bar(on, day, x=_LEFT + index * slot, slot=slot, scale=scale)
        for index, (on, day) in enumerate(days)
    ]
    base = HEIGHT - _BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="10" fill="{_INK}" '
        'text-anchor="middle"><rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="{_LEFT}" y="12" text-anchor="start">quarantined rows by business date, '
        "and their share of the rows read</text>"
        f'<line x1="{_LEFT}" y1="{base}" x2="{WIDTH - _LEFT}" y2="{base}" stroke="#c6ced8"/>'
        f"{''.join(parts)}</svg>"
    )


def _bar(on: date, day: DailyCounts | None, *, x: float, slot: float, scale: float) -> str:
    base, middle = HEIGHT - _BOTTOM, x + slot / 2
    label = f'<text x="{middle:.1f}" y="{base + 13}">{on:%d %b}</text>'
    if day is None:
        return label
    height = day.quarantined * scale
    share = f"{day.quarantined / day.read:.1%}" if day.read else "-"
    bar = (
        f'<rect x="{x + slot * 0.2:.1f}" y="{base - height:.1f}" width="{slot * 0.6:.1f}" '
        f'height="{height:.1f}" fill="{_BAR}"/>'
        f'<text x="{middle:.1f}" y="{base - height - 3:.1f}">{_short(day.quarantined)}</text>'
    )
    return f'{label}{bar}<text x="{middle:.1f}" y="{base + 26}" fill="#5a6b7c">{share}</text>'


def _short(count: int) -> str:
    """A count of at most five characters: `999`, `12k`, `1.2M`."""
    if count < 1_000:  # noqa: PLR2004 - below a thousand
        return str(count)
    return f"{count / 1_000_000:.1f}M" if count >= 1_000_000 else f"{count / 1_000:.0f}k"  # noqa: PLR2004 - a million
