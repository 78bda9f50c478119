"""What fraud rings are found in: the lake's transactions, orders and disputes."""

from datetime import date

import polars as pl
from typing_extensions import override

from cardops.adapters.warehouse.ring_activity import find_activity
from cardops.adapters.warehouse.ring_graph import find_graph
from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from cardops.ports import Lake, RingActivity, RingGraph, RingSources
from cardops.rules.fraud.limits import RingLimits


class LakeRingSources(RingSources):
    """Polars and numpy find who shares what, scipy the components, DuckDB what members did."""

    def __init__(self, lake: Lake, sessions: DuckDbSessions | None = None) -> None:
        self._lake = lake
        self._sessions = sessions or PlainDuckDbSessions()

    @override
    def graph(self, as_of: date, limits: RingLimits) -> RingGraph:
        return find_graph(self._lake, as_of, limits)

    @override
    def activity(self, as_of: date, links: pl.DataFrame) -> RingActivity:
        return find_activity(self._lake, self._sessions, as_of, links)
