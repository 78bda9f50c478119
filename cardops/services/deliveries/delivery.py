"""One chargeback file's delivery from first look to last word, over ports alone.

Belongs here: carrying out what cardops.rules.deliveries.recipe decides, recording it, and telling
operators. The asset and `cardops deliveries retry` both call `deliver`. No Dagster here.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Final

from cardops.ports import DeliveryLedger, Destinations, FileDelivery, Notifier, ObjectStore
from cardops.rules.deliveries.recipe import (
    MAX_ATTEMPTS,
    MAX_STEPS,
    PART_SUFFIX,
    RemoteFile,
    RemoteState,
    Step,
    next_step,
    pause_seconds,
    state_after_refusal,
)
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    OperatorWord,
    PermanentDeliveryError,
    TransientDeliveryError,
    state_for_retry,
)
from cardops.rules.intake.objects import ObjectMissingError

RUNBOOK: Final = "docs/runbooks/chargeback-delivery.md"
_BLOCK_BYTES: Final = 1 << 20
_TO_DELIVER: Final = frozenset({DeliveryState.MADE, DeliveryState.SENDING})
_CHANCE: Final = SystemRandom()


@dataclass(frozen=True, slots=True)
class _Member:
    """One of the pair: where it is kept, where it goes, and what it must be."""

    key: str
    path: str
    sha256: str

    @property
    def part(self) -> str:
        return self.path + PART_SUFFIX


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Delivers chargeback files; everything it needs is a port."""

    processed_store: ObjectStore
    ledger: DeliveryLedger
    destinations: Destinations
    notifier: Notifier
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        """Bring one file to its card company, or say why not; None where there is no such file.

        A file that is delivered, unconfirmed or failed is left as it is: the last two wait for
        an operator's word. Safe to kill at any moment and call again.
        """
        with self.ledger.exclusively(batch_id, network) as record:
            if record is None or record.state not in _TO_DELIVER:
                return record
            return self._insist(record)

    def retry(
        self, batch_id: str, network: str, word: OperatorWord | None
    ) -> ChargebackFileRecord | None:
        """Deliver once more on an operator's word; None where there is no such file.

        Raises OperatorWordNeededError where only a person can say what became of it.
        """
        with self.ledger.exclusively(batch_id, network) as record:
            if record is None:
                return None
            state = state_for_retry(record.state, word)
            if state is not record.state:
                self._kept(replace(record, state=state, last_error=None))
        return self.deliver(batch_id, network)

    def _insist(self, record: ChargebackFileRecord) -> ChargebackFileRecord:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            record = replace(record, attempt_count=record.attempt_count + 1)
            record, is_over = self._attempt(record, is_last=attempt == MAX_ATTEMPTS)
            if is_over:
                break
            self.sleep(pause_seconds(attempt, _CHANCE.random()))
        return record

    def _attempt(
        self, record: ChargebackFileRecord, *, is_last: bool
    ) -> tuple[ChargebackFileRecord, bool]:
        """The record after one session, and whether another try would be pointless."""
        session = _Session(record, self)
        try:
            session.run()
        except PermanentDeliveryError as error:
            state = state_after_refusal(session.record.state, session.seen)
            return self.alarm(replace(session.record, state=state), str(error)), True
        except TransientDeliveryError as error:
            if is_last:
                return self.alarm(session.record, str(error)), True
            return self._kept(replace(session.record, last_error=str(error))), False
        return session.record, True

    def alarm(self, record: ChargebackFileRecord, error: str) -> ChargebackFileRecord:
        """Record what went wrong, and raise the alarm."""
        self.notifier.notify(
            f"Chargeback file {record.file_name} is {record.state.value}", error, runbook=RUNBOOK
        )
        return self._kept(replace(record, last_error=error))

    def _kept(self, record: ChargebackFileRecord) -> ChargebackFileRecord:
        self.ledger.record(record)
        return record


class _Session:
    """One connection's worth of steps. `seen` is None until the server was looked at."""

    def __init__(self, record: ChargebackFileRecord, delivery_service: DeliveryService) -> None:
        self.record = record
        self.seen: RemoteState | None = None
        self._service = delivery_service
        self._sizes: dict[str, int] = {}

    def run(self) -> None:
        """Take steps until the pair is delivered or a person must decide."""
        self._csv, self._control = _members(self.record, self._service.destinations)
        for member in (self._csv, self._control):
            self._sizes[member.key] = _checked_size(self._service.processed_store, member)
        with closing(self._service.destinations.connect(self.record.destination)) as remote:
            self._walk(remote, self._look(remote))

    def _walk(self, remote: FileDelivery, seen: RemoteState) -> None:
        for _ in range(MAX_STEPS):
            self.seen = seen
            step = next_step(seen, is_intended=self.record.state is DeliveryState.SENDING)
            if self._end(step):
                return
            seen = self._take(step, remote, seen)
        raise TransientDeliveryError(f"{self._csv.path} did not stay as it was written.")

    def _look(self, remote: FileDelivery) -> RemoteState:
        return RemoteState(
            csv=self._held(remote, self._csv, self._csv.path),
            csv_part=self._held(remote, self._csv, self._csv.part),
            control=self._held(remote, self._control, self._control.path),
            control_part=self._held(remote, self._control, self._control.part),
        )

    def _held(self, remote: FileDelivery, member: _Member, path: str) -> RemoteFile:
        """Size first; the hash is read back only of what has the right size."""
        found = remote.stat(path)
        if found is None:
            return RemoteFile.ABSENT
        if found.size_bytes != self._sizes[member.key]:
            return RemoteFile.DIFFERENT
        return (
            RemoteFile.MATCHES
            if remote.read_sha256(path) in {None, member.sha256}
            else RemoteFile.DIFFERENT
        )

    def _take(self, step: Step, remote: FileDelivery, seen: RemoteState) -> RemoteState:
        match step:
            case Step.WRITE_CSV:
                return replace(seen, csv_part=self._write(remote, self._csv))
            case Step.WRITE_CONTROL:
                return replace(seen, control_part=self._write(remote, self._control))
            case Step.RECORD_INTENT:
                self._record(replace(self.record, state=DeliveryState.SENDING, last_error=None))
                return seen
            case Step.RENAME_CSV:
                return self._rename(remote, self._csv, step, seen)
            case Step.RENAME_CONTROL:
                return self._rename(remote, self._control, step, seen)
            case _:
                raise AssertionError(f"{step} is an end, not a step")

    def _write(self, remote: FileDelivery, member: _Member) -> RemoteFile:
        with self._service.processed_store.open(member.key) as content:
            remote.write(member.part, content)
        held = self._held(remote, member, member.part)
        if held is not RemoteFile.MATCHES:
            raise TransientDeliveryError(
                f"{member.part} is not whole after writing: the server's disk may be full."
            )
        return held

    def _rename(
        self, remote: FileDelivery, member: _Member, step: Step, seen: RemoteState
    ) -> RemoteState:
        remote.rename(member.part, member.path)
        return seen.after_rename(step)

    def _end(self, step: Step) -> bool:
        """Whether this was the end; records and tells it."""
        if step is Step.DONE:
            self._record(
                replace(
                    self.record,
                    state=DeliveryState.DELIVERED,
                    remote_path=self._csv.path,
                    last_error=None,
                )
            )
            return True
        if step is Step.STOP_DIFFERENT:
            raise PermanentDeliveryError(
                f"{self._csv.path} is at {self.record.destination} already, with other content: "
                "nothing was sent. Ask the card company what it holds."
            )
        if step is Step.UNCONFIRMED:
            unconfirmed = replace(self.record, state=DeliveryState.DELIVERED_UNCONFIRMED)
            self.record = self._service.alarm(unconfirmed, _unconfirmed(self._csv))
            return True
        return False

    def _record(self, record: ChargebackFileRecord) -> None:
        self._service.ledger.record(record)
        self.record = record


def processed_key(batch_id: str, file_name: str) -> str:
    """Where a chargeback file lies in the processed store."""
    return f"chargebacks/{batch_id}/{file_name}"


def _members(record: ChargebackFileRecord, destinations: Destinations) -> tuple[_Member, _Member]:
    folder = destinations.folder(record.destination).rstrip("/")
    names = (record.file_name, f"{record.file_name}.ctl")
    hashes = (record.content_sha256, record.control_sha256)
    csv, control = (
        _Member(processed_key(record.batch_id, name), f"{folder}/{name}" if folder else name, sha)
        for name, sha in zip(names, hashes, strict=True)
    )
    return csv, control


def _checked_size(store: ObjectStore, member: _Member) -> int:
    """The size of the file as it was frozen: what leaves the house is that and nothing else."""
    digest, size = hashlib.sha256(), 0
    with suppress(ObjectMissingError), store.open(member.key) as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    if digest.hexdigest() == member.sha256:
        return size
    raise PermanentDeliveryError(
        f"{store.uri(member.key)} is not the file that was made: it is gone or its hash is another one. "
        "Restore it, or make the batch's files again; nothing was sent."
    )


def _unconfirmed(csv: _Member) -> str:
    return (
        f"{csv.path} was about to get its final name when the delivery broke off, and it is not "
        "there now. It may have been collected. Its acknowledgement or a call to the card company "
        "settles it: `cardops deliveries retry --received` or `--send-again`."
    )
