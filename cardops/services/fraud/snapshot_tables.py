"""The tables of a snapshot, from links, activity and identities: sorted, so the same rings give the same bytes.

Belongs here: columns. They are those of cardops.contracts.lake.fraud_rings, without the snapshot's id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardops.contracts.lake.fraud_rings import (
    HUBS,
    LINKS,
    MEMBERS,
    MONEY,
    RINGS,
    SNAPSHOTS,
    TABLES,
)
from cardops.ports import RingActivity
from cardops.rules.fraud.continuity import RingIdentity
from cardops.rules.fraud.cycles import TouchGraph
from cardops.rules.fraud.identifiers import IdentifierKind, masked
from cardops.rules.fraud.limits import RingLimits
from cardops.rules.fraud.ranking import rank_key

USER: Final = ["program", "user_id"]
_RING: Final = ["ring_id", "program"]
# So many users are named beside an identifier in a member's `linked_by`.
_NAMED_USERS: Final = 10
_TOO_MANY: Final = "more users than the limit of its kind"


@dataclass(frozen=True, slots=True)
class FormerRings:
    """The snapshot whose ids go on: its date, its members (ring_id, program, user_id), its rings."""

    on: date | None
    members: pl.DataFrame
    rings: pl.DataFrame

    @staticmethod
    def none() -> "FormerRings":
        """Before the first snapshot."""
        members = pl.DataFrame(schema=dict.fromkeys(("ring_id", *USER), pl.String()))
        rings = pl.DataFrame(schema={"ring_id": pl.String(), "known_since": pl.Date()})
        return FormerRings(None, members, rings)


@dataclass(frozen=True, slots=True)
class FoundRings:
    """What was found: links with the id of their ring, hubs, what members did, who rings are."""

    links: pl.DataFrame
    hubs: pl.DataFrame
    activity: RingActivity
    identities: Sequence[RingIdentity]
    limits: RingLimits


def snapshot_tables(
    found: FoundRings, former: FormerRings, business_date: date
) -> Mapping[str, pl.DataFrame]:
    """Every table of the snapshot by name."""
    links = _links(found.links)
    members = _members(found, links, former)
    money = _money(found, members)
    rings = _rings(found, members, links, former, business_date)
    hubs = _hubs(found)
    counts = {
        "ring_count": rings.height,
        "member_count": members.height,
        "identifier_count": links.select("ring_id", "identifier").n_unique() if links.height else 0,
        "hub_count": hubs.height,
        "new_ring_count": int(rings["is_new"].sum()),
        "ended_ring_count": len(set(former.rings["ring_id"]) - set(rings["ring_id"])),
        "oversized_ring_count": int(rings["is_oversized"].sum()),
        "former_on": former.on,
    }
    tables = {
        SNAPSHOTS: pl.DataFrame([counts], schema_overrides={"former_on": pl.Date()}),
        RINGS: rings,
        MEMBERS: members,
        LINKS: links,
        MONEY: money,
        HUBS: hubs,
    }
    return {table: _shaped(table, frame) for table, frame in tables.items()}


def _shaped(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    columns = [(name, kind) for name, kind in TABLES[table].items() if name != "snapshot_id"]
    return frame.select(pl.col(name).cast(kind) for name, kind in columns)


def _links(links: pl.DataFrame) -> pl.DataFrame:
    """Identifiers of a kind are numbered within their ring by their values, which are left out."""
    identifiers = (
        links.select(*_RING, "identifier_kind", "value")
        .unique()
        .sort("ring_id", "identifier_kind", "value")
    )
    number = pl.int_range(1, pl.len() + 1).over("ring_id", "identifier_kind")
    named = identifiers.with_columns(
        pl.concat_str("identifier_kind", pl.lit("-"), number.cast(pl.String)).alias("identifier"),
        _masked(identifiers),
    )
    return (
        links.join(named, on=[*_RING, "identifier_kind", "value"])
        .drop("value")
        .sort("ring_id", "user_id", "identifier")
    )


def _masked(identifiers: pl.DataFrame) -> pl.Series:
    """What people see of each value."""
    pairs = identifiers.select("identifier_kind", "value").iter_rows()
    shown = [masked(IdentifierKind(kind), value) for kind, value in pairs]
    return pl.Series("masked", shown, pl.String)


def _members(found: FoundRings, links: pl.DataFrame, former: FormerRings) -> pl.DataFrame:
    """One row a user: what links it, to whom, and what it did."""
    who = links.group_by("ring_id", "identifier").agg(pl.col("user_id").sort().alias("users"))
    more = pl.col("users").list.len().cast(pl.Int64) - _NAMED_USERS
    named = pl.concat_str(
        pl.col("identifier"),
        pl.lit(": "),
        pl.col("users").list.head(_NAMED_USERS).list.join(", "),
        pl.when(more > 0).then(pl.format(" and {} more", more)).otherwise(pl.lit("")),
    )
    told = links.join(who.with_columns(named.alias("told")), on=["ring_id", "identifier"])
    members = told.group_by(*_RING, "user_id").agg(
        pl.len().alias("identifier_count"),
        (pl.col("users").explode().n_unique() - 1).alias("linked_member_count"),
        pl.col("told").sort_by("identifier").str.join("; ").alias("linked_by"),
        pl.col("first_seen_at").min(),
        pl.col("last_seen_at").max(),
    )
    known = former.members.with_columns(pl.lit(value=False).alias("is_new"))
    counted = members.join(_transaction_counts(found.activity), on=USER, how="left")
    disputed = counted.join(_dispute_counts(found.activity), on=USER, how="left")
    return (
        disputed.join(known, on=["ring_id", *USER], how="left")
        .with_columns(
            pl.col("transaction_count", "dispute_count", "inquiry_count").fill_null(0),
            pl.col("is_new").fill_null(value=True),
        )
        .sort("ring_id", "user_id")
    )


def _transaction_counts(activity: RingActivity) -> pl.DataFrame:
    return activity.transactions.group_by(USER).agg(pl.col("transaction_count").sum())


def _dispute_counts(activity: RingActivity) -> pl.DataFrame:
    is_inquiry = pl.col("is_inquiry")
    return activity.disputes.group_by(USER).agg(
        (~is_inquiry).sum().alias("dispute_count"), is_inquiry.sum().alias("inquiry_count")
    )


def _money(found: FoundRings, members: pl.DataFrame) -> pl.DataFrame:
    """One row for each currency of a ring; a dispute counts in its own, a sale in its own."""
    whose = members.select(*_RING, "user_id")
    disputed = (
        found.activity.disputes.filter(~pl.col("is_inquiry"))
        .join(whose, on=USER)
        .unique(["ring_id", "dispute"])
        .group_by(*_RING, "currency")
        .agg(
            pl.len().alias("dispute_count"),
            _total("amount_minor").alias("disputed_amount_minor"),
        )
    )
    settled = (
        found.activity.transactions.filter(pl.col("is_settled"))
        .join(whose, on=USER)
        .group_by(*_RING, "currency")
        .agg(
            pl.col("transaction_count").sum().alias("settled_transaction_count"),
            _total("amount_minor").alias("settled_amount_minor"),
        )
    )
    both = disputed.join(settled, on=[*_RING, "currency"], how="full", coalesce=True)
    return both.with_columns(pl.exclude(*_RING, "currency").fill_null(0)).sort(
        "ring_id", "currency"
    )


def _total(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Decimal(38, 0)).sum()


def _rings(
    found: FoundRings,
    members: pl.DataFrame,
    links: pl.DataFrame,
    former: FormerRings,
    business_date: date,
) -> pl.DataFrame:
    identities = pl.DataFrame(
        [
            (item.ring_id, item.is_new, _named(item.merged_from), _named(item.split_from))
            for item in found.identities
        ],
        schema={
            "ring_id": pl.String(),
            "ring_is_new": pl.Boolean(),
            "merged_from": pl.String(),
            "split_from": pl.String(),
        },
        orient="row",
    )
    own = members.group_by(_RING).agg(
        pl.len().alias("member_count"),
        pl.col("transaction_count").sum(),
        (pl.col("dispute_count") > 0).sum().alias("disputing_member_count"),
        pl.col("first_seen_at").min(),
        pl.col("last_seen_at").max(),
    )
    rings = (
        own.join(identities, on="ring_id")
        .join(_kind_counts(links), on="ring_id")
        .join(_ring_disputes(found.activity, members), on="ring_id", how="left")
        .join(_cycles(found.activity, members), on="ring_id", how="left")
        .join(former.rings, on="ring_id", how="left")
        .with_columns(
            pl.col("dispute_count", "inquiry_count", "cycle_count").fill_null(0),
            pl.col("known_since").fill_null(business_date),
            (pl.col("member_count") > found.limits.max_members).alias("is_oversized"),
        )
        .rename({"ring_is_new": "is_new"})
    )
    return _ranked(rings)


def _named(ring_ids: Sequence[str]) -> str | None:
    return ", ".join(ring_ids) or None


def _kind_counts(links: pl.DataFrame) -> pl.DataFrame:
    """Shared identifiers of each kind by ring."""
    identifiers = links.select("ring_id", "identifier_kind", "identifier").unique()
    return identifiers.group_by("ring_id").agg(
        (pl.col("identifier_kind") == kind.value).sum().alias(f"{kind}_count")
        for kind in IdentifierKind
    )


def _ring_disputes(activity: RingActivity, members: pl.DataFrame) -> pl.DataFrame:
    """Disputes by ring, each once."""
    own = activity.disputes.join(members.select("ring_id", *USER), on=USER)
    is_inquiry = pl.col("is_inquiry")
    return (
        own.unique(["ring_id", "dispute"])
        .group_by("ring_id")
        .agg((~is_inquiry).sum().alias("dispute_count"), is_inquiry.sum().alias("inquiry_count"))
    )


def _cycles(activity: RingActivity, members: pl.DataFrame) -> pl.DataFrame:
    """Cycles between users and chargebacks by ring."""
    graphs = (
        activity.touches.join(members.select("ring_id", *USER), on=USER)
        .group_by("ring_id")
        .agg(
            pl.len().cast(pl.Int64),
            *(pl.col(name).n_unique().cast(pl.Int64) for name in ("user_id", "dispute", "part")),
        )
    )
    counts = [
        (ring_id, TouchGraph(touches, users, chargebacks, parts).cycle_count)
        for ring_id, touches, users, chargebacks, parts in graphs.iter_rows()
    ]
    schema = {"ring_id": pl.String(), "cycle_count": pl.Int64()}
    return pl.DataFrame(counts, schema=schema, orient="row")


def _ranked(rings: pl.DataFrame) -> pl.DataFrame:
    """The largest ring has position 1."""
    shown = rings.select("ring_id", "member_count", "dispute_count", "is_oversized").to_dicts()
    order = sorted(shown, key=lambda ring: rank_key(**ring))
    places = pl.DataFrame(
        [(ring["ring_id"], place) for place, ring in enumerate(order, 1)],
        schema={"ring_id": pl.String(), "position": pl.Int64()},
        orient="row",
    )
    return rings.join(places, on="ring_id").sort("position")


def _hubs(found: FoundRings) -> pl.DataFrame:
    """Numbered within program and kind by their values, which are left out."""
    most = {kind.value: count for kind, count in found.limits.max_users.items()}
    ordered = found.hubs.sort("program", "identifier_kind", "value")
    number = pl.int_range(1, pl.len() + 1).over("program", "identifier_kind")
    return ordered.with_columns(
        pl.concat_str("identifier_kind", pl.lit("-hub-"), number.cast(pl.String)).alias("hub"),
        _masked(ordered),
        pl.when(pl.col("ignored").is_null())
        .then(pl.col("identifier_kind").replace_strict(most, return_dtype=pl.Int64))
        .alias("max_users"),
        pl.col("ignored").fill_null(_TOO_MANY).alias("reason"),
    )
