"""The rings of a simulated day, found in a lake that has its accepted rows, are those of its truth."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import polars as pl
import pytest

from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.contracts.lake.fraud_rings import HUBS, MEMBERS, MONEY, RINGS
from cardops.rules.intake.files import Kind
from cardops.services.fraud.rings import FraudRings
from simulation.dispute_rows import dispute_key, is_accepted
from simulation.generator import DEFAULT_HISTORY_END, DEFAULT_SEED, Day, make_day
from simulation.population import LINKS
from simulation.rows import InputFile, Row
from tests.factories.lake_tables import DAY, NOON, rows_of
from tests.fakes.lake import FakeLake

# Without a carrier's address, and with one.
SMALL, LARGE = 300, 5_000


def accepted(day: Day, kind: str) -> Iterator[tuple[InputFile, Row, dict[str, object]]]:
    """Each accepted row with what every table has of it, in the order of arrival."""
    number = count(1)
    for file in day.files:
        if file.kind == Kind(kind) and not file.refused_for:
            for row in filter(is_accepted, file.rows):
                yield file, row, {"row_number": next(number)}


def instant(row: Row, name: str) -> datetime | None:
    text = str(row.cells.get(name) or "").removesuffix("Z")
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def a_lake(day: Day) -> FakeLake:
    transactions = [
        {
            **origin,
            **{name: row.cells[name] for name in ("transaction_id", "order_id", "status")},
            **{link: row.cells[link] or None for link in LINKS if link in file.columns},
            "user_id": (row.cells["user_id"] or None) if "user_id" in file.columns else None,
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "created_at": instant(row, "created_at"),
            "updated_at": instant(row, "updated_at"),
        }
        for file, row, origin in accepted(day, "transactions")
    ]
    orders = [
        {**origin, "order_id": row.cells["order_id"], "user_id": row.cells["user_id"]}
        for _, row, origin in accepted(day, "orders")
    ]
    chargebacks = [
        {
            **origin,
            "case_number": "/".join(dispute_key(file, row)),
            "network": row.network,
            "transaction_id": row.cells["transaction_id"],
            "stage": row.cells["stage"],
            "status": row.cells["status"],
            "dispute_amount_minor": row.amount_minor,
            "dispute_currency": row.currency,
            "happened_at": NOON + timedelta(seconds=number),
        }
        for number, (file, row, origin) in enumerate(accepted(day, "chargebacks"))
    ]
    lake = FakeLake()
    for table, rows in (
        ("transactions", transactions),
        ("orders", orders),
        ("chargebacks", chargebacks),
    ):
        lake.write(table, DAY, "1", rows_of(table, *rows))
    return lake


@pytest.mark.parametrize("rows", [SMALL, pytest.param(LARGE, marks=pytest.mark.soak)])
def test_rings_found_are_those_that_were_planted(rows: int) -> None:
    simulated = make_day(rows, DEFAULT_SEED, DEFAULT_HISTORY_END)
    lake = a_lake(simulated)

    tables = FraudRings(LakeRingSources(lake), LakeRingSnapshots(lake)).snapshot(DAY)

    members = tables[MEMBERS].group_by("ring_id").agg(pl.col("user_id").sort().str.join(" "))
    named = tables[RINGS].join(members, on="ring_id")
    money = tables[MONEY].filter(pl.col("dispute_count") > 0)
    found = {
        ring["user_id"]: {
            "transactions": ring["transaction_count"],
            "disputes": ring["dispute_count"],
            "cycles": ring["cycle_count"],
            "disputed": {
                currency: int(minor)
                for currency, minor in money.filter(pl.col("ring_id") == ring["ring_id"])
                .select("currency", "disputed_amount_minor")
                .iter_rows()
            },
        }
        for ring in named.to_dicts()
    }
    expected = simulated.truth["fraud_ring_figures"]
    assert found == expected["rings"]
    hubs = tables[HUBS].group_by("identifier_kind").agg(pl.col("user_count").sort())
    assert dict(hubs.iter_rows()) == expected["hubs"]
