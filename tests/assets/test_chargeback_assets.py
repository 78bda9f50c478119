"""A batch through Dagster: at most four files, accounted for, and delivered once."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.chargeback_deliveries import (
    chargeback_deliveries,
    every_chargeback_file_is_whole_at_its_card_company,
)
from assets.chargeback_files import chargeback_files, every_accepted_chargeback_is_in_a_file
from assets.partitions import batches
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.chargebacks.control_totals import read_control_totals
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.records import DeliveryState, FrozenFileError
from cardops.rules.intake.files import ChargebackBatch
from cardops.rules.programs.programs import Program
from cardops.services.deliveries.delivery import DeliveryService
from sensors.run_failure import run_failure_sensor
from tests.factories.batches import BUSINESS_DATE, a_sealed_batch
from tests.factories.chargebacks import a_chargeback, lake_frame
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.destinations import FakeDestinations
from tests.fakes.lake import FakeLake
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore
from tests.oracles.chargeback_files import Chargeback

pytestmark = [pytest.mark.database, pytest.mark.dagster]

ASSETS = [
    chargeback_files,
    every_accepted_chargeback_is_in_a_file,
    chargeback_deliveries,
    every_chargeback_file_is_whole_at_its_card_company,
]


@dataclass
class House:
    """Everything the assets need; ledgers are real."""

    intake_ledger: PostgresIntakeLedger
    delivery_ledger: PostgresDeliveryLedger
    instance: dg.DagsterInstance
    lake: FakeLake = field(default_factory=FakeLake)
    processed_store: FakeObjectStore = field(default_factory=FakeObjectStore)
    destinations: FakeDestinations = field(default_factory=FakeDestinations)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    breakers: FakeBreakers = field(default_factory=FakeBreakers)
    acknowledgement_ledger: FakeAcknowledgements = field(default_factory=FakeAcknowledgements)
    clock: FakeClock = field(default_factory=FakeClock)

    def seal(self, rows: list[Chargeback], **options: Any) -> ChargebackBatch:
        batch = a_sealed_batch(self.intake_ledger, self.lake, rows, **options)
        self.instance.add_dynamic_partitions(batches.name or "", [batch.batch_id])
        return batch

    def run(
        self, batch: ChargebackBatch, first: str = "amex", last: str = "visa", **options: Any
    ) -> dg.ExecuteInProcessResult:
        resources = {
            name: getattr(self, name)
            for name in (
                "intake_ledger",
                "delivery_ledger",
                "lake",
                "processed_store",
                "destinations",
                "notifier",
                "breakers",
                "acknowledgement_ledger",
                "clock",
            )
        }
        return dg.materialize(
            ASSETS,
            instance=self.instance,
            resources=resources,
            tags={
                "dagster/asset_partition_range_start": f"{batch.batch_id}|{first}",
                "dagster/asset_partition_range_end": f"{batch.batch_id}|{last}",
            },
            raise_on_error=False,
            **options,
        )

    def retry(self, batch: ChargebackBatch, network: str) -> None:
        DeliveryService(
            self.processed_store,
            self.delivery_ledger,
            self.destinations,
            self.notifier,
            self.breakers,
            self.clock,
        ).retry(batch.batch_id, network, None, "ann")


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield House(
            PostgresIntakeLedger(database_url), PostgresDeliveryLedger(database_url), instance
        )


def mixed_rows() -> list[Chargeback]:
    return [
        a_chargeback(f"CB-{number}", network=network, dispute_amount_minor=number)
        for number, network in enumerate(["visa", "amex", "visa", "discover", "visa"], start=1)
    ]


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


def test_each_network_with_rows_gets_one_delivered_file(house: House) -> None:
    batch = house.seal(mixed_rows(), quarantined=2)
    result = house.run(batch, "visa", "discover")

    assert result.success
    assert all(checks(result).values())
    assert len(checks(result)) == 2
    assert set(house.destinations.servers) == {"visa", "amex", "discover"}
    assert {len(files) for files in house.destinations.servers.values()} == {2}
    log = [entry.user_message for entry in house.instance.all_logs(result.run_id)]
    for network in house.destinations.servers:
        assert any(f"{network}: CB_{network}" in line and "delivered as" in line for line in log)
    for record in house.delivery_ledger.files_of(batch.batch_id):
        placed = house.destinations.servers[record.network][f"/inbox/{record.file_name}"]
        control = house.destinations.servers[record.network][f"/inbox/{record.file_name}.ctl"]
        assert record.state is DeliveryState.DELIVERED
        assert json.loads(control)["sha256"] == hashlib.sha256(placed).hexdigest()
        assert read_control_totals(io.BytesIO(placed)).totals_minor == record.totals_minor
        shown = metadata(result, f"{batch.batch_id}|{record.network}")
        assert shown["verified_sha256"] == record.content_sha256
        assert (shown["sequence"], shown["money"]) == (
            record.sequence,
            [
                {"currency": name, "amount": f"{minor / 100:.2f}"}
                for name, minor in record.totals_minor.items()
            ],
        )
        assert (shown["state"], shown["acknowledged"]) == ("delivered", "not yet")
        assert shown["this_run"] == "delivered"


def metadata(result: dg.ExecuteInProcessResult, partition: str) -> dict[str, object]:
    """What the delivery of one partition shows in the control room."""
    (event,) = [
        event
        for event in result.asset_materializations_for_node("chargeback_deliveries")
        if event.partition == partition
    ]
    return {
        name: [row.data for row in entry.records]
        if isinstance(entry, dg.TableMetadataValue)
        else entry.value
        for name, entry in event.metadata.items()
    }


def test_held_row_is_said_with_its_reason_beside_the_file(house: House, database_url: str) -> None:
    rows = [a_chargeback("CB-1", network="visa"), a_chargeback("CB-2", network="visa")]
    batch = house.seal(rows)
    intake_id = batch.files[0].intake_id
    frame = lake_frame(rows, batch_id=batch.batch_id, intake_id=intake_id)
    flags = pl.Series("flags", [[], ["refunded_already"]])
    name = f"{intake_id:012d}"
    house.lake.write("chargebacks", BUSINESS_DATE, name, frame.with_columns(flags))
    PostgresPrograms(database_url).create(Program("default"))
    house.intake_ledger.set_dispute_policy("default", "refunded_already", "hold", set_by="ann")

    result = house.run(batch, "visa", "discover")

    (event,) = [
        event
        for event in result.asset_materializations_for_node("chargeback_files")
        if event.partition == f"{batch.batch_id}|visa"
    ]
    waiting = str(event.metadata["waiting"].value)
    assert waiting.startswith("1 refunded_already since ")


def test_second_run_changes_and_sends_nothing(house: House) -> None:
    batch = house.seal(mixed_rows())
    house.run(batch, "visa", "discover")
    records = house.delivery_ledger.files_of(batch.batch_id)
    made = dict(house.processed_store.contents)
    for files in house.destinations.servers.values():
        files.clear()  # collected by the card companies

    result = house.run(batch, "visa", "discover")

    assert result.success
    shown = metadata(result, f"{batch.batch_id}|visa")
    assert str(shown["this_run"]).startswith("already delivered at ")
    assert str(shown["this_run"]).endswith(", nothing sent")
    assert house.delivery_ledger.files_of(batch.batch_id) == records
    assert house.processed_store.contents == made
    assert not any(house.destinations.servers.values())


def test_size_balanced_batch_goes_to_one_destination_in_four_files(house: House) -> None:
    batch = house.seal(mixed_rows(), mode="size_balanced")

    assert house.run(batch, "visa", "discover").success
    records = house.delivery_ledger.files_of(batch.batch_id)
    by_slot = {record.network: record for record in records}
    assert [by_slot[slot].row_count for slot in NETWORKS] == [2, 1, 1, 1]
    assert {record.destination for record in records} == {"default"}
    assert by_slot["mastercard"].file_name.startswith("CB_mixed-2_default_2026-11-20_")
    assert len(house.destinations.servers["default"]) == 8


def test_sequences_of_a_destination_are_consecutive(house: House) -> None:
    first = house.seal([a_chargeback()], key="incoming/chargebacks/1.csv")
    second = house.seal([a_chargeback()], key="incoming/chargebacks/2.csv")
    for batch in (first, second):
        assert house.run(batch, "visa", "visa").success

    controls = [
        json.loads(content)
        for path, content in sorted(house.destinations.servers["visa"].items())
        if path.endswith(".ctl")
    ]
    assert [(found["previous_sequence"], found["sequence"]) for found in controls] == [
        (0, 1),
        (1, 2),
    ]


def test_batch_changed_after_sealing_is_stopped(house: House) -> None:
    batch = house.seal(mixed_rows())
    house.run(batch, "visa", "discover")
    frame = lake_frame(mixed_rows()[1:], batch_id=batch.batch_id)
    house.lake.write("chargebacks", BUSINESS_DATE, f"{batch.files[0].intake_id:012d}", frame)

    result = house.run(batch, "visa", "discover")
    assert not result.success
    failure = result.failure_data_for_node("chargeback_files")
    assert failure is not None
    assert failure.error is not None
    assert FrozenFileError.__name__ in str(failure.error.cause or failure.error)


def test_lost_row_stops_the_delivery(house: House) -> None:
    batch = house.seal(mixed_rows())
    frame = lake_frame(mixed_rows()[1:], batch_id=batch.batch_id)
    house.lake.write("chargebacks", BUSINESS_DATE, f"{batch.files[0].intake_id:012d}", frame)

    result = house.run(batch, "visa", "discover")
    assert checks(result)["every_accepted_chargeback_is_in_a_file"] is False
    assert not house.destinations.servers


def test_one_network_can_be_made_and_delivered_alone(house: House) -> None:
    batch = house.seal(mixed_rows())

    assert house.run(batch, "visa", "visa").success
    assert set(house.destinations.servers) == {"visa"}


def test_reversed_partition_range_fails(house: House) -> None:
    batch = house.seal(mixed_rows())

    assert not house.run(batch, "discover", "visa").success
    assert not house.destinations.servers


def test_network_whose_company_refuses_is_red_alone_and_becomes_green_by_its_own_run(
    house: House,
) -> None:
    house.destinations.refusing.add("amex")
    batch = house.seal(mixed_rows())
    house.run(batch, "visa", "discover")

    key = dg.AssetKey("chargeback_deliveries")
    partitions = {network: f"{batch.batch_id}|{network}" for network in NETWORKS}
    green = house.instance.get_materialized_partitions(key)
    assert green == {partitions[network] for network in ("visa", "mastercard", "discover")}

    house.destinations.refusing.clear()
    house.retry(batch, "amex")  # on an operator's word
    result = house.run(batch, "amex", "amex")
    assert result.success
    told = str(metadata(result, partitions["amex"])["delivered_on_the_word_of"])
    assert "'word': 'retry', 'by': 'ann'" in told
    assert house.instance.get_materialized_partitions(key) == set(partitions.values())


@pytest.mark.parametrize("selection", [None, ["chargeback_deliveries"]])
def test_batch_that_nobody_sealed_is_refused(house: House, selection: list[str] | None) -> None:
    batch = house.seal(mixed_rows())
    made_up = replace(batch, batch_id="default-2026-11-20-999")
    house.instance.add_dynamic_partitions(batches.name or "", [made_up.batch_id])

    result = house.run(made_up, "visa", "discover", selection=selection)

    assert not result.success
    failures = [event.step_failure_data.error for event in result.get_step_failure_events()]
    told = " ".join(str(error.cause or error) for error in failures if error)
    assert "There is no chargeback batch default-2026-11-20-999." in told


def test_refusing_company_does_not_delay_the_others(house: House) -> None:
    house.destinations.refusing.add("amex")
    batch = house.seal(mixed_rows())
    result = house.run(batch, "visa", "discover")

    assert not result.success
    states = {
        record.network: record.state for record in house.delivery_ledger.files_of(batch.batch_id)
    }
    assert states == {
        "amex": DeliveryState.FAILED,
        "discover": DeliveryState.DELIVERED,
        "visa": DeliveryState.DELIVERED,
    }
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_sensor",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=house.instance,
        dagster_run=result.dagster_run,
        resources={"notifier": house.notifier},
    ).for_run_failure()
    run_failure_sensor()(context)
    # The delivery has said it; that its run failed is no second alarm.
    assert [alarm[0] for alarm in house.notifier.alarms] == [
        "Chargeback file CB_amex_default_2026-11-20_000001_v2.csv cannot be delivered to amex"
    ]
