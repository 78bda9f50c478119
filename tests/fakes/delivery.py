"""The delivery ledger in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from typing_extensions import override

from cardops.ports import DeliveryLedger
from cardops.rules.delivery import ChargebackFileRecord, FrozenFileError

_FROZEN = ("destination", "sequence", "file_name", "row_count", "content_sha256", "control_sha256")


class FakeDeliveryLedger(DeliveryLedger):
    """Sequences per destination, allotted once; records by (batch, network), newest last."""

    def __init__(self) -> None:
        self._sequences: dict[tuple[str, str], tuple[str, int]] = {}
        self._records: dict[tuple[str, str], ChargebackFileRecord] = {}
        self._locks: dict[tuple[str, str], Lock] = {}

    @override
    def allot(self, batch_id: str, network: str, *, destination: str) -> tuple[int, int]:
        taken = [number for whom, number in self._sequences.values() if whom == destination]
        new = (destination, max(taken, default=0) + 1)
        _, sequence = self._sequences.setdefault((batch_id, network), new)
        return sequence, sequence - 1

    @override
    def record_made(self, record: ChargebackFileRecord) -> None:
        made = self._records.setdefault((record.batch_id, record.network), record)
        if any(getattr(made, name) != getattr(record, name) for name in _FROZEN):
            raise FrozenFileError(record.file_name)

    @override
    def files_of(self, batch_id: str) -> Sequence[ChargebackFileRecord]:
        records = [record for record in self._records.values() if record.batch_id == batch_id]
        return sorted(records, key=lambda record: record.network)

    @override
    def find(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        return self._records.get((batch_id, network))

    @override
    def record(self, record: ChargebackFileRecord) -> None:
        made = self._records[record.batch_id, record.network]
        frozen = {name: getattr(made, name) for name in _FROZEN}
        self._records[record.batch_id, record.network] = replace(record, **frozen)

    @override
    def all(self, states: Sequence[str] | None = None) -> Sequence[ChargebackFileRecord]:
        newest = reversed(self._records.values())
        return [record for record in newest if states is None or record.state in states]

    @override
    @contextmanager
    def exclusively(self, batch_id: str, network: str) -> Iterator[ChargebackFileRecord | None]:
        with self._locks.setdefault((batch_id, network), Lock()):
            yield self.find(batch_id, network)
