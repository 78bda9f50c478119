"""The chargeback files of a date's batches, and of earlier ones that are not delivered yet."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cardops.ports import Acknowledgements, DeliveryLedger
from cardops.rules.chargebacks.filing import SlotWait, WaitingDispute, slot_waits
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.acknowledgements import Standing, counts_of, standing
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.reports.amounts import each_priced

if TYPE_CHECKING:
    import pandas as pd

NO_FILE = "no file"
_TEXTS = (
    "batch_id",
    "network",
    "file_name",
    "totals",
    "state",
    "sha256",
    "verified",
    "acknowledged",
    "waiting",
)
_COUNTS = ("sequence", "row_count")


def batch_files_frame(
    batch_ids: Sequence[str],
    ledger: DeliveryLedger,
    acknowledgements: Acknowledgements,
    waiting: Iterable[WaitingDispute] = (),
) -> "pd.DataFrame":
    """One row for each batch and network; before them earlier ones, undelivered or with rows that wait."""
    waits = slot_waits(waiting)
    undelivered = ledger.all(
        [state.value for state in DeliveryState if state is not DeliveryState.DELIVERED]
    )
    early_batches = {wait.batch_id for wait in waits} - set(batch_ids)
    earlier = {
        (record.batch_id, record.network): record
        for record in undelivered
        if record.batch_id not in set(batch_ids)
    }
    files = dict(earlier)
    for batch_id in [*early_batches, *batch_ids]:
        files |= {(batch_id, record.network): record for record in ledger.files_of(batch_id)}
    slots = [
        *earlier,
        *dict.fromkeys(
            (wait.batch_id, wait.network) for wait in waits if wait.batch_id in early_batches
        ),
        *((batch_id, network) for batch_id in batch_ids for network in NETWORKS),
    ]
    answers = standing(acknowledgements.of_batches(sorted({batch_id for batch_id, _ in slots})))
    return _frame(
        [
            (_row(files[slot], answers) if slot in files else _no_file(*slot))
            | {"waiting": ", ".join(wait.text for wait in _waits_of(slot, waits)) or None}
            for slot in dict.fromkeys(slots)
        ]
    )


def _waits_of(slot: tuple[str, str], waits: Sequence[SlotWait]) -> list[SlotWait]:
    return [wait for wait in waits if (wait.batch_id, wait.network) == slot]


def _row(record: ChargebackFileRecord, answers: Standing) -> dict[str, Any]:
    answer = answers.get((record.batch_id, record.network))
    is_verified = record.state is DeliveryState.DELIVERED
    return {
        "batch_id": record.batch_id,
        "network": record.network,
        "file_name": record.file_name,
        "totals": each_priced(record.totals_minor),
        "state": record.state.value,
        # What was read back at the card company, where the file is delivered.
        "sha256": record.content_sha256[:12],
        "verified": "yes" if is_verified else "no",
        "acknowledged": counts_of(answer) if answer else "no",
        "sequence": record.sequence,
        "row_count": record.row_count,
    }


def _no_file(batch_id: str, network: str) -> dict[str, Any]:
    return {"batch_id": batch_id, "network": network, "state": NO_FILE}


def _frame(rows: Sequence[dict[str, Any]]) -> "pd.DataFrame":
    """The same types as the frames of the marts have."""
    import pandas as pd  # noqa: PLC0415 - half a second, and only a report needs it
    import pyarrow as pa  # noqa: PLC0415 - the same

    schema = pa.schema(
        [*((name, pa.string()) for name in _TEXTS), *((name, pa.int64()) for name in _COUNTS)]
    )
    return pa.Table.from_pylist(list(rows), schema=schema).to_pandas(types_mapper=pd.ArrowDtype)
