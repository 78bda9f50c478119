"""Read acknowledgements from the card companies' outbound folders, and record what follows.

Belongs here: the order, which makes every step safe to repeat: archived, recorded, alarmed about, moved.
What is stored together is in the adapter; the alarms' sentences are in acknowledgement_alarms.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from cardops.contracts.acknowledgements import read_acknowledgement
from cardops.ports import (
    Acknowledgements,
    DeliveryLedger,
    Destinations,
    FileDelivery,
    Notifier,
    ObjectStore,
)
from cardops.rules.deliveries.acknowledgements import (
    RUNBOOK,
    SUFFIX,
    Acknowledgement,
    AcknowledgementOutcome,
    ReceivedFile,
    StoredAcknowledgement,
    UnreadableAcknowledgementError,
    count_problem,
    line_problem,
)
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryError,
    RemoteEntry,
    TransientDeliveryError,
)
from cardops.services.deliveries.acknowledged_lines import FileLines
from cardops.services.deliveries.acknowledgement_alarms import alarm_of, missing_alarm
from cardops.services.deliveries.settings import outbound_folders

# A million rejected lines; a larger file is nobody's acknowledgement.
MAX_BYTES: Final = 256 * 1024 * 1024
# Others follow in the next poll, those that were never read first.
MAX_FILES_A_POLL: Final = 1000
Outcome = AcknowledgementOutcome


@dataclass(slots=True)
class PollResult:
    """What one poll of a destination's folder found. `error`: why it could not be read."""

    destination: str
    read: list[StoredAcknowledgement] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AcknowledgementService:
    """Polls for acknowledgements; everything it needs is a port. Safe to kill and call again."""

    acknowledgements: Acknowledgements
    ledger: DeliveryLedger
    destinations: Destinations
    lines: FileLines
    raw_store: ObjectStore
    notifier: Notifier
    report: Callable[[str], None] = lambda _: None

    def poll_all(self, only: str | None = None) -> list[PollResult]:
        """Poll every folder; destinations that share one are polled together, under one's name."""
        groups = [
            names
            for names in outbound_folders(self.ledger, self.destinations)
            if only is None or only in names
        ]
        return [self._poll(names) for names in groups]

    def _poll(self, names: list[str]) -> PollResult:
        result = PollResult(names[0])
        with self.acknowledgements.polling(names[0]):
            try:
                settings = self._read(names, result)
            except DeliveryError as error:
                self._fail(result, error)
            else:
                self.acknowledgements.polled(names[0], None)
                result.missing = self._missing(names, settings)
            self._alarm(names[0])
        return result

    def _read(self, names: Sequence[str], result: PollResult) -> Destination:
        """What was read is in the result, also where the session fails later."""
        settings = self.destinations.settings(names[0])
        with closing(self.destinations.connect(names[0])) as remote:
            for stored in _Folder(self, names, settings, remote).read():
                result.read.append(stored)
        return settings

    def _fail(self, result: PollResult, error: DeliveryError) -> None:
        """A refusal is told once; a server that is down shows as missing acknowledgements."""
        result.error = error.explained(result.destination)
        self.report(result.error)
        before = self.acknowledgements.polled(result.destination, result.error)
        if not isinstance(error, TransientDeliveryError) and before != result.error:
            subject = f"Acknowledgements of {result.destination} cannot be read"
            self.notifier.notify(subject, result.error, runbook=RUNBOOK)

    def _missing(self, names: Sequence[str], settings: Destination) -> list[str]:
        found = []
        for key in self.acknowledgements.missing(names, settings.acknowledge_within):
            record = self.ledger.find(*key)
            if record is not None:
                subject, message = missing_alarm(record, settings.acknowledge_within)
                self.notifier.notify(subject, message, runbook=RUNBOOK)
                found.append(record.file_name)
            self.acknowledgements.missing_alarmed(key)
        return found

    def _alarm(self, destination: str) -> None:
        """Alarms of what was recorded, also of what was recorded by a process that ended since."""
        for stored in self.acknowledgements.unalarmed(destination):
            subject, message = alarm_of(stored)
            self.notifier.notify(subject, message, runbook=RUNBOOK)
            self.acknowledgements.alarmed(stored.file)


@dataclass(frozen=True, slots=True)
class _Folder:
    """One open outbound folder."""

    service: AcknowledgementService
    names: Sequence[str]
    settings: Destination
    remote: FileDelivery

    def read(self) -> Iterator[StoredAcknowledgement]:
        """Read what is new or changed; everything that is done with is moved where that is wanted."""
        folder = self.settings.outbound_folder or ""
        entries = [
            entry
            for entry in self.remote.entries(folder)
            if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
        ]
        names = [entry.name for entry in entries]
        known = self.service.acknowledgements.read_before(self.names[0], names)
        entries.sort(key=lambda entry: entry.name in known)
        for entry in entries[:MAX_FILES_A_POLL]:
            before = known.get(entry.name)
            if before is None or before.file.revision != entry.revision or not _is_settled(before):
                stored = self._take(f"{folder.rstrip('/')}/{entry.name}", entry, before)
                yield stored
            else:
                stored = before
            if _is_settled(stored):
                self._move(folder, stored)

    def _take(
        self, path: str, entry: RemoteEntry, before: StoredAcknowledgement | None
    ) -> StoredAcknowledgement:
        content = self.remote.read(path, MAX_BYTES)
        digest = hashlib.sha256(content).hexdigest()
        file = ReceivedFile(self.names[0], entry.name, digest, entry.revision)
        self.service.raw_store.replace(archive_key(file), content)
        # A file that is still being written is read again before anybody is told.
        is_unchanged = before is not None and before.file.content_sha256 == digest
        stored = self._judge(file, content, is_unchanged=is_unchanged)
        self.service.report(f"{file.destination}: {file.file_name} is {stored.outcome}")
        return stored

    def _judge(
        self, file: ReceivedFile, content: bytes, *, is_unchanged: bool
    ) -> StoredAcknowledgement:
        add = self.service.acknowledgements.record_unmatched
        try:
            acknowledgement = read_acknowledgement(content)
        except UnreadableAcknowledgementError as error:
            return add(file, Outcome.UNREADABLE, str(error), is_alarming=is_unchanged)
        record, problem = self._file_of(acknowledgement)
        if record is None:
            return add(file, Outcome.UNKNOWN, problem, acknowledgement=acknowledgement)
        key = (record.batch_id, record.network)
        # Nobody delivers it meanwhile: the delivery would record its own state afterwards.
        with self.service.ledger.exclusively(*key):
            rows = self.service.lines.find(
                record, acknowledgement.rejected, self.settings.rejected_rows
            )
            problem = (
                count_problem(acknowledgement, record.row_count)
                or line_problem(acknowledgement, {(row.network, row.line.key) for row in rows})
                or ""
            )
            if problem:
                return add(
                    file, Outcome.INCONSISTENT, problem, acknowledgement=acknowledgement, key=key
                )
            return self.service.acknowledgements.record(
                file, acknowledgement, key, rows, within=self.settings.acknowledge_within
            )

    def _file_of(self, said: Acknowledgement) -> tuple[ChargebackFileRecord | None, str]:
        """The chargeback file with its sequence and hash; else why there is none."""
        keys = self.service.acknowledgements.files_with(self.names, said.sequence)
        records = [self.service.ledger.find(*key) for key in keys]
        for record in records:
            if record and said.sha256 in {record.content_sha256, record.sent_hashes[0]}:
                return record, ""
        names = ", ".join(record.file_name for record in records if record)
        if not names:
            return None, f"no chargeback file for {self.names[0]} has the sequence {said.sequence}"
        return None, (
            f"the file with the sequence {said.sequence} is {names}, and its hash is another than "
            f"{said.sha256}: what arrived there is not what was sent"
        )

    def _move(self, folder: str, stored: StoredAcknowledgement) -> None:
        target = self.settings.acknowledged_folder
        if target is None:
            return
        # Named after its content, so that the same name may come again.
        name, digest = stored.file.file_name, stored.file.content_sha256[:12]
        moved = f"{target.rstrip('/')}/{name.removesuffix(SUFFIX)}-{digest}{SUFFIX}"
        source = f"{folder.rstrip('/')}/{name}"
        if self.remote.stat(moved) is not None:
            self.remote.remove(source)
        else:
            self.remote.rename(source, moved)


def archive_key(file: ReceivedFile) -> str:
    """Where the raw store keeps an acknowledgement, by its content."""
    name = file.file_name.removesuffix(SUFFIX)
    return f"acknowledgements/{file.destination}/{name}-{file.content_sha256[:12]}{SUFFIX}"


def _is_settled(stored: StoredAcknowledgement) -> bool:
    """Whether nothing more comes of it; an unreadable one may still be written."""
    return stored.outcome is not Outcome.UNREADABLE or stored.is_alarming
