"""Chargeback deliveries: files delivered whole to their card companies, and verified there."""

from collections.abc import Sequence

import dagster as dg

from assets.batch_partitions import partition_key_of, slots_by_batch
from assets.chargeback_files import chargeback_files
from assets.delivery_board_chart import board_markdown
from assets.partitions import batch_networks
from assets.tables import money_metadata, plotted_money, records_metadata
from cardops.ports import (
    Acknowledgements,
    Breakers,
    Clock,
    DeliveryLedger,
    Destinations,
    IntakeLedger,
    Notifier,
    ObjectStore,
)
from cardops.rules.deliveries.acknowledgements import StoredAcknowledgement, counts_of, standing
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState, GivenWord
from cardops.rules.deliveries.troubles import RUNBOOK
from cardops.services.deliveries.board import DeliveryBoard
from cardops.services.deliveries.concurrent import deliver_all
from cardops.services.deliveries.delivery import DeliveryService


@dg.asset(
    partitions_def=batch_networks,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[chargeback_files],
    group_name="delivery",
    kinds={"sftp"},
)
def chargeback_deliveries(  # noqa: PLR0913, PLR0917 - Dagster binds each by its type
    context: dg.AssetExecutionContext,
    processed_store: dg.ResourceParam[ObjectStore],
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    destinations: dg.ResourceParam[Destinations],
    notifier: dg.ResourceParam[Notifier],
    breakers: dg.ResourceParam[Breakers],
    acknowledgement_ledger: dg.ResourceParam[Acknowledgements],
    clock: dg.ResourceParam[Clock],
    intake_ledger: dg.ResourceParam[IntakeLedger],
) -> None:
    """Each chargeback file delivered to its card company once; one company's failure delays no other.

    A network whose file is at its card company is materialized, also where the run fails for another.
    """
    service = DeliveryService(
        processed_store,
        delivery_ledger,
        destinations,
        notifier,
        breakers,
        clock,
        report=context.log.info,
    )
    by_batch = slots_by_batch(context.partition_keys)
    for batch_id in by_batch:
        intake_ledger.batch_mode(batch_id)  # there is such a batch
    slots = [(batch_id, network) for batch_id, networks in by_batch.items() for network in networks]
    former = {slot: found for slot in slots if (found := delivery_ledger.find(*slot))}
    records = deliver_all(service, list(former.values()))
    by_slot = {(record.batch_id, record.network): record for record in records}
    answers = standing(acknowledgement_ledger.of_batches(list(by_batch)))
    undelivered = [record for record in records if record.state is not DeliveryState.DELIVERED]
    board = _board(delivery_ledger, acknowledgement_ledger, intake_ledger, clock)
    for slot in slots:
        record = by_slot.get(slot)
        if record in undelivered:
            continue
        metadata = (
            _metadata(record, answers.get(slot))
            | _what_was_done(former.get(slot), record)
            | _words(delivery_ledger.words_of(*slot))
            | board
        )
        _materialize(context, slot, metadata, ends_failed=bool(undelivered))
    if undelivered:
        raise dg.Failure(_failure_text(undelivered), allow_retries=False)


def _board(
    ledger: DeliveryLedger, answers: Acknowledgements, intake_ledger: IntakeLedger, clock: Clock
) -> dict[str, dg.MetadataValue]:
    """Where the newest batches stand at every card company, as of this run."""
    rows = DeliveryBoard(ledger, answers, intake_ledger).rows(clock.now())
    return {"batches_and_networks": dg.MetadataValue.md(board_markdown(rows))}


def _materialize(
    context: dg.AssetExecutionContext,
    slot: tuple[str, str],
    metadata: dict[str, dg.MetadataValue],
    *,
    ends_failed: bool,
) -> None:
    """Dagster materializes every partition of a run that succeeds, and none of one that fails."""
    key = partition_key_of(*slot)
    if ends_failed:
        event = dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
        context.log_event(event)
    else:
        context.add_asset_metadata(metadata, partition_key=key)


def _words(given: Sequence[GivenWord]) -> dict[str, dg.MetadataValue]:
    """Who had the file delivered once more, and on which word."""
    rows = [
        {"word": word.word, "by": word.said_by, "at": f"{word.said_at:%Y-%m-%d %H:%M:%S} UTC"}
        for word in given
    ]
    return {"delivered_on_the_word_of": records_metadata(rows, "word")} if rows else {}


def _what_was_done(
    former: ChargebackFileRecord | None, record: ChargebackFileRecord | None
) -> dict[str, dg.MetadataValue]:
    """Whether this run sent the file: one that arrived before is not sent again."""
    if former is None or record is None:
        done = "nothing sent: the batch has no row of this card company"
    elif former.state is DeliveryState.DELIVERED:
        at = f" at {former.delivered_at:%Y-%m-%d %H:%M:%S} UTC" if former.delivered_at else ""
        done = f"already delivered{at}, nothing sent"
    else:
        done = "delivered"
    return {"this_run": dg.MetadataValue.text(done)}


@dg.asset_check(asset=chargeback_deliveries, partitions_def=batch_networks)
def every_chargeback_file_is_whole_at_its_card_company(
    context: dg.AssetCheckExecutionContext,
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
) -> dg.AssetCheckResult:
    """Every file of these batches and networks was verified at its card company."""
    slots = slots_by_batch(context.partition_keys)
    records = [record for batch_id in slots for record in delivery_ledger.files_of(batch_id)]
    checked = [record for record in records if record.network in slots[record.batch_id]]
    undelivered = [record for record in checked if record.state is not DeliveryState.DELIVERED]
    return dg.AssetCheckResult(
        passed=not undelivered,
        metadata={
            "files": len(checked),
            "not_delivered": dg.MetadataValue.json([_state(record) for record in undelivered]),
            "runbook": RUNBOOK,
        },
    )


def _state(record: ChargebackFileRecord) -> dict[str, str | None]:
    return {
        "file": record.file_name,
        "state": record.state.value,
        "last_error": record.last_error,
    }


def _failure_text(records: list[ChargebackFileRecord]) -> str:
    lines = [f"{record.file_name} is {record.state}: {record.last_error}" for record in records]
    return "\n".join([*lines, f"See {RUNBOOK} for what to do."])


def _metadata(
    record: ChargebackFileRecord | None, answer: StoredAcknowledgement | None
) -> dict[str, dg.MetadataValue]:
    if record is None:
        return {"dagster/row_count": dg.MetadataValue.int(0)}
    is_verified = record.state is DeliveryState.DELIVERED
    return {
        "dagster/row_count": dg.MetadataValue.int(record.row_count),
        "state": dg.MetadataValue.text(record.state.value),
        "sequence": dg.MetadataValue.int(record.sequence),
        "money": money_metadata(record.totals_minor),
        **plotted_money(record.totals_minor, "disputed"),
        "verified_sha256": dg.MetadataValue.text(record.content_sha256 if is_verified else ""),
        "acknowledged": dg.MetadataValue.text(counts_of(answer) if answer else "not yet"),
        "attempts": dg.MetadataValue.int(record.attempt_count),
        "remote_path": dg.MetadataValue.text(record.remote_path or ""),
        "last_error": dg.MetadataValue.text(record.last_error or ""),
    }
