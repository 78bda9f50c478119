"""A line that asked for something and was rejected asks for it again in the file that it goes into next."""

import csv
import io

import pytest

from cardops.adapters.postgresql.chargebacks.dispute_evidence import PostgresDisputeEvidence
from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from cardops.rules.chargebacks.evidence_packages import PackageRequest
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.filing import RowKey
from tests.factories.acknowledged_files import (
    OUTBOX,
    AcknowledgementDesk,
    an_acknowledgement,
    outbox_of,
)
from tests.fakes.destinations import FakeDestinations

pytestmark = pytest.mark.database


@pytest.mark.parametrize("times", [1, 2])
def test_rejected_line_asks_again_for_what_it_asked_for(database_url: str, times: int) -> None:
    destinations = FakeDestinations()
    outbox = outbox_of(destinations)
    desk = AcknowledgementDesk(database_url, destinations)
    first = desk.deliver("c1", "c2")
    step = DuckDbDisputes(desk.world.lake).steps("c1")[-1]
    row = RowKey(step.intake_id, step.row_number)
    request = PackageRequest(
        step.opening, row, first.batch_id, Action.ACCEPT, "", (), "ann", "never sent"
    )
    ((package, _),) = PostgresDisputeEvidence(database_url).send([request], lambda *_: None)
    batch_id = package.batch_id
    for number in range(times):
        outbox[f"{OUTBOX}/{number}.ack.json"] = an_acknowledgement(desk.make(batch_id), ["c1"])
        desk.poll()
        if number == 0:
            (stored,) = desk.acknowledgements.of_batches([batch_id])
            batch_id = stored.reopened_to or ""
        else:
            batch_id = released(desk, row)
    again = desk.make(batch_id)

    lines = csv.DictReader(
        io.StringIO(desk.store.contents[f"chargebacks/{batch_id}/{again.file_name}"].decode())
    )
    assert [(line["case_number"], line["action"]) for line in lines] == [("c1", "accept")]


def released(desk: AcknowledgementDesk, row: RowKey) -> str:
    batch = desk.world.intake_ledger.release_disputes("default", [row], by="ann", why="again")
    assert batch is not None
    return batch.batch_id
