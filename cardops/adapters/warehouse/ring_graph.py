"""Users who share identifiers, read from the lake's transactions: who is linked, and what links nobody.

Belongs here: exact comparison as text, hub limits, components. Which identifiers are compared at all is
found in shared_identifiers.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from cardops.adapters.warehouse.ring_columns import with_reason_to_ignore
from cardops.adapters.warehouse.ring_components import Codes, Marks, labelled, numbered
from cardops.adapters.warehouse.shared_identifiers import sightings_of_shared
from cardops.ports import Lake, RingGraph
from cardops.rules.fraud.limits import RingLimits

IDENTIFIER: Final = ["program", "identifier_kind", "value"]
USER: Final = ["program", "user_id"]


@dataclass(frozen=True, slots=True)
class FoundGraph(RingGraph):
    """Links with their component, and hubs."""

    links: pl.DataFrame
    hubs: pl.DataFrame


def find_graph(lake: Lake, as_of: date, limits: RingLimits) -> FoundGraph:
    """The graph of what had arrived by the date."""
    transactions = rows_until(lake, "transactions", as_of)
    if transactions is None:
        return _linked(pl.DataFrame(schema=_NO_SIGHTINGS), limits)
    return _linked(_with_users(lake, as_of, sightings_of_shared(transactions)), limits)


def rows_until(lake: Lake, table: str, as_of: date) -> pl.LazyFrame | None:
    """The table's rows of business dates up to the date."""
    return lake.scan(table, [day for day in lake.business_dates(table) if day <= as_of])


def _with_users(lake: Lake, as_of: date, sightings: pl.DataFrame) -> pl.DataFrame:
    """One row per user and identifier; a transaction without a user has its order's."""
    is_unnamed = pl.col("user_id").is_null()
    if not sightings["user_id"].has_nulls():
        return sightings.drop("order_id")
    named = sightings.filter(~is_unnamed).drop("order_id")
    unnamed = sightings.filter(is_unnamed).drop("user_id")
    orders = rows_until(lake, "orders", as_of)
    if orders is not None:
        users = (
            orders.join(
                unnamed.select("program", "order_id").unique().lazy(), on=["program", "order_id"]
            )
            .group_by("program", "order_id")
            # An order's user never changes, so any version of it will do.
            .agg(pl.col("user_id").min())
            .collect()
        )
        of_orders = unnamed.join(users, on=["program", "order_id"]).select(named.columns)
        named = pl.concat([named, of_orders])
    return (
        named.drop_nulls("user_id")
        .group_by([*USER, "identifier_kind", "value"])
        .agg(pl.col("first_seen_at").min(), pl.col("last_seen_at").max())
    )


def _linked(sightings: pl.DataFrame, limits: RingLimits) -> FoundGraph:
    """Identifiers of several users either link them or are hubs."""
    identifiers = numbered(sightings, IDENTIFIER)
    counts = pl.Series("user_count", np.bincount(identifiers.codes), pl.Int64)
    different = sightings[identifiers.first_rows].select(IDENTIFIER).with_columns(counts)
    shared = different.with_row_index("code").filter(pl.col("user_count") > 1)
    shared = with_reason_to_ignore(shared)
    most = {kind.value: count for kind, count in limits.max_users.items()}
    max_users = pl.col("identifier_kind").replace_strict(most, return_dtype=pl.Int64)
    is_hub = (pl.col("user_count") > max_users) | pl.col("ignored").is_not_null()
    does_link = np.zeros(different.height, np.bool_)
    does_link[shared.filter(~is_hub)["code"].to_numpy()] = True
    links = _links(
        sightings.with_columns(counts.gather(identifiers.codes)), identifiers.codes, does_link
    )
    return FoundGraph(links, shared.filter(is_hub).drop("code"))


def _links(sightings: pl.DataFrame, codes: Codes, does_link: Marks) -> pl.DataFrame:
    """The sightings whose identifier links, with the ring in which it does.

    `codes`: each sighting's identifier; `does_link`: whether the identifier of a code does.
    """
    is_link = does_link[codes]
    links = sightings.filter(pl.Series(is_link))
    users = numbered(links, USER).codes
    rings = labelled(users, codes[is_link])[users]
    return links.with_columns(pl.Series("ring", rings, pl.Int32))


_NO_SIGHTINGS: Final = pl.Schema(
    {
        **dict.fromkeys((*USER, "identifier_kind", "value"), pl.String()),
        **dict.fromkeys(("first_seen_at", "last_seen_at"), pl.Datetime("us", "UTC")),
    }
)
