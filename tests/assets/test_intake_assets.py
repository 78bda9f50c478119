"""The four intake assets inside Dagster, and the checks that hold them to the lake."""

import base64
import re
from datetime import date
from typing import Any
from xml.etree import ElementTree as ET

import dagster as dg
import polars as pl
import pytest

from assets import chargebacks, deposits, orders, transactions
from assets.intake import every_accepted_row_in_lake, every_row_counted, every_row_in_index
from cardops.ports import progress
from cardops.rules.intake.files import FileStatus, Kind
from cardops.services.intake import quarantine
from cardops.services.intake.ingestion import ingest_file
from tests.factories.intake_environment import IntakeWorld, csv_file

pytestmark = pytest.mark.dagster

DAY = "2026-11-20"
HEADER = "user_id,amount,deposit_id,timestamp"
ROWS = ("u1,25.00,d1,2026-11-20T10:00:00Z", "u1,x,d2,2026-11-20T10:00:00Z")


def resources(world: IntakeWorld) -> dict[str, Any]:
    names = ("raw_store", "failed_store", "lake", "intake_ledger", "known_rows", "deposit_ledger",
             "programs", "source_controls", "clock")  # fmt: skip
    return {name: getattr(world, name) for name in names}


def dropped(world: IntakeWorld, key: str, content: str) -> int:
    world.raw_store.create(key, content.encode())
    return world.claim(key)


def test_run_ingests_the_files_of_its_partition_and_reports(world: IntakeWorld) -> None:
    dropped(world, "incoming/deposits/default/a.csv", csv_file(HEADER, *ROWS))
    checks = dg.load_asset_checks_from_modules([deposits])

    result = dg.materialize(
        [deposits.deposits, *checks], partition_key=DAY, resources=resources(world)
    )

    metadata = result.asset_materializations_for_node("deposits")[0].metadata
    assert metadata["read"].value == 2
    assert records(metadata["money"]) == [{"currency": "USD", "amount": "25.00"}]
    assert metadata["reasons"].value == {"invalid_amount": 1}
    preview = metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert [record.data["row_number"] for record in preview.records] == [1]
    evaluations = result.get_asset_check_evaluations()
    assert {evaluation.check_name for evaluation in evaluations} == {
        "every_row_is_accounted_for",
        "every_accepted_deposit_is_in_the_lake",
        "no_deposit_is_credited_twice",
        "every_deposit_file_can_be_read",
    }
    assert all(evaluation.passed for evaluation in evaluations)


def test_recalled_file_is_reported_beside_the_others_of_its_partition(world: IntakeWorld) -> None:
    first = dropped(world, "incoming/deposits/default/a.csv", csv_file(HEADER, ROWS[0]))
    ingest_file(first, world.ports)
    world.intake_ledger.mark(first, FileStatus.RECALLED)
    dropped(world, "incoming/deposits/default/b.csv", csv_file(HEADER, ROWS[0].replace("d1", "d2")))

    result = dg.materialize(
        [deposits.deposits, *dg.load_asset_checks_from_modules([deposits])],
        partition_key=DAY,
        resources=resources(world),
    )

    metadata = result.asset_materializations_for_node("deposits")[0].metadata
    recalled = metadata["recalled"].value
    assert isinstance(recalled, dict)
    assert list(recalled) == ["incoming/deposits/default/a.csv"]
    assert (metadata["files"].value, metadata["accepted"].value) == (2, 1)
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert world.rows("deposits")["deposit_id"].to_list() == ["d2"]


def records(shown: dg.MetadataValue[object]) -> list[object]:
    assert isinstance(shown, dg.TableMetadataValue)
    return [record.data for record in shown.records]


def test_partition_shows_all_its_files_whichever_run_was_the_last(world: IntakeWorld) -> None:
    first = dropped(world, "incoming/deposits/default/a.csv", csv_file(HEADER, *ROWS))
    second = dropped(
        world, "incoming/deposits/default/b.csv", csv_file(HEADER, ROWS[0].replace("d1", "d3"))
    )
    for intake_id in (first, second):
        result = dg.materialize(
            [deposits.deposits],
            partition_key=DAY,
            resources=resources(world),
            run_config={"ops": {"deposits": {"config": {"intake_ids": [intake_id]}}}},
        )

    metadata = result.asset_materializations_for_node("deposits")[0].metadata
    counts = {"duplicate": 0, "refused_files": 0}
    own = {"files": 1, "read": 1, "accepted": 1, "quarantined": 0, **counts}
    of_all = {"files": 2, "read": 3, "accepted": 2, "quarantined": 1, **counts}
    assert records(metadata["this_run_and_all"]) == [
        {"rows_of": "this run", **own},
        {"rows_of": "all runs of this partition", **of_all},
    ]
    assert {name: metadata[name].value for name in of_all} == of_all
    assert records(metadata["money"]) == [{"currency": "USD", "amount": "50.00"}]
    assert metadata["reasons"].value == {"invalid_amount": 1}


def test_previews_show_no_personal_data(world: IntakeWorld) -> None:
    orders = "order_id,user_id,amount,currency,status,created_at"
    world.submit("orders", csv_file(orders, "o1,u1,5.00,USD,paid,2026-11-20T10:00:00Z"))
    header = "transaction_id,order_id,amount,currency,payment_method,status,created_at,email,ip_address,device_id"
    good = "t1,o1,5,USD,card,completed,2026-11-20T10:00:00Z,ana@example.com,192.0.2.7,dev-1"
    bad = "t2,o1,no,USD,card,completed,2026-11-20T10:00:00Z,bea@example.com,2001:db8::8:800:200c:417a,dev-2"
    dropped(world, "incoming/transactions/default/a.csv", csv_file(header, good, bad))

    handed = {k: v for k, v in resources(world).items() if k != "deposit_ledger"}
    result = dg.materialize([transactions.transactions], partition_key=DAY, resources=handed)

    metadata = result.asset_materializations_for_node("transactions")[0].metadata
    assert metadata["read"].value == 2
    assert len(records(metadata["preview"])) == len(records(metadata["refused_rows"])) == 1
    shown = str(records(metadata["preview"])) + str(records(metadata["refused_rows"]))
    personal = ("example.com", "192.0.2.7", "2001:db8", "dev-1")
    assert [text for text in personal if text in shown] == []
    assert "t1" in shown


def test_run_config_limits_which_files_are_ingested(world: IntakeWorld) -> None:
    first = dropped(world, "incoming/deposits/default/a.csv", csv_file(HEADER, ROWS[0]))
    second = dropped(world, "incoming/deposits/default/b.csv", csv_file(HEADER, ROWS[1]))

    dg.materialize(
        [deposits.deposits],
        partition_key=DAY,
        resources=resources(world),
        run_config={"ops": {"deposits": {"config": {"intake_ids": [first]}}}},
    )

    assert world.intake_ledger.find(first).outcome is not None
    assert world.intake_ledger.find(second).outcome is None


def test_chargeback_batch_is_a_partition(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network"
    content = csv_file(header, "t1,5,2026-11-10,USD,visa")
    intake_id = dropped(world, "incoming/chargebacks/default/a.csv", content)
    batch_id = world.intake_ledger.find(intake_id).batch_id
    assert batch_id is not None
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("chargeback_batch", [batch_id])
        checks = dg.load_asset_checks_from_modules([chargebacks])
        result = dg.materialize(
            [chargebacks.chargebacks, *checks],
            partition_key=batch_id,
            resources={k: v for k, v in resources(world).items() if k != "deposit_ledger"},
            instance=instance,
        )

    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert world.rows("chargebacks")["batch_id"].to_list() == [batch_id]


@pytest.mark.parametrize("asset", [transactions.transactions, orders.orders])
def test_date_without_files_succeeds_without_rows(
    world: IntakeWorld, asset: dg.AssetsDefinition
) -> None:
    handed = {k: v for k, v in resources(world).items() if k != "deposit_ledger"}

    result = dg.materialize([asset], partition_key=DAY, resources=handed)

    assert result.success


def test_check_finds_a_lake_file_that_lost_a_row(world: IntakeWorld) -> None:
    world.submit("deposits", csv_file(HEADER, ROWS[0]))
    files = world.intake_ledger.claimed_on(Kind("deposits"), date.fromisoformat(DAY))
    assert every_accepted_row_in_lake(files, world.lake).passed
    assert every_row_counted(files).passed

    key = next(iter(world.lake.frames))
    world.lake.frames[key] = world.lake.frames[key].clear()

    assert not every_accepted_row_in_lake(files, world.lake).passed


def test_check_finds_rows_that_the_index_does_not_have(world: IntakeWorld) -> None:
    orders = "order_id,user_id,amount,currency,status,created_at"
    world.submit("orders", csv_file(orders, "o1,u1,5.00,USD,paid,2026-11-20T10:00:00Z"))
    files = world.intake_ledger.claimed_on(Kind("orders"), date.fromisoformat(DAY))
    assert every_row_in_index(files, world.lake, world.known_rows).passed

    known = world.known_rows.files[files[0].intake_id]
    known.rows = known.rows.clear()

    assert not every_row_in_index(files, world.lake, world.known_rows).passed


def test_check_finds_a_deposit_that_is_in_the_lake_twice(world: IntakeWorld) -> None:
    world.submit("deposits", csv_file(HEADER, ROWS[0]))
    day = date.fromisoformat(DAY)
    assert deposits.repeated_deposits(world.lake, day).is_empty()

    frame = world.lake.frames[next(iter(world.lake.frames))]
    world.lake.write("deposits", date(2026, 11, 21), "000000000009", frame)

    repeated = deposits.repeated_deposits(world.lake, day)
    assert repeated["len"].to_list() == [2]
    assert repeated.schema["len"] == pl.get_index_type()


def test_metadata_shows_reasons_and_ten_masked_rows_and_the_last_days(world: IntakeWorld) -> None:
    world.submit("deposits", csv_file(HEADER, ROWS[1].replace("d2", "d0"), ROWS[1]))
    world.clock.advance(days=1)
    bad = [f"u1,4111 1111 1111 1111,d{number},no" for number in range(20, 40)]
    dropped(world, "incoming/deposits/default/a.csv", csv_file(HEADER, ROWS[0], *bad))

    result = dg.materialize(
        [deposits.deposits], partition_key="2026-11-21", resources=resources(world)
    )

    metadata = result.asset_materializations_for_node("deposits")[0].metadata
    assert (metadata["quarantined"].value, metadata["refused_files"].value) == (20, 0)
    assert metadata["contract_version"].value == 1
    reasons, refused = metadata["reasons_table"], metadata["refused_rows"]
    assert isinstance(reasons, dg.TableMetadataValue)
    assert isinstance(refused, dg.TableMetadataValue)
    assert [record.data for record in reasons.records] == [
        {"reason": "invalid_amount", "rows": 20, "of_rows_read": "95.24%"},
        {"reason": "invalid_timestamp", "rows": 20, "of_rows_read": "95.24%"},
    ]
    assert [record.data["row_number"] for record in refused.records] == list(range(2, 12))
    assert refused.records[0].data["reasons"] == "invalid_amount invalid_timestamp"
    assert refused.records[0].data["raw"] == "u1,411111******1111,d20,no"
    picture = str(metadata["refused_rows_by_day"].value)
    image = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", picture)
    assert image is not None
    svg = base64.b64decode(image[1]).decode()
    ET.fromstring(svg)  # noqa: S314 - our own picture
    assert svg.count('fill="#b3402f"') == 2
    assert ">95.2%<" in svg


def test_first_quarantined_rows_of_a_long_file_are_read_in_part(
    world: IntakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "PREVIEW_BYTES", 300)
    bad = [f'"u{number}\n",no,d{number},no' for number in range(50)]
    result = world.ingest("deposits", csv_file(HEADER, *bad))

    rows = quarantine.first_quarantined(world.failed_store, result.intake_file, 10)

    assert 1 < len(rows) < 10
    assert [row["row_number"] for row in rows] == list(range(1, len(rows) + 1))


def test_run_log_says_how_many_rows_are_done(
    world: IntakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    dropped(world, "incoming/deposits/default/a.csv", csv_file(HEADER, *ROWS))

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [deposits.deposits], partition_key=DAY, resources=resources(world), instance=instance
        )
        messages = [entry.user_message for entry in instance.all_logs(result.run_id)]

    assert any(message.startswith("2 rows judged, ") for message in messages)
