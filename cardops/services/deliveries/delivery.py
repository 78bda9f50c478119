"""Deliver one chargeback file to its card company.

Belongs here: carrying out the steps that cardops.rules.deliveries.recipe decides, recording the
state after each, and raising alarms. The asset and `cardops deliveries retry` both call this.
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
    UNDELIVERED,
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
_RANDOM: Final = SystemRandom()


@dataclass(frozen=True, slots=True)
class _Member:
    """The CSV or its control file: its key in the processed store, its remote path, its hash."""

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
        """Deliver one file and return its record; None where the batch has no such file.

        A file that is delivered, unconfirmed or failed is left as it is: the last two wait for
        an operator's word. Safe to kill at any moment and call again.
        """
        with self.ledger.exclusively(batch_id, network) as record:
            if record is None or record.state not in UNDELIVERED:
                return record
            return self._deliver_with_retries(record)

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
                self._store(replace(record, state=state, last_error=None))
        return self.deliver(batch_id, network)

    def alarm(self, record: ChargebackFileRecord, error: str) -> ChargebackFileRecord:
        """Store the error with the record, and raise an alarm."""
        self.notifier.notify(
            f"Chargeback file {record.file_name} is {record.state.value}", error, runbook=RUNBOOK
        )
        return self._store(replace(record, last_error=error))

    def _deliver_with_retries(self, record: ChargebackFileRecord) -> ChargebackFileRecord:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            record = replace(record, attempt_count=record.attempt_count + 1)
            record, is_final = self._attempt(record, is_last=attempt == MAX_ATTEMPTS)
            if is_final:
                break
            self.sleep(pause_seconds(attempt, _RANDOM.random()))
        return record

    def _attempt(
        self, record: ChargebackFileRecord, *, is_last: bool
    ) -> tuple[ChargebackFileRecord, bool]:
        """The record after one session, and whether no further attempt should follow."""
        session = _Session(record, self)
        try:
            session.run()
        except PermanentDeliveryError as error:
            state = state_after_refusal(session.record.state, session.remote_state)
            return self.alarm(replace(session.record, state=state), str(error)), True
        except TransientDeliveryError as error:
            if is_last:
                return self.alarm(session.record, str(error)), True
            return self._store(replace(session.record, last_error=str(error))), False
        return session.record, True

    def _store(self, record: ChargebackFileRecord) -> ChargebackFileRecord:
        self.ledger.record(record)
        return record


class _Session:
    """One connection to the card company. `remote_state` is None until the server was inspected."""

    def __init__(self, record: ChargebackFileRecord, service: DeliveryService) -> None:
        self.record = record
        self.remote_state: RemoteState | None = None
        self._service = service
        self._sizes: dict[str, int] = {}

    def run(self) -> None:
        """Take steps until the pair is delivered or a person must decide."""
        self._csv, self._control = _members(self.record, self._service.destinations)
        for member in (self._csv, self._control):
            self._sizes[member.key] = _checked_size(self._service.processed_store, member)
        with closing(self._service.destinations.connect(self.record.destination)) as remote:
            self._take_steps(remote, self._inspect(remote))

    def _take_steps(self, remote: FileDelivery, state: RemoteState) -> None:
        for _ in range(MAX_STEPS):
            self.remote_state = state
            step = next_step(state, is_intended=self.record.state is DeliveryState.SENDING)
            if self._is_finished(step):
                return
            state = self._take_step(step, remote, state)
        raise TransientDeliveryError(f"{self._csv.path} keeps changing after it was written.")

    def _inspect(self, remote: FileDelivery) -> RemoteState:
        return RemoteState(
            csv=self._compare(remote, self._csv, self._csv.path),
            csv_part=self._compare(remote, self._csv, self._csv.part),
            control=self._compare(remote, self._control, self._control.path),
            control_part=self._compare(remote, self._control, self._control.part),
        )

    def _compare(self, remote: FileDelivery, member: _Member, path: str) -> RemoteFile:
        """Compare the size first; only a file of the right size is read back and hashed."""
        found = remote.stat(path)
        if found is None:
            return RemoteFile.ABSENT
        if found.size_bytes != self._sizes[member.key]:
            return RemoteFile.DIFFERENT
        # None: the server forbids reading back, so the size has to do.
        is_same = remote.read_sha256(path) in {None, member.sha256}
        return RemoteFile.MATCHES if is_same else RemoteFile.DIFFERENT

    def _take_step(self, step: Step, remote: FileDelivery, state: RemoteState) -> RemoteState:
        match step:
            case Step.WRITE_CSV:
                return replace(state, csv_part=self._write(remote, self._csv))
            case Step.WRITE_CONTROL:
                return replace(state, control_part=self._write(remote, self._control))
            case Step.RECORD_INTENT:
                self._record(replace(self.record, state=DeliveryState.SENDING, last_error=None))
                return state
            case Step.RENAME_CSV:
                remote.rename(self._csv.part, self._csv.path)
                return state.after_rename(step)
            case Step.RENAME_CONTROL:
                remote.rename(self._control.part, self._control.path)
                return state.after_rename(step)
            case _:
                raise AssertionError(f"{step} ends a delivery and cannot be taken")

    def _write(self, remote: FileDelivery, member: _Member) -> RemoteFile:
        with self._service.processed_store.open(member.key) as content:
            remote.write(member.part, content)
        written = self._compare(remote, member, member.part)
        if written is not RemoteFile.MATCHES:
            raise TransientDeliveryError(
                f"{member.part} is incomplete after writing: the server's disk may be full."
            )
        return written

    def _is_finished(self, step: Step) -> bool:
        """Whether this step ends the delivery; if so, record the outcome. Raises if it was refused."""
        match step:
            case Step.DONE:
                self._record(
                    replace(
                        self.record,
                        state=DeliveryState.DELIVERED,
                        remote_path=self._csv.path,
                        last_error=None,
                    )
                )
                return True
            case Step.STOP_DIFFERENT:
                raise PermanentDeliveryError(
                    f"{self._csv.path} already exists at {self.record.destination} with other "
                    "content: nothing was sent. Ask the card company which file it has."
                )
            case Step.UNCONFIRMED:
                unconfirmed = replace(self.record, state=DeliveryState.DELIVERED_UNCONFIRMED)
                self.record = self._service.alarm(unconfirmed, _unconfirmed(self._csv))
                return True
            case _:
                return False

    def _record(self, record: ChargebackFileRecord) -> None:
        self._service.ledger.record(record)
        self.record = record


def processed_key(batch_id: str, file_name: str) -> str:
    """The key of a chargeback file in the processed store."""
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
    """The size of the stored file. Raises PermanentDeliveryError where its bytes have changed."""
    digest, size = hashlib.sha256(), 0
    with suppress(ObjectMissingError), store.open(member.key) as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    if digest.hexdigest() == member.sha256:
        return size
    raise PermanentDeliveryError(
        f"{store.uri(member.key)} is missing or is not the file that was made: its hash differs. "
        "Restore it, or make the batch's files again; nothing was sent."
    )


def _unconfirmed(csv: _Member) -> str:
    return (
        f"{csv.path} was about to get its final name when the delivery was interrupted, and it is "
        "not there now. The card company may have collected it. Its acknowledgement or a call to "
        "the card company settles it: `cardops deliveries retry --received` or `--send-again`."
    )
