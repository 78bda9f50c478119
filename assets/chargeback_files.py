"""Chargeback files: a batch's rows from the lake, in at most four CSVs with control files."""

from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg

from assets.batch_partitions import batch_of_network, partition_key_of, slots_by_batch
from assets.column_lineage import lineage_of_files
from assets.partitions import batch_networks
from assets.tables import money_metadata, plotted_money
from cardops.ports import DeliveryLedger, Destinations, IntakeLedger, Lake, ObjectStore
from cardops.rules.chargebacks.batch_totals import batch_breaks
from cardops.rules.chargebacks.filing import WaitingDispute, slot_waits
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
from cardops.services.deliveries.members import processed_key


@dg.asset(
    partitions_def=batch_networks,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep("chargebacks", partition_mapping=batch_of_network)],
    group_name="chargebacks",
    kinds={"csv"},
)
def chargeback_files(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    processed_store: dg.ResourceParam[ObjectStore],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    destinations: dg.ResourceParam[Destinations],
) -> None:
    """At most four CSVs a batch, which never change once made; a network without rows has none."""
    builder = ChargebackFileBuilder(
        lake, processed_store, intake_ledger, delivery_ledger, destinations
    )
    for batch_id, slots in slots_by_batch(context.partition_keys).items():
        for slot, record in builder.build(batch_id, slots).items():
            held = [
                row
                for row in intake_ledger.held_disputes(intake_ledger.batch(batch_id).program)
                if (row.batch_id, row.network) == (batch_id, slot)
            ]
            metadata = _metadata(record, processed_store) | _waits(held) | lineage_of_files()
            context.add_asset_metadata(metadata, partition_key=partition_key_of(batch_id, slot))


def _waits(held: Sequence[WaitingDispute]) -> dict[str, dg.MetadataValue]:
    """Why rows of the batch are in no file, by reason."""
    waits = slot_waits(held)
    return (
        {"waiting": dg.MetadataValue.text(", ".join(wait.text for wait in waits))} if waits else {}
    )


@dg.asset_check(asset=chargeback_files, blocking=True, partitions_def=batch_networks)
def every_accepted_chargeback_is_in_a_file(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    processed_store: dg.ResourceParam[ObjectStore],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    destinations: dg.ResourceParam[Destinations],
) -> dg.AssetCheckResult:
    """Of each batch: rows read = in files + superseded + duplicates + quarantined, and so is the money."""
    builder = ChargebackFileBuilder(
        lake, processed_store, intake_ledger, delivery_ledger, destinations
    )
    slots = slots_by_batch(context.partition_keys)
    totals = {batch_id: builder.add_up(batch_id, made) for batch_id, made in slots.items()}
    breaks = {batch_id: batch_breaks(batch) for batch_id, batch in totals.items()}
    return dg.AssetCheckResult(
        passed=not any(breaks.values()),
        metadata={
            "breaks": dg.MetadataValue.json(breaks),
            "accounts": dg.MetadataValue.json({name: asdict(totals[name]) for name in totals}),
        },
    )


def _metadata(
    record: ChargebackFileRecord | None, processed_store: ObjectStore
) -> dict[str, dg.MetadataValue]:
    if record is None:
        return {"dagster/row_count": dg.MetadataValue.int(0)}
    uri = processed_store.uri(processed_key(record.batch_id, record.file_name))
    return {
        "dagster/row_count": dg.MetadataValue.int(record.row_count),
        "money": money_metadata(record.totals_minor),
        **plotted_money(record.totals_minor, "disputed"),
        "sequence": dg.MetadataValue.int(record.sequence),
        "sha256": dg.MetadataValue.text(record.content_sha256),
        "file": dg.MetadataValue.path(uri),
    }
