"""The closes of the newest business dates as a picture in Markdown.

Belongs here: one line a date, one bar a step, as long as the step took. It is written by hand as the other
pictures of runs are: a library to draw it takes longer to import than it takes to look.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

_ROW, _HEAD, _LEFT, _BARS = 24, 30, 250, 480
WIDTH: Final = _LEFT + _BARS + 90
_STEP_COLORS: Final[Mapping[str, str]] = {
    "export": "#0072b2",
    "reconcile": "#009e73",
    "publish": "#b35c8f",
    "report": "#d55e00",
}
_LEVELS: Final[Mapping[str, tuple[str, str]]] = {
    "done": ("#d7f0e2", "#0b5a36"),
    "way": ("#dceafb", "#0b3d75"),
    "todo": ("#fbdcd2", "#8a2310"),
}
# A narrower bar has no room for its seconds.
_MIN_LABELLED: Final = 30


@dataclass(frozen=True, slots=True)
class ClosedStep:
    """A step of a close that was done."""

    name: str
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class DrawnClose:
    """One line. `level`: `done`, `way` (under way) or `todo` (a person is needed)."""

    business_date: str
    state: str
    level: str
    steps: Sequence[ClosedStep]


def close_markdown(closes: Sequence[DrawnClose]) -> str:
    """The picture, and sentences that say the same of what needs a person without it."""
    if not closes:
        return "No business date is due yet."
    image = base64.b64encode(close_svg(closes).encode()).decode()
    needs = [f"- **{close.business_date}: {close.state}.**" for close in closes if _needs(close)]
    said = "\n".join(needs) or f"All of these {len(closes)} dates are closed."
    return f"![Closes of business dates](data:image/svg+xml;base64,{image})\n\n{said}"


def close_svg(closes: Sequence[DrawnClose]) -> str:
    """Dates from top to bottom in their order."""
    longest = max((sum(step.seconds for step in close.steps) for close in closes), default=0)
    scale = _BARS / max(longest, 0.001)
    height = _HEAD + _ROW * len(closes) + 4
    legend = "".join(
        f'<rect x="{_LEFT + place * 110}" y="6" width="12" height="12" fill="{color}"/>'
        f'<text x="{_LEFT + place * 110 + 17}" y="16">{name}</text>'
        for place, (name, color) in enumerate(_STEP_COLORS.items())
    )
    lines = "".join(
        _line(close, y=_HEAD + place * _ROW, scale=scale) for place, close in enumerate(closes)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="#22303f">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{legend}{lines}</svg>'
    )


def _needs(close: DrawnClose) -> bool:
    return close.level == "todo"


def _line(close: DrawnClose, *, y: int, scale: float) -> str:
    ground, ink = _LEVELS[close.level]
    sign = "! " if _needs(close) else ""
    bars, x = "", float(_LEFT)
    for step in close.steps:
        width = step.seconds * scale
        bars += _bar(step, x=x, y=y, width=width)
        x += width
    total = sum(step.seconds for step in close.steps)
    end = f'<text x="{x + 6:.1f}" y="{y + 16}">{total:.0f} s</text>' if close.steps else ""
    return (
        f'<text x="4" y="{y + 16}">{close.business_date}</text>'
        f'<rect x="86" y="{y + 2}" width="156" height="{_ROW - 4}" fill="{ground}"/>'
        f'<text x="91" y="{y + 16}" fill="{ink}">{sign}{escape(close.state)}</text>{bars}{end}'
    )


def _bar(step: ClosedStep, *, x: float, y: int, width: float) -> str:
    label = (
        f'<text x="{x + 4:.1f}" y="{y + 16}" fill="#ffffff">{step.seconds:.0f} s</text>'
        if width >= _MIN_LABELLED
        else ""
    )
    return (
        f'<rect x="{x:.1f}" y="{y + 3}" width="{max(width, 1):.1f}" height="{_ROW - 6}" '
        f'fill="{_STEP_COLORS[step.name]}"><title>{step.name}: {step.seconds:.1f} s, '
        f"{step.at:%Y-%m-%d %H:%M} UTC</title></rect>{label}"
    )
