"""Figures of the rings of a date: what the daily report and the Dagster UI show.

Belongs here: counts, the largest rings, and their pictures. Nothing in it names a device, card, e-mail
or IP address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from cardops.contracts.lake.fraud_rings import LINKS, MEMBERS, MONEY, RINGS, SNAPSHOTS
from cardops.ports import RingSnapshots
from cardops.rules.fraud.ranking import DRAWN_RINGS, SHOWN_RINGS
from cardops.services.fraud.picture import DrawnRing, draw_ring

# Kind of identifier -> its name, and that of several.
_NAMES: Final = {
    "device": ("device", "devices"),
    "card_token": ("card token", "card tokens"),
    "email": ("e-mail address", "e-mail addresses"),
    "ip_address": ("IP address", "IP addresses"),
}


@dataclass(frozen=True, slots=True)
class ListedRing:
    """One ring's figures; amounts are minor units by currency, which have no sum."""

    position: int
    ring_id: str
    program: str
    member_count: int
    identifier_counts: Mapping[str, int]
    transaction_count: int
    dispute_count: int
    disputing_member_count: int
    cycle_count: int
    disputed_minor: Mapping[str, int]
    known_since: date
    is_oversized: bool
    is_new: bool
    merged_from: str
    split_from: str


@dataclass(frozen=True, slots=True)
class RingFigures:
    """The rings of `as_of_on`: counts of all, the largest of them, and pictures of the first few.

    Disputes are those that reached the chargeback stage.
    """

    as_of_on: date
    ring_count: int
    member_count: int
    new_ring_count: int
    ended_ring_count: int
    oversized_ring_count: int
    hub_count: int
    dispute_count: int
    rings_with_cycles: int
    disputed_minor: Mapping[str, int]
    rings: tuple[ListedRing, ...]
    drawings: tuple[DrawnRing, ...]


def ring_figures(snapshots: RingSnapshots, business_date: date) -> RingFigures | None:
    """Of the last snapshot that is not younger than the date; None where there is none."""
    dates = [day for day in snapshots.dates() if day <= business_date]
    tables = snapshots.read(dates[-1]) if dates else None
    return None if tables is None else figures_of(tables, dates[-1])


def figures_of(tables: Mapping[str, pl.DataFrame], as_of_on: date) -> RingFigures:
    """The figures of one snapshot."""
    (counts,) = tables[SNAPSHOTS].iter_rows(named=True)
    rings = tables[RINGS].sort("position")
    listed = tuple(_listed(row, tables[MONEY]) for row in rings.head(SHOWN_RINGS).to_dicts())
    return RingFigures(
        as_of_on=as_of_on,
        ring_count=counts["ring_count"],
        member_count=counts["member_count"],
        new_ring_count=counts["new_ring_count"],
        ended_ring_count=counts["ended_ring_count"],
        oversized_ring_count=counts["oversized_ring_count"],
        hub_count=counts["hub_count"],
        dispute_count=int(rings["dispute_count"].sum()),
        rings_with_cycles=int((rings["cycle_count"] > 0).sum()),
        disputed_minor=_disputed(tables[MONEY]),
        rings=listed,
        drawings=tuple(
            _drawn(ring, tables) for ring in listed[:DRAWN_RINGS] if not ring.is_oversized
        ),
    )


def _listed(row: Mapping[str, Any], money: pl.DataFrame) -> ListedRing:
    own = money.filter(pl.col("ring_id") == row["ring_id"])
    same = {name: row[name] for name in ListedRing.__dataclass_fields__ if name in row}
    return ListedRing(
        **{
            **same,
            "merged_from": row["merged_from"] or "",
            "split_from": row["split_from"] or "",
        },
        identifier_counts={kind: row[f"{kind}_count"] for kind in _NAMES},
        disputed_minor=_disputed(own),
    )


def _disputed(money: pl.DataFrame) -> dict[str, int]:
    """Currency -> disputed minor units, of currencies with disputes."""
    sums = (
        money.filter(pl.col("dispute_count") > 0)
        .group_by("currency")
        .agg(pl.col("disputed_amount_minor").sum())
        .sort("currency")
    )
    return {currency: int(minor) for currency, minor in sums.iter_rows()}


def _drawn(ring: ListedRing, tables: Mapping[str, pl.DataFrame]) -> DrawnRing:
    is_own = pl.col("ring_id") == ring.ring_id
    members = tables[MEMBERS].filter(is_own).sort("user_id")
    links = tables[LINKS].filter(is_own).sort("identifier", "user_id")
    held: dict[tuple[str, str], set[str]] = {}
    for kind, identifier, user in links.select(
        "identifier_kind", "identifier", "user_id"
    ).iter_rows():
        held.setdefault((kind, identifier), set()).add(user)
    disputing = dict(members.select("user_id", pl.col("dispute_count") > 0).iter_rows())
    return draw_ring(ring.ring_id, disputing, held, _sentence(ring))


def _sentence(ring: ListedRing) -> str:
    """What the picture shows, for who does not see it."""
    shared = [
        f"{count} {_NAMES[kind][count != 1]}"
        for kind, count in ring.identifier_counts.items()
        if count
    ]
    return (
        f"{ring.ring_id}: {ring.member_count} users share {', '.join(shared)}; "
        f"{ring.disputing_member_count} of them dispute {ring.dispute_count} "
        f"transaction{_plural(ring.dispute_count)}, in {ring.cycle_count} "
        f"cycle{_plural(ring.cycle_count)}."
    )


def _plural(count: int) -> str:
    return "" if count == 1 else "s"
