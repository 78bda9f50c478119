"""Find the rings of a business date and keep them as its snapshot.

Belongs here: the order of the steps. What links users is in the port RingSources; which ring of today is
which of the former ones, in cardops.rules.fraud.continuity; the tables, in snapshot_tables.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from cardops.contracts.lake.fraud_rings import MEMBERS, RINGS
from cardops.ports import RingSnapshots, RingSources
from cardops.rules.fraud.continuity import Overlap, RingIdentity, identify
from cardops.rules.fraud.limits import ring_limits
from cardops.services.fraud.snapshot_tables import (
    USER,
    FormerRings,
    FoundRings,
    snapshot_tables,
)


class FraudRings:
    """The rings of one instance. Everything follows from the lake and the former snapshot."""

    def __init__(self, sources: RingSources, snapshots: RingSnapshots) -> None:
        self._sources = sources
        self._snapshots = snapshots

    def snapshot(self, business_date: date) -> Mapping[str, pl.DataFrame]:
        """Find and store the rings of what had arrived by the date; the tables as stored.

        Made again for a date, it replaces the date's snapshot; ids follow those of the date before it
        that has one, and no later snapshot changes.
        """
        limits = ring_limits(business_date)
        graph = self._sources.graph(business_date, limits)
        former = self._former(business_date)
        members, identities = _identified(graph.links, former, business_date)
        links = graph.links.join(members, on="ring").drop("ring")
        activity = self._sources.activity(business_date, graph.links)
        found = FoundRings(links, graph.hubs, activity, identities, limits)
        tables = snapshot_tables(found, former, business_date)
        self._snapshots.write(business_date, tables)
        return tables

    def _former(self, business_date: date) -> FormerRings:
        """The last snapshot before the date."""
        dates = [day for day in self._snapshots.dates() if day < business_date]
        tables = self._snapshots.read(dates[-1]) if dates else None
        if tables is None:
            return FormerRings.none()
        members = tables[MEMBERS].select("ring_id", *USER)
        return FormerRings(dates[-1], members, tables[RINGS].select("ring_id", "known_since"))


def _identified(
    links: pl.DataFrame, former: FormerRings, on: date
) -> tuple[pl.DataFrame, list[RingIdentity]]:
    """The id of each component (`ring`, `ring_id`), and the identities in the order of first members."""
    users = links.select("ring", *USER).unique()
    firsts = (
        users.group_by("ring", "program")  # a ring is of one program
        .agg(pl.col("user_id").min())
        .sort(USER)
        .with_row_index("place")
    )
    placed = users.join(firsts.select("ring", "place"), on="ring")
    shared = placed.join(former.members, on=USER).group_by("ring_id", "place").agg(pl.len())
    overlaps = [Overlap(*row) for row in shared.select("ring_id", "place", "len").iter_rows()]
    identities = identify(firsts.select(USER).rows(), overlaps, on)
    ids = pl.Series("ring_id", [identity.ring_id for identity in identities], pl.String)
    return firsts.select("ring").with_columns(ids), identities
