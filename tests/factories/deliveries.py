"""A chargeback file that is made and recorded, ready to be delivered."""

import hashlib
from datetime import date

from cardops.ports import DeliveryLedger, ObjectStore
from cardops.rules.chargebacks.files import FileIdentity, control_json
from cardops.rules.deliveries.records import ChargebackFileRecord, evidence_name
from cardops.services.deliveries.members import processed_key
from tests.factories.chargebacks import a_chargeback
from tests.oracles.chargeback_files import render


def a_made_file(
    ledger: DeliveryLedger,
    store: ObjectStore,
    batch_id: str,
    *,
    row_count: int = 3,
    network: str = "visa",
    evidence: bytes | None = None,
) -> ChargebackFileRecord:
    """A network's file of the batch, in the store and in the ledger."""
    body = render([a_chargeback(f"{batch_id}-{number}") for number in range(row_count)])
    sequence, previous = ledger.allot(batch_id, network, destination=network)
    identity = FileIdentity(batch_id, "default", date(2026, 11, 20), network, sequence, previous)
    control = control_json(
        identity,
        row_count=body.row_count,
        totals_minor=body.totals_minor,
        sha256=body.sha256,
        neutralised_count=0,
    )
    store.replace(processed_key(batch_id, identity.name), body.content)
    store.replace(processed_key(batch_id, identity.control_name), control)
    record = ChargebackFileRecord(
        batch_id=batch_id,
        network=network,
        program="default",
        destination=network,
        sequence=sequence,
        file_name=identity.name,
        row_count=body.row_count,
        totals_minor=body.totals_minor,
        content_sha256=body.sha256,
        control_sha256=hashlib.sha256(control).hexdigest(),
        evidence_sha256=None if evidence is None else hashlib.sha256(evidence).hexdigest(),
    )
    if evidence is not None:
        store.replace(processed_key(batch_id, evidence_name(identity.name)), evidence)
    ledger.record_made(record)
    return record
