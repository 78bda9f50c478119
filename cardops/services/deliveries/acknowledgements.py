"""Read acknowledgements from the card companies' outbound folders, and record what follows.

Belongs here: the order, which makes every step safe to repeat: archived, recorded, alarmed about, moved.
What is stored together is in the adapter; the alarms' sentences are in acknowledgement_alarms.
"""

import codecs
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
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
from cardops.rules.alarms.incidents import Severity
from cardops.rules.deliveries.acknowledgements import (
    RUNBOOK,
    Acknowledgement,
    AcknowledgementOutcome,
    ReceivedFile,
    StoredAcknowledgement,
    UnreadableAcknowledgementError,
    count_problem,
    is_acknowledgement_name,
    line_problem,
    named_by_content,
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
from cardops.services.deliveries.concurrent import all_at_once
from cardops.services.deliveries.settings import outbound_folders
from cardops.services.openpgp import OpenPgpRefusedError, is_openpgp
from cardops.services.openpgp_messages import decrypted

# A million rejected lines; a larger file is nobody's acknowledgement.
MAX_BYTES: Final = 256 * 1024 * 1024
# Others follow in the next poll, those that were never read first.
MAX_FILES_A_POLL: Final = 1000
# An incident's key before the name of the chargeback file.
MISSING: Final = "acknowledgement-missing:"
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
        """Poll every folder at once; destinations that share one are polled under one's name."""
        groups = [
            names
            for names in outbound_folders(self.ledger, self.destinations)
            if only is None or only in names
        ]
        return all_at_once(self._poll_reporting, groups, self.report)

    def _poll_reporting(self, names: list[str], report: Callable[[str], None]) -> PollResult:
        return replace(self, report=report)._poll(names)  # noqa: SLF001 - of the same class

    def _poll(self, names: list[str]) -> PollResult:
        result = PollResult(names[0])
        with self.acknowledgements.polling(names[0]):
            try:
                settings = self._read(names, result)
            except DeliveryError as error:
                self._fail(result, error)
            else:
                before = self.acknowledgements.polled(names[0], None)
                if before is not None:
                    self.notifier.resolve(
                        f"acknowledgement-folder:{names[0]}", "It can be read again."
                    )
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
            key = f"acknowledgement-folder:{result.destination}"
            self.notifier.notify(subject, result.error, runbook=RUNBOOK, incident=key)

    def _missing(self, names: Sequence[str], settings: Destination) -> list[str]:
        found = []
        for key in self.acknowledgements.missing(names, settings.acknowledge_within):
            record = self.ledger.find(*key)
            if record is not None:
                subject, message = missing_alarm(record, settings.acknowledge_within)
                self.notifier.notify(
                    subject, message, runbook=RUNBOOK, incident=f"{MISSING}{record.file_name}"
                )
                found.append(record.file_name)
            self.acknowledgements.missing_alarmed(key)
        return found

    def _alarm(self, destination: str) -> None:
        """Alarms of what was recorded, also of what was recorded by a process that ended since."""
        for stored in self.acknowledgements.unalarmed(destination):
            subject, message = alarm_of(stored)
            key = f"acknowledgement:{destination}/{stored.file.file_name}"
            is_only_late = stored.is_late and not stored.rejected_count
            severity = Severity.WARNING if is_only_late else Severity.ERROR
            self.notifier.notify(subject, message, runbook=RUNBOOK, incident=key, severity=severity)
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
            entry for entry in self.remote.entries(folder) if is_acknowledgement_name(entry.name)
        ]
        names = [entry.name for entry in entries]
        known = self.service.acknowledgements.read_before(self.names[0], names)
        entries.sort(key=lambda entry: entry.name in known)
        for entry in entries[:MAX_FILES_A_POLL]:
            before = known.get(entry.name)
            is_old = before is not None and before.file.revision == entry.revision
            if before is None or not is_old or not _is_final(before):
                stored = self._take(f"{folder.rstrip('/')}/{entry.name}", entry, before)
                if before is None or not is_old or stored != before:
                    self.service.report(f"{self.names[0]}: {entry.name} is {stored.outcome}")
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
        return self._judge(file, content, is_unchanged=is_unchanged)

    def _judge(
        self, file: ReceivedFile, content: bytes, *, is_unchanged: bool
    ) -> StoredAcknowledgement:
        add = self.service.acknowledgements.record_unmatched
        try:
            acknowledgement = read_acknowledgement(_plain(content, self.settings))
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
            self.service.notifier.resolve(f"{MISSING}{record.file_name}", f"{file.file_name} came.")
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
        name = stored.file.file_name
        moved = f"{target.rstrip('/')}/{named_by_content(name, stored.file.content_sha256)}"
        source = f"{folder.rstrip('/')}/{name}"
        if self.remote.stat(moved) is not None:
            self.remote.remove(source)
        else:
            self.remote.rename(source, moved)


def archive_key(file: ReceivedFile) -> str:
    """Where the raw store keeps an acknowledgement, by its content."""
    name = named_by_content(file.file_name, file.content_sha256)
    return f"acknowledgements/{file.destination}/{name}"


def _plain(content: bytes, settings: Destination) -> bytes:
    """Its JSON. Raises UnreadableAcknowledgementError where it is encrypted for somebody else."""
    if content.startswith(codecs.BOM_UTF8) or not is_openpgp(content):
        return content
    if settings.openpgp_key is None:
        raise UnreadableAcknowledgementError(
            f"it is no text but encrypted, and {settings.name} has no key of ours to read it with: "
            f"`cardops destinations add {settings.name} --replace --openpgp-key FILE`"
        )
    try:
        certificate = settings.openpgp_certificate
        return decrypted(
            settings.openpgp_key.encode(),
            content,
            max_bytes=MAX_BYTES,
            signer=certificate.encode() if certificate else None,
        )
    except OpenPgpRefusedError as error:
        raise UnreadableAcknowledgementError(str(error)) from None


def _is_final(stored: StoredAcknowledgement) -> bool:
    """Whether it would be the same if it were read again; a key to decrypt it may be there by then."""
    return stored.outcome is not Outcome.UNREADABLE


def _is_settled(stored: StoredAcknowledgement) -> bool:
    """Whether nothing more comes of it; an unreadable one may still be written."""
    return stored.outcome is not Outcome.UNREADABLE or stored.is_alarming
