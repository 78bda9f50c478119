"""The lake's tables of fraud rings: one snapshot a business date, whole or not at all.

Every row names its snapshot. The row in `fraud_ring_snapshots` is written last: rows of a snapshot that
has none there were left by a process that ended early, and no reader counts them.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT, TOTAL

SNAPSHOTS: Final = "fraud_ring_snapshots"
RINGS: Final = "fraud_rings"
MEMBERS: Final = "fraud_ring_members"
LINKS: Final = "fraud_ring_links"
MONEY: Final = "fraud_ring_money"
HUBS: Final = "fraud_ring_hubs"

_SNAPSHOT: Final = {"snapshot_id": TEXT}
_RING: Final = {**_SNAPSHOT, "ring_id": TEXT, "program": TEXT}
_SEEN: Final = dict.fromkeys(("first_seen_at", "last_seen_at"), INSTANT)
# What was read and found. `former_on` is the date of the snapshot whose ids were continued.
SNAPSHOT_COLUMNS: Final = pl.Schema(
    {
        **_SNAPSHOT,
        **dict.fromkeys(("ring_count", "member_count", "identifier_count", "hub_count"), INTEGER),
        **dict.fromkeys(("new_ring_count", "ended_ring_count", "oversized_ring_count"), INTEGER),
        "former_on": DATE,
    }
)
# `position` is 1 for the largest ring. Former rings are named one after the other, with ", " between.
RING_COLUMNS: Final = pl.Schema(
    {
        **_RING,
        **dict.fromkeys(("position", "member_count"), INTEGER),
        **dict.fromkeys(("device_count", "card_token_count", "email_count"), INTEGER),
        **dict.fromkeys(("ip_address_count", "transaction_count"), INTEGER),
        **dict.fromkeys(("dispute_count", "inquiry_count", "disputing_member_count"), INTEGER),
        "cycle_count": INTEGER,
        "is_oversized": pl.Boolean(),
        "known_since": DATE,
        **_SEEN,
        "is_new": pl.Boolean(),
        **dict.fromkeys(("merged_from", "split_from"), TEXT),
    }
)
# `linked_by` names each identifier that the member shares, and who shows it.
MEMBER_COLUMNS: Final = pl.Schema(
    {
        **_RING,
        "user_id": TEXT,
        **dict.fromkeys(("identifier_count", "linked_member_count"), INTEGER),
        "linked_by": TEXT,
        **dict.fromkeys(("transaction_count", "dispute_count", "inquiry_count"), INTEGER),
        "is_new": pl.Boolean(),
        **_SEEN,
    }
)
# `identifier` numbers those of a kind within the ring; `masked` is what people see of its value.
LINK_COLUMNS: Final = pl.Schema(
    {
        **_RING,
        **dict.fromkeys(("user_id", "identifier_kind", "identifier", "masked"), TEXT),
        "user_count": INTEGER,
        **_SEEN,
    }
)
# Disputes that reached the chargeback stage, in their own currency; settled transactions in theirs.
MONEY_COLUMNS: Final = pl.Schema(
    {
        **_RING,
        "currency": TEXT,
        "dispute_count": INTEGER,
        "disputed_amount_minor": TOTAL,
        "settled_transaction_count": INTEGER,
        "settled_amount_minor": TOTAL,
    }
)
# Identifiers that several users show and that link nobody. Without a limit, the value is a placeholder.
HUB_COLUMNS: Final = pl.Schema(
    {
        **_SNAPSHOT,
        **dict.fromkeys(("program", "identifier_kind", "hub", "masked"), TEXT),
        **dict.fromkeys(("user_count", "max_users"), INTEGER),
        "reason": TEXT,
    }
)
RING_TABLES: Final[Mapping[str, pl.Schema]] = {
    RINGS: RING_COLUMNS,
    MEMBERS: MEMBER_COLUMNS,
    LINKS: LINK_COLUMNS,
    MONEY: MONEY_COLUMNS,
    HUBS: HUB_COLUMNS,
}
TABLES: Final[Mapping[str, pl.Schema]] = {SNAPSHOTS: SNAPSHOT_COLUMNS, **RING_TABLES}
