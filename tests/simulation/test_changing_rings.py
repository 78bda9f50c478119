"""Rings that merge, split, grow, end and begin between two closes are told so in the published marts."""

from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.contracts.lake.fraud_rings import SNAPSHOTS
from cardops.services.fraud.rings import FraudRings
from simulation.changing_rings import ChangingRings, RingOfDate, Sale, make_changing_rings
from tests.factories.lake_tables import DAY, rows_of
from tests.fakes.lake import FakeLake
from tests.servers.plain_dbt import PlainDbt

NEXT_DAY = DAY + timedelta(days=1)
_RINGS = """
select rings.ring_id, rings.merged_from, rings.split_from, rings.is_new, rings.known_since,
    list(members.user_id) as members, list(members.user_id) filter (where members.is_new) as joined
from marts.fct_fraud_rings as rings
inner join marts.fct_fraud_ring_members as members using (ring_id)
group by all
"""


def arrive(lake: FakeLake, day: date, sales: tuple[Sale, ...]) -> None:
    rows = [
        {
            "transaction_id": sale.transaction_id,
            "order_id": f"order-{sale.transaction_id}",
            "row_number": number,
            "user_id": sale.user_id,
            **sale.shown,
        }
        for number, sale in enumerate(sales)
    ]
    lake.write("transactions", day, "1", rows_of("transactions", *rows))


def closed(lake: FakeLake, day: date, home: Path) -> list[dict[str, Any]]:
    """The snapshot of the date, and the rings as the marts have them then."""
    FraudRings(LakeRingSources(lake), LakeRingSnapshots(lake)).snapshot(day)
    warehouse = DuckDbWarehouse(home)
    with warehouse.building(lake) as variables:
        PlainDbt(("fct_fraud_rings", "fct_fraud_ring_members")).run(variables)
    with duckdb.connect(str(warehouse.build_file), read_only=True) as session:
        relation = session.execute(_RINGS)
        names = [column[0] for column in relation.description or []]
        return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def by_members(rings: list[dict[str, Any]]) -> dict[frozenset[str], dict[str, Any]]:
    return {frozenset(ring["members"]): ring for ring in rings}


def told(ring: RingOfDate, ids: dict[str, str], first: ChangingRings) -> dict[str, Any]:
    """What the second close must say of a ring, by the ids of the first one."""
    before = first.first[ring.continues].members if ring.continues else frozenset[str]()

    def listed(names: tuple[str, ...]) -> str | None:
        return ",".join(sorted(ids[name] for name in names)) or None

    return {
        "merged_from": listed(ring.merged_from),
        "split_from": listed(ring.split_from),
        "is_new": ring.continues is None,
        "known_since": DAY if ring.continues else NEXT_DAY,
        "joined": sorted(ring.members - before),
    }


@pytest.mark.parametrize("seed", range(2))
def test_changes_between_two_closes_are_told(seed: int, tmp_path: Path) -> None:
    made = make_changing_rings(Random(seed))  # noqa: S311 - repeatable
    lake = FakeLake()
    arrive(lake, DAY, tuple(made.first_sales))
    first = by_members(closed(lake, DAY, tmp_path))
    arrive(lake, NEXT_DAY, tuple(made.second_sales))
    second = by_members(closed(lake, NEXT_DAY, tmp_path))

    assert set(first) == {ring.members for ring in made.first.values()}
    assert set(second) == {ring.members for ring in made.second.values()}
    ids = {name: first[ring.members]["ring_id"] for name, ring in made.first.items()}
    for name, ring in made.second.items():
        found = second[ring.members]
        shown = {key: found[key] for key in ("merged_from", "split_from", "is_new", "known_since")}
        shown["joined"] = sorted(found["joined"] or [])
        assert shown == told(ring, ids, made), name
        if ring.continues:
            assert found["ring_id"] == ids[ring.continues], name
    snapshots = lake.scan(SNAPSHOTS, [NEXT_DAY])
    assert snapshots is not None
    assert snapshots.collect()["ended_ring_count"].to_list() == [made.ended_count]
