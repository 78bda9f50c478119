"""Snapshots of fraud rings, without the pipeline that finds them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
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

SEEN_AT: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
_ZERO: Final = dict.fromkeys(
    (
        *("device_count", "card_token_count", "email_count", "ip_address_count"),
        *("transaction_count", "dispute_count", "inquiry_count", "disputing_member_count"),
        "cycle_count",
    ),
    0,
)


def frame_of(table: str, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    schema = {name: kind for name, kind in TABLES[table].items() if name != "snapshot_id"}
    return pl.DataFrame(list(rows), schema=schema)


def a_ring(ring_id: str, **values: object) -> dict[str, object]:
    defaults = {
        "ring_id": ring_id,
        "program": "default",
        "position": 1,
        "member_count": 2,
        "is_oversized": False,
        "is_new": True,
        "known_since": date(2026, 11, 20),
        "first_seen_at": SEEN_AT,
        "last_seen_at": SEEN_AT,
    }
    return {**_ZERO, **defaults, **values}


def a_snapshot(
    rings: Sequence[Mapping[str, object]],
    links: Mapping[tuple[str, str], Sequence[str]],
    money: Sequence[Mapping[str, object]] = (),
    disputing: Sequence[str] = (),
) -> dict[str, pl.DataFrame]:
    """`links`: (ring, identifier such as device-1) -> users; `disputing`: users with a dispute."""
    shown = [
        {
            "ring_id": ring_id,
            "program": "default",
            "user_id": user,
            "identifier_kind": identifier.partition("-")[0],
            "identifier": identifier,
            "masked": "***",
            "user_count": len(users),
            "first_seen_at": SEEN_AT,
            "last_seen_at": SEEN_AT,
        }
        for (ring_id, identifier), users in links.items()
        for user in users
    ]
    members = [
        {
            "ring_id": ring_id,
            "program": "default",
            "user_id": user,
            "identifier_count": 1,
            "linked_member_count": 1,
            "linked_by": "",
            "transaction_count": 1,
            "inquiry_count": 0,
            "is_new": True,
            "first_seen_at": SEEN_AT,
            "last_seen_at": SEEN_AT,
            "dispute_count": int(user in disputing),
        }
        for ring_id, user in sorted({(link["ring_id"], link["user_id"]) for link in shown})
    ]
    counts = {
        "ring_count": len(rings),
        "member_count": len(members),
        "identifier_count": len(links),
        "hub_count": 0,
        "new_ring_count": len(rings),
        "ended_ring_count": 0,
        "oversized_ring_count": 0,
        "former_on": None,
    }
    return {
        SNAPSHOTS: frame_of(SNAPSHOTS, [counts]),
        RINGS: frame_of(RINGS, rings),
        MEMBERS: frame_of(MEMBERS, members),
        LINKS: frame_of(LINKS, shown),
        MONEY: frame_of(MONEY, money),
        HUBS: frame_of(HUBS, []),
    }
