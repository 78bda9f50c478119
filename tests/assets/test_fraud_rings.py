"""Rings through Dagster: of the date that is closed, or of today; nothing personal in what it shows."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typing_extensions import override

from assets.fraud_rings import MADE, NONE_OVERSIZED, fraud_rings
from assets.partitions import business_dates
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.reports import DuckDbReports
from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.ports import RingActivity, RingSources
from tests.factories.lake_tables import DAY, rows_of
from tests.fakes.clock import FakeClock
from tests.fakes.lake import FakeLake

pytestmark = pytest.mark.dagster

TODAY = date(2026, 11, 22)
PERSONAL = {"device_id": "d-secret", "email": "ann.secret@gmail.com", "ip_address": "198.51.100.77"}


def a_lake(users: int) -> FakeLake:
    lake = FakeLake()
    rows = [
        {
            "transaction_id": f"t-{number}",
            "row_number": number,
            "user_id": f"u-{number}",
            **PERSONAL,
        }
        for number in range(users)
    ]
    dispute = {"transaction_id": "t-1", "dispute_amount_minor": 2500}
    lake.write("transactions", DAY, "1", rows_of("transactions", *rows))
    lake.write("chargebacks", DAY, "2", rows_of("chargebacks", dispute))
    return lake


def run(
    lake: FakeLake, home: Path, partition: str | None = None, sources: RingSources | None = None
) -> dg.ExecuteInProcessResult:
    @dg.asset(partitions_def=business_dates, deps=[fraud_rings])
    def published() -> None:
        """Of a business date, as all others of the close."""

    noon = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)
    return dg.materialize(
        [fraud_rings, *([published] if partition else [])],
        partition_key=partition,
        resources={
            "ring_sources": sources or LakeRingSources(lake),
            "ring_snapshots": LakeRingSnapshots(lake),
            "reports": DuckDbReports(DuckDbWarehouse(home), home, lake),
            "clock": FakeClock(noon),
        },
        raise_on_error=False,
    )


def test_rings_of_a_close_are_those_of_its_date(tmp_path: Path) -> None:
    lake = a_lake(users=3)

    result = run(lake, tmp_path, str(DAY))

    assert result.success
    assert list(LakeRingSnapshots(lake).dates()) == [DAY]
    checks = result.get_asset_check_evaluations()
    assert {check.check_name: check.passed for check in checks} == {
        MADE: True,
        NONE_OVERSIZED: True,
    }


def test_rings_made_by_hand_are_those_of_today_and_show_nothing_personal(tmp_path: Path) -> None:
    lake = a_lake(users=3)

    result = run(lake, tmp_path)

    assert list(LakeRingSnapshots(lake).dates()) == [TODAY]
    (materialization,) = result.asset_materializations_for_node("fraud_rings")
    metadata = materialization.metadata
    assert metadata["dagster/row_count"].value == 1
    disputed = metadata["disputed"]
    assert isinstance(disputed, dg.TableMetadataValue)
    assert [row.data for row in disputed.records] == [{"currency": "USD", "amount": "25.00"}]
    picture = str(metadata["picture"].value)
    assert picture.startswith("![The largest rings](data:image/svg+xml;base64,")
    assert "3 users share 1 device, 1 e-mail address, 1 IP address" in picture
    shown = str(metadata)
    for value in (*PERSONAL.values(), "u-1"):
        assert value not in shown


class FailingRingSources(LakeRingSources):
    @override
    def activity(self, as_of: date, links: pl.DataFrame) -> RingActivity:
        raise OSError(28, "No space left on device")


def test_rings_that_fail_in_a_run_without_a_report_fail_at_once(tmp_path: Path) -> None:
    lake = a_lake(users=3)

    result = run(lake, tmp_path, str(DAY), FailingRingSources(lake))

    assert not result.success
    assert not result.get_asset_materialization_events()
    assert list(LakeRingSnapshots(lake).dates()) == []
