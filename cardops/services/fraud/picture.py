"""Pictures of rings as SVG: members on a circle, and between them what they share.

Belongs here: the drawing. Kinds differ by shape, members who dispute by their filling, so no colour
is needed to read it. The same ring gives the same bytes. Nothing in it names a person.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from cardops.rules.fraud.ranking import DRAWN_MEMBERS

WIDTH, HEIGHT = 300, 250
LEGEND: Final = (
    "Circles are users, filled where the user disputes. What users share lies between them: squares are "
    "devices, diamonds card tokens, triangles e-mail addresses, hexagons IP addresses."
)
_INK: Final = "#22303f"
_LINE: Final = "#8a97a6"
_DISPUTES: Final = "#b3402f"
# Kind -> corners of its shape, its first angle, its colour.
_SHAPES: Final = {
    "device": (4, math.pi / 4, "#31507a"),
    "card_token": (4, 0.0, "#b07d2b"),
    "email": (3, -math.pi / 2, "#2f7d5b"),
    "ip_address": (6, 0.0, "#6b4c8a"),
}
_CENTER: Final = (150.0, 136.0)
_RADIUS: Final = 92.0
_MEMBER_RADIUS: Final = 10.0
_SHAPE_RADIUS: Final = 7.5
# Identifiers that the same users share would lie on one another.
_APART: Final = 17.0
_INWARDS: Final = 0.8
_COLUMNS: Final = 2

Point = tuple[float, float]
Identifiers = Mapping[tuple[str, str], Collection[str]]


@dataclass(frozen=True, slots=True)
class DrawnRing:
    """A picture of one ring, and a sentence that says the same without it."""

    ring_id: str
    svg: str
    text: str


def draw_ring(
    ring_id: str, disputing: Mapping[str, bool], identifiers: Identifiers, text: str
) -> DrawnRing:
    """`disputing`: each member, and whether the user disputes; `identifiers`: (kind, name) -> users.

    Of a large ring the first members are drawn, and how many there are beside them.
    """
    users = sorted(disputing)[:DRAWN_MEMBERS]
    places = dict(zip(users, _on_circle(len(users)), strict=True))
    shapes = _placed(identifiers, places)
    more = len(disputing) - len(users)
    parts = [
        *(_line(at, places[user]) for at, _, holders in shapes for user in holders),
        *(_shape(kind, at) for at, kind, _ in shapes),
        *(_member(number, places[user], disputing[user]) for number, user in enumerate(users, 1)),
        f'<text x="8" y="240" fill="{_INK}">and {more:,} more</text>' if more else "",
    ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="sans-serif" font-size="12">'
        f"<title>{escape(text)}</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f'<text x="8" y="18" fill="{_INK}">{escape(ring_id)}</text>{"".join(parts)}</svg>'
    )
    return DrawnRing(ring_id, svg, text)


def sheet_of(drawings: Sequence[DrawnRing]) -> str:
    """All of them as one picture, side by side; empty without any."""
    if not drawings:
        return ""
    rows = -(-len(drawings) // _COLUMNS)
    width, height = WIDTH * min(_COLUMNS, len(drawings)), HEIGHT * rows
    placed = [
        drawing.svg.replace(
            "<svg ",
            f'<svg x="{index % _COLUMNS * WIDTH}" y="{index // _COLUMNS * HEIGHT}" ',
            1,
        )
        for index, drawing in enumerate(drawings)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><rect width="100%" height="100%" fill="#ffffff"/>{"".join(placed)}</svg>'
    )


def _on_circle(count: int) -> list[Point]:
    return [
        (
            _CENTER[0] + _RADIUS * math.sin(2 * math.pi * index / count),
            _CENTER[1] - _RADIUS * math.cos(2 * math.pi * index / count),
        )
        for index in range(count)
    ]


def _placed(
    identifiers: Identifiers, places: Mapping[str, Point]
) -> list[tuple[Point, str, list[str]]]:
    """Where each identifier lies, its kind and its drawn users: between the users, side by side."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for (kind, _), users in sorted(identifiers.items()):
        drawn = tuple(sorted(user for user in users if user in places))
        if len(drawn) > 1:
            groups.setdefault(drawn, []).append(kind)
    return [
        (_beside([places[user] for user in drawn], index - (len(kinds) - 1) / 2), kind, list(drawn))
        for drawn, kinds in groups.items()
        for index, kind in enumerate(kinds)
    ]


def _beside(points: Sequence[Point], steps: float) -> Point:
    """The middle of the points, drawn inwards, and moved at right angles to the line of the first two."""
    x = _inwards(sum(point[0] for point in points) / len(points), _CENTER[0])
    y = _inwards(sum(point[1] for point in points) / len(points), _CENTER[1])
    angle = math.atan2(points[1][1] - points[0][1], points[1][0] - points[0][0]) + math.pi / 2
    return (x + steps * _APART * math.cos(angle), y + steps * _APART * math.sin(angle))


def _inwards(place: float, center: float) -> float:
    """Away from the circle of members, where neighbours in a large ring leave no room."""
    return center + (place - center) * _INWARDS


def _line(start: Point, end: Point) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{_LINE}"/>'
    )


def _shape(kind: str, at: Point) -> str:
    corners, first, color = _SHAPES[kind]
    points = " ".join(
        f"{at[0] + _SHAPE_RADIUS * math.cos(first + 2 * math.pi * corner / corners):.1f},"
        f"{at[1] + _SHAPE_RADIUS * math.sin(first + 2 * math.pi * corner / corners):.1f}"
        for corner in range(corners)
    )
    return f'<polygon points="{points}" fill="{color}"/>'


def _member(number: int, at: Point, disputes: bool) -> str:  # noqa: FBT001 - one fact of a member
    fill, ink = (_DISPUTES, "#ffffff") if disputes else ("#ffffff", _INK)
    return (
        f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{_MEMBER_RADIUS}" fill="{fill}" '
        f'stroke="{_INK}"/><text x="{at[0]:.1f}" y="{at[1] + 4:.1f}" fill="{ink}" '
        f'text-anchor="middle">{number}</text>'
    )
