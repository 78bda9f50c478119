"""One session with a card company: the steps of cardops.rules.deliveries.recipe, carried out.

Belongs here: carrying out the steps, recording the state after each, saying how far it is. Does not
belong here: whether there is another session after this one.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import BinaryIO, Final

from cardops.ports import Clock, DeliveryLedger, Destinations, FileDelivery, ObjectStore
from cardops.rules.deliveries.cut_offs import counts_on
from cardops.rules.deliveries.recipe import (
    MAX_STEPS,
    RemoteFile,
    RemoteState,
    Step,
    next_step,
)
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from cardops.rules.deliveries.troubles import Trouble
from cardops.services.deliveries.calendars import is_holiday_of
from cardops.services.deliveries.members import Member, members_of, prepared

Report = Callable[[str], None]
# Of a file that takes minutes, a line in the log at each tenth.
_TENTH: Final = 10
_WORTH_PROGRESS_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionPorts:
    """What a session needs from outside."""

    processed_store: ObjectStore
    ledger: DeliveryLedger
    destinations: Destinations
    clock: Clock
    report: Report


class DeliverySession:
    """One connection to the card company. `remote_state` is None until the server was inspected."""

    def __init__(self, record: ChargebackFileRecord, ports: SessionPorts) -> None:
        self.record = record
        self.remote_state: RemoteState | None = None
        self._ports = ports

    def run(self) -> None:
        """Take steps until the files are delivered or a person must decide."""
        self._destination = self._ports.destinations.settings(self.record.destination)
        self._prepare()
        members = members_of(self.record, self._destination, self._ports.processed_store)
        self._csv, self._control, self._evidence = members.csv, members.control, members.evidence
        server = f"{self._destination.host}:{self._destination.port}"
        self._report(f"connecting to {server} for {self._csv.size_bytes:,} bytes")
        with closing(self._ports.destinations.connect(self.record.destination)) as remote:
            self._take_steps(remote, self._inspect(remote))

    def _prepare(self) -> None:
        """The hashes of encrypted bytes are on record before the first of them is sent."""
        record = prepared(
            self.record, self._destination, self._ports.processed_store, self._ports.clock.now()
        )
        if record != self.record:
            self._report(f"encrypted for {record.encrypted_for}" if record.encrypted_for else "")
            self._record(record)

    def _take_steps(self, remote: FileDelivery, state: RemoteState) -> None:
        for _ in range(MAX_STEPS):
            self.remote_state = state
            step = next_step(state, is_intended=self.record.state is DeliveryState.SENDING)
            if self._is_finished(step):
                return
            state = self._take_step(step, remote, state)
        raise TransientDeliveryError(
            f"{self._csv.path} keeps changing after it was written.", Trouble.INTERRUPTED
        )

    def _inspect(self, remote: FileDelivery) -> RemoteState:
        return RemoteState(
            csv=_compare(remote, self._csv, self._csv.path),
            csv_part=_compare(remote, self._csv, self._csv.part),
            control=_compare(remote, self._control, self._control.path),
            control_part=_compare(remote, self._control, self._control.part),
            **self._inspect_evidence(remote),
        )

    def _inspect_evidence(self, remote: FileDelivery) -> dict[str, RemoteFile]:
        evidence = self._evidence
        if evidence is None:
            return {}
        return {
            "evidence": _compare(remote, evidence, evidence.path),
            "evidence_part": _compare(remote, evidence, evidence.part),
        }

    def _take_step(self, step: Step, remote: FileDelivery, state: RemoteState) -> RemoteState:
        match step:
            case Step.WRITE_CSV:
                return replace(state, csv_part=self._write(remote, self._csv))
            case Step.WRITE_EVIDENCE if self._evidence is not None:
                return replace(state, evidence_part=self._write(remote, self._evidence))
            case Step.WRITE_CONTROL:
                return replace(state, control_part=self._write(remote, self._control))
            case Step.RECORD_INTENT:
                self._record(replace(self.record, state=DeliveryState.SENDING, last_error=None))
                return state
            case Step.RENAME_CSV | Step.RENAME_CONTROL | Step.RENAME_EVIDENCE:
                member = self._renamed(step)
                remote.rename(member.part, member.path)
                return state.after_rename(step)
            case _:
                raise AssertionError(f"{step} ends a delivery and cannot be taken")

    def _renamed(self, step: Step) -> Member:
        if step is Step.RENAME_EVIDENCE and self._evidence is not None:
            return self._evidence
        return self._csv if step is Step.RENAME_CSV else self._control

    def _write(self, remote: FileDelivery, member: Member) -> RemoteFile:
        with self._ports.processed_store.open(member.key) as content:
            remote.write(member.part, _Watched(content, member, self._report))
        written = _compare(remote, member, member.part)
        if written is not RemoteFile.MATCHES:
            raise TransientDeliveryError(
                f"{self.record.destination}: {member.part} is incomplete after writing: the "
                "server's disk may be full.",
                Trouble.DISK_FULL,
            )
        self._report(f"written and verified {member.part}")
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
                        counts_on=self._counts_on(),
                    )
                )
                self._report(f"delivered as {self._csv.path}")
                return True
            case Step.STOP_DIFFERENT:
                raise PermanentDeliveryError(
                    f"{self._csv.path} or a file beside it already exists at "
                    f"{self.record.destination} with other content: nothing was sent.",
                    Trouble.FILE_EXISTS,
                )
            case Step.UNCONFIRMED:
                # Recorded by the caller, after its alarm: nobody looks at it again by itself.
                unconfirmed = DeliveryState.DELIVERED_UNCONFIRMED
                self.record = replace(
                    self.record, state=unconfirmed, last_error=_unconfirmed(self._csv)
                )
                return True
            case _:
                return False

    def _counts_on(self) -> date | None:
        destination = self._destination
        return counts_on(self._ports.clock.now(), destination, is_holiday_of(destination))

    def _record(self, record: ChargebackFileRecord) -> None:
        self._ports.ledger.record(record)
        self.record = record

    def _report(self, what: str) -> None:
        if what:
            self._ports.report(f"{self.record.destination}: {self.record.file_name}: {what}")


class _Watched:
    """A file that is being sent; each tenth of a large one is reported."""

    def __init__(self, content: BinaryIO, member: Member, report: Report) -> None:
        self._content = content
        self._member = member
        self._report = report
        self._sent_bytes = 0
        self._tenths = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        block = self._content.read(size)
        self._sent_bytes += len(block)
        total = self._member.size_bytes
        tenths = self._sent_bytes * _TENTH // total if total >= _WORTH_PROGRESS_BYTES else 0
        if tenths > self._tenths:
            self._tenths = tenths
            self._report(f"{self._sent_bytes:,} of {total:,} bytes sent")
        return block


def _compare(remote: FileDelivery, member: Member, path: str) -> RemoteFile:
    """Compare the size first; only a file of the right size is read back and hashed."""
    found = remote.stat(path)
    if found is None:
        return RemoteFile.ABSENT
    if found.size_bytes != member.size_bytes:
        return RemoteFile.DIFFERENT
    # None: the server forbids reading back, so the size has to do.
    is_same = remote.read_sha256(path) in {None, member.sha256}
    return RemoteFile.MATCHES if is_same else RemoteFile.DIFFERENT


def _unconfirmed(csv: Member) -> str:
    return (
        f"{csv.path} was about to get its final name when the delivery was interrupted, and it is "
        "not there now. The card company may have collected it. Its acknowledgement or a call to "
        "the card company settles it: `cardops deliveries retry --received` or `--send-again`."
    )
