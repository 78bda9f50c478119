"""A DeliveryLedger in memory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import RLock

from typing_extensions import override

from cardops.ports import DeliveryLedger
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    FileNotMadeError,
    FrozenFileError,
    GivenWord,
    OperatorWord,
)


class FakeDeliveryLedger(DeliveryLedger):
    """Keeps records in a dict, in the order in which they were made."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], ChargebackFileRecord] = {}
        self.sequences: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.words: dict[tuple[str, str], list[GivenWord]] = defaultdict(list)
        self._locks: dict[tuple[str, str], RLock] = defaultdict(RLock)

    @override
    def allot(self, batch_id: str, network: str, *, destination: str) -> tuple[int, int]:
        files = self.sequences[destination]
        if (batch_id, network) not in files:
            files.append((batch_id, network))
        sequence = files.index((batch_id, network)) + 1
        return sequence, sequence - 1

    @override
    def record_made(self, record: ChargebackFileRecord) -> None:
        known = self.records.setdefault((record.batch_id, record.network), _as_made(record))
        if _as_made(known) != _as_made(record):
            raise FrozenFileError(record.file_name)

    @override
    def files_of(self, batch_id: str) -> Sequence[ChargebackFileRecord]:
        return [record for key, record in sorted(self.records.items()) if key[0] == batch_id]

    @override
    def find(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        return self.records.get((batch_id, network))

    @override
    def record(self, record: ChargebackFileRecord) -> None:
        known = self.find(record.batch_id, record.network)
        if known is None:
            raise FileNotMadeError(record.batch_id, record.network)
        self.records[record.batch_id, record.network] = replace(
            known,
            state=record.state,
            remote_path=record.remote_path,
            attempt_count=record.attempt_count,
            last_error=record.last_error,
            encrypted_sha256=record.encrypted_sha256,
            encrypted_control_sha256=record.encrypted_control_sha256,
            encrypted_evidence_sha256=record.encrypted_evidence_sha256,
            encrypted_for=record.encrypted_for,
            counts_on=record.counts_on,
        )

    @override
    def miss_cut_off(self, record: ChargebackFileRecord, cut_off_on: date) -> None:
        key = record.batch_id, record.network
        self.records[key] = replace(self.records[key], missed_cut_off_on=cut_off_on)

    @override
    def all(
        self, states: Sequence[str] | None = None, newest: int | None = None
    ) -> Sequence[ChargebackFileRecord]:
        newest_first = reversed(self.records.values())
        found = [record for record in newest_first if states is None or record.state in states]
        return found[:newest]

    @override
    def record_word(
        self, batch_id: str, network: str, word: OperatorWord | None, said_by: str
    ) -> None:
        given = GivenWord(word.value if word else "retry", said_by, datetime.now(UTC))
        self.words[batch_id, network].append(given)

    @override
    def words_of(self, batch_id: str, network: str) -> Sequence[GivenWord]:
        return self.words[batch_id, network]

    @override
    @contextmanager
    def exclusively(self, batch_id: str, network: str) -> Iterator[ChargebackFileRecord | None]:
        with self._locks[batch_id, network]:
            yield self.find(batch_id, network)


def _as_made(record: ChargebackFileRecord) -> ChargebackFileRecord:
    return replace(
        record,
        state=DeliveryState.MADE,
        remote_path=None,
        attempt_count=0,
        last_error=None,
        encrypted_sha256=None,
        encrypted_control_sha256=None,
        encrypted_evidence_sha256=None,
        encrypted_for=None,
        counts_on=None,
    )
