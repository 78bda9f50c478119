"""Fraud rings, found in the lake and kept there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.files import FileAdapters

if TYPE_CHECKING:
    from cardops.ports import RingSnapshots, RingSources


class FraudAdapters(FileAdapters):
    """Rings."""

    @cached_property
    def ring_snapshots(self) -> RingSnapshots:
        """Snapshots of rings by business date."""
        from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots

        return LakeRingSnapshots(self.lake)

    @cached_property
    def ring_sources(self) -> RingSources:
        """Who shares what in the lake, and what they did."""
        from cardops.adapters.warehouse.ring_sources import LakeRingSources

        return LakeRingSources(self.lake, self._duckdb)
