"""What fraud rings are found in, and where their snapshots are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import polars as pl

    from cardops.rules.fraud.limits import RingLimits


class RingGraph(Protocol):
    """Users who share identifiers, and those identifiers; `ring` numbers the connected components."""

    @property
    def links(self) -> pl.DataFrame:
        """One row per user and shared identifier.

        Columns: ring, program, user_id, identifier_kind, value, user_count, first_seen_at,
        last_seen_at. In no order; `value` is normalised and not masked.
        """

    @property
    def hubs(self) -> pl.DataFrame:
        """Identifiers of several users that link nobody.

        Columns: program, identifier_kind, value, user_count; `ignored` is why a placeholder links
        nobody, null where its users are too many.
        """


class RingActivity(Protocol):
    """What the members of rings did; every frame names program and user_id."""

    @property
    def transactions(self) -> pl.DataFrame:
        """One row per user, currency and whether settled: transaction_count, amount_minor."""

    @property
    def disputes(self) -> pl.DataFrame:
        """One row per dispute of a member's transaction, by its last step.

        Columns besides: dispute, is_inquiry, currency, amount_minor.
        """

    @property
    def touches(self) -> pl.DataFrame:
        """One row per user and chargeback that touch: dispute, part (a connected component)."""


class RingSources(Protocol):
    """The lake's transactions, orders and disputes that had arrived by a business date."""

    def graph(self, as_of: date, limits: RingLimits) -> RingGraph:
        """Who shares what, every version of every transaction counted."""

    def activity(self, as_of: date, links: pl.DataFrame) -> RingActivity:
        """What the users of these links did."""


class RingSnapshots(Protocol):
    """Snapshots of rings by business date; a reader sees a snapshot whole or not at all."""

    def write(self, business_date: date, tables: Mapping[str, pl.DataFrame]) -> str:
        """Replace the date's snapshot in one step; its id, which follows from its content.

        `tables`: those of cardops.contracts.lake.fraud_rings by name, without `snapshot_id`.
        """

    def read(self, business_date: date) -> Mapping[str, pl.DataFrame] | None:
        """The tables of the date's snapshot, its own row under `fraud_ring_snapshots`, or None."""

    def dates(self) -> Sequence[date]:
        """Dates that have a snapshot, in order."""
