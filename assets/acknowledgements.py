"""Acknowledgements: what the card companies answered, read from their outbound folders."""

from collections import Counter

import dagster as dg

from assets.delivery_board_chart import board_markdown
from cardops.ports import (
    Acknowledgements,
    Breakers,
    Clock,
    DeliveryLedger,
    Destinations,
    IntakeLedger,
    Lake,
    Notifier,
    ObjectStore,
)
from cardops.rules.deliveries.acknowledgements import RUNBOOK
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
from cardops.services.deliveries.acknowledged_lines import FileLines
from cardops.services.deliveries.acknowledgements import AcknowledgementService
from cardops.services.deliveries.board import DeliveryBoard
from cardops.services.deliveries.guarded_logins import GuardedDestinations


@dg.asset(
    deps=["chargeback_deliveries"],
    group_name="delivery",
    kinds={"sftp", "postgres"},
    metadata={"runbook": RUNBOOK},
)
def acknowledgements(  # noqa: PLR0913, PLR0917 - Dagster binds each by its type
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    raw_store: dg.ResourceParam[ObjectStore],
    processed_store: dg.ResourceParam[ObjectStore],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    acknowledgement_ledger: dg.ResourceParam[Acknowledgements],
    destinations: dg.ResourceParam[Destinations],
    breakers: dg.ResourceParam[Breakers],
    notifier: dg.ResourceParam[Notifier],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Each acknowledgement of a chargeback file read once; rejected rows go into a later batch."""
    builder = ChargebackFileBuilder(
        lake, processed_store, intake_ledger, delivery_ledger, destinations
    )
    service = AcknowledgementService(
        acknowledgement_ledger,
        delivery_ledger,
        GuardedDestinations(destinations, breakers, clock),
        FileLines(builder, intake_ledger, lake),
        raw_store,
        notifier,
        context.log.info,
    )
    results = service.poll_all()
    board = DeliveryBoard(delivery_ledger, acknowledgement_ledger, intake_ledger).rows(clock.now())
    read = [stored for result in results for stored in result.read]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(read),
            "outcomes": dg.MetadataValue.json(
                dict(Counter(stored.outcome.value for stored in read))
            ),
            "batches_and_networks": dg.MetadataValue.md(board_markdown(board)),
            "rejected_rows": sum(stored.rejected_count or 0 for stored in read),
            "missing": dg.MetadataValue.json(
                [name for result in results for name in result.missing]
            ),
            "not_read": dg.MetadataValue.json(
                {result.destination: result.error for result in results if result.error}
            ),
        }
    )
