"""Rows judged by the index of known rows have the outcomes of a scan of the whole lake."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cardops.contracts.columns.types import DATE, INSTANT, INTEGER
from cardops.contracts.judging.known_rows import ENTRY, Layout
from cardops.contracts.judging.uniqueness import compared_with_known, outcomes_of
from cardops.contracts.judging.versions import row_outcomes
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import ORIGIN, KindProfile
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import Kind

# Few values, so that identities, immutable columns and content coincide in every way.
CHOICES: dict[str, list[Any]] = {
    "transaction_id": ["t1", "t2", "t3"],
    "order_id": ["o1", "o2"],
    "case_number": ["c1", "c2", "c3"],
    "network": ["visa", "amex", "mixed"],
    "stage": ["chargeback", "inquiry"],
    "status": ["open", "won", None],
    "amount_minor": [100, 200],
    "dispute_currency": ["USD", "EUR"],
    "merchant_name": ["a", 'a"1:b', "", None],
    "arn": ["1", None],
    "updated_at": [datetime(2026, 1, 1, tzinfo=UTC), None],
    "dispute_date": [date(2026, 1, 1), date(2026, 1, 2)],
}
TRANSACTIONS, CHARGEBACKS = KINDS[Kind("transactions")], KINDS[Kind("chargebacks")]


def any_value(name: str, chance: random.Random) -> Any:
    return chance.choice(CHOICES[name]) if name in CHOICES else None


def lake_rows(
    profile: KindProfile, chance: random.Random, *, files: int, rows: int
) -> pl.DataFrame:
    filled = [
        {name: any_value(name, chance) for name in profile.row_columns}
        | {"program": "default", "intake_id": file, "row_number": row, "flags": []}
        for file in range(1, files + 1)
        for row in range(1, rows + 1)
    ]
    return pl.DataFrame(filled, schema=profile.lake_table)


@pytest.mark.parametrize("profile", [TRANSACTIONS, CHARGEBACKS], ids=lambda profile: profile.kind)
@pytest.mark.parametrize("seed", range(12))
def test_outcomes_are_those_of_a_scan_of_the_whole_lake(
    profile: KindProfile, seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311 - rows, no secret
    lake = lake_rows(profile, chance, files=3, rows=seed)
    valid = lake_rows(profile, chance, files=1, rows=8).select(
        "row_number", "flags", *profile.row_columns
    )
    workspace = Workspace(tmp_path)
    workspace.add("valid", valid)
    layout = Layout(profile, KINDS)
    known = layout.entries(lake).filter(pl.col("lookup_id").is_in(valid[profile.lookup].implode()))

    outcomes = compared_with_known(
        outcomes_of(workspace, profile), workspace, known.cast(dict(ENTRY)), layout
    )

    expected = row_outcomes(valid.lazy(), lake.lazy(), profile).sort("row_number")
    assert outcomes.cast(pl.String).rows() == expected.cast(pl.String).rows()


@pytest.mark.parametrize("profile", KINDS.values(), ids=lambda profile: profile.kind)
def test_entry_gives_back_the_values_of_its_row(profile: KindProfile) -> None:
    layout, chance = Layout(profile, KINDS), random.Random(1)  # noqa: S311 - rows, no secret
    rows = lake_rows(profile, chance, files=2, rows=20).with_columns(
        pl.lit("o\n1,").alias(name)
        for name, column_type in profile.lake_table.items()
        if column_type not in (INTEGER, DATE, INSTANT) and name in layout.columns
    )

    decoded = layout.decoded(layout.entries(rows))

    assert decoded.select(layout.columns).equals(rows.select(layout.columns))


def test_digest_and_layout_stay_the_same_for_ever() -> None:
    """Entries are kept for years: another text would make every repeated row a new version."""
    names = ("transaction_id", "order_id", "amount_minor", "currency", "provider", "status")
    times = ("created_at", "updated_at")
    taken = ("card_network", "payment_method")
    columns = {name: TRANSACTIONS.lake_table[name] for name in (*names, *times, *taken)}
    profile = replace(TRANSACTIONS, lake_table=pl.Schema({**ORIGIN, **columns}))
    layout = Layout(profile, KINDS)
    row = {
        "program": "default",
        "intake_id": 1,
        "row_number": 2,
        "transaction_id": "t1",
        "amount_minor": 100,
        "status": "completed",
        "created_at": datetime(2026, 1, 1, 10, tzinfo=UTC),
    }

    (entry,) = layout.entries(pl.DataFrame([row], schema=profile.lake_table)).to_dicts()

    assert layout.name == "88ecff72a937bd85"
    # BLAKE2b, 16 bytes, of "16:1767261600000000".
    assert entry["content_digest"] == "09958ebc26666fa124ff44ea7c8469b4"
