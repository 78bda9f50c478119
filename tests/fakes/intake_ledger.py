"""An IntakeLedger in memory."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import RLock

from typing_extensions import override

from cardops.ports import IntakeLedger
from cardops.ports.intake import MAX_LISTED_FILES
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.layouts import StoredLayout
from cardops.rules.intake.arrivals import released_from, released_prefix
from cardops.rules.intake.files import (
    Arrival,
    BatchMissingError,
    ChargebackBatch,
    DailyCounts,
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFile,
    IntakeFileMissingError,
    Kind,
)
from cardops.rules.mappings.mapping import STRICT, FileMapping
from tests.fakes.filed_batches import FakeFiledBatches, FakeWait
from tests.fakes.mappings import FakeFileMappings


class FakeIntakeLedger(FakeFiledBatches, IntakeLedger):
    """Keeps entries in a dict; waiting rows too."""

    def __init__(self) -> None:
        self.files: dict[int, IntakeFile] = {}
        self.attempts: dict[int, int] = defaultdict(int)
        self.batches: dict[str, ChargebackBatch] = {}
        self.waits_to_be_sent: list[FakeWait] = []
        self.policies: dict[tuple[str, str], str] = {}
        self.stored_layouts: list[StoredLayout] = []
        self.evidence_packages: list[EvidencePackage] = []
        self.waits: dict[tuple[int, int], tuple[Kind, str, str]] = {}
        self.mappings = FakeFileMappings()
        self.lake_files_written: set[int] = set()
        self.releases: dict[tuple[int, int], int] = {}
        self.by_hand: set[tuple[int, int]] = set()
        self._locks: dict[int, RLock] = defaultdict(RLock)
        self._places: dict[str, RLock] = defaultdict(RLock)

    @override
    def known_versions(self, bucket: str, keys: Sequence[str]) -> set[tuple[str, str]]:
        arrivals = [file.arrival for file in self.files.values()]
        return {(a.key, a.version) for a in arrivals if a.bucket == bucket and a.key in keys}

    @override
    def claim(self, arrival: Arrival, business_date: date) -> tuple[IntakeFile, bool]:
        known = self._same(arrival)
        if known is not None:
            return self.put(
                replace(known, arrival=replace(known.arrival, version=arrival.version))
            ), False
        return self.put(self._new(arrival, business_date, None)), True

    @override
    def claim_all(self, arrivals: Sequence[Arrival], business_date: date) -> Sequence[IntakeFile]:
        claims = [self.claim(arrival, business_date) for arrival in arrivals]
        return [file for file, is_new in claims if is_new]

    @override
    def refuse(self, arrival: Arrival, business_date: date, outcome: FileOutcome) -> IntakeFile:
        entry, _ = self.claim(arrival, business_date)
        if entry.status in {FileStatus.CLAIMED, FileStatus.REFUSED}:
            self.finish(entry.intake_id, outcome)
        return self.find(entry.intake_id)

    @override
    def refused_unread(self, kind: Kind, since: date) -> Sequence[IntakeFile]:
        return [
            file
            for file in self.files.values()
            if (file.arrival.kind, file.status) == (kind, FileStatus.REFUSED)
            and file.business_date >= since
            and file.outcome is not None
            and file.outcome.contract_version is None
        ]

    @override
    def claim_batch(
        self, arrivals: Sequence[Arrival], business_date: date, *, mode: str
    ) -> ChargebackBatch | None:
        new = list(
            {(a.bucket, a.key, a.content_sha256): a for a in arrivals if not self._same(a)}.values()
        )
        if not new:
            return None
        (program,) = {arrival.program for arrival in arrivals}
        batch = self.new_batch(program, business_date, mode)
        for arrival in new:
            self.put(self._new(arrival, business_date, batch.batch_id))
        return self.batch(batch.batch_id)

    @override
    def find(self, intake_id: int) -> IntakeFile:
        if intake_id not in self.files:
            raise IntakeFileMissingError(intake_id)
        return self.files[intake_id]

    @override
    def find_all(
        self,
        kind: Kind,
        *,
        intake_id: int | None = None,
        key: str | None = None,
        content_sha256: str | None = None,
        program: str | None = None,
    ) -> Sequence[IntakeFile]:
        return [
            file
            for file in self.files.values()
            if file.arrival.kind == kind
            and program in {None, file.arrival.program}
            and (
                file.intake_id == intake_id
                or file.arrival.key == key
                or file.arrival.content_sha256 == content_sha256
            )
        ]

    @override
    def needing_attention(
        self, program: str | None = None, *, with_released: bool = False
    ) -> Sequence[IntakeFile]:
        unusable = {FileStatus.REFUSED, FileStatus.DEAD}

        def waits(file: IntakeFile) -> bool:
            released = 0 if with_released else self.release_counts([file.intake_id])[file.intake_id]
            return file.outcome is not None and file.outcome.quarantined > released

        files = [
            file
            for file in reversed(self.files.values())
            if program in {None, file.arrival.program} and (file.status in unusable or waits(file))
        ]
        return files[:MAX_LISTED_FILES]

    @override
    def release_counts(self, intake_ids: Sequence[int]) -> Mapping[int, int]:
        rows = self.by_hand | set(self.releases)
        return {number: sum(file == number for file, _ in rows) for number in intake_ids}

    @override
    def released_by_hand(self, intake_id: int, row_numbers: Sequence[int]) -> None:
        self.by_hand |= {(intake_id, row) for row in row_numbers}

    @override
    def released_from(self, origin: IntakeFile) -> Sequence[IntakeFile]:
        prefix = released_prefix(origin)
        return [file for file in self.files.values() if file.arrival.key.startswith(prefix)]

    @override
    def recalled(self, kind: Kind, program: str, content_sha256: str) -> IntakeFile | None:
        files = self.find_all(kind, content_sha256=content_sha256, program=program)
        return next((file for file in files if file.status is FileStatus.RECALLED), None)

    @override
    def claimed_on(self, kind: Kind, business_date: date) -> Sequence[IntakeFile]:
        files = self.files.values()
        return [f for f in files if (f.arrival.kind, f.business_date) == (kind, business_date)]

    @override
    def first_business_date(self) -> date:
        today = datetime.now(UTC).date()
        return min((file.business_date for file in self.files.values()), default=today)

    @override
    def daily_counts(self, kind: Kind, first: date, last: date) -> Sequence[DailyCounts]:
        days = sorted({file.business_date for file in self.files.values()})
        counts = []
        for day in days:
            files = self.claimed_on(kind, day)
            outcomes = [file.outcome for file in files if file.outcome]
            if files and first <= day <= last:
                refused = sum(file.status is FileStatus.REFUSED for file in files)
                read = sum(outcome.read for outcome in outcomes)
                quarantined = sum(outcome.quarantined for outcome in outcomes)
                counts.append(DailyCounts(day, len(files), refused, read, quarantined))
        return counts

    @override
    def unfinished(self, kind: Kind | None = None) -> Sequence[IntakeFile]:
        open_states = {FileStatus.CLAIMED, FileStatus.APPLYING}
        files = [file for file in self.files.values() if file.status in open_states]
        return [file for file in files if kind in {None, file.arrival.kind}]

    @override
    def unfinished_before(self, intake_file: IntakeFile) -> Sequence[IntakeFile]:
        return [
            file
            for file in self.unfinished(intake_file.arrival.kind)
            if file.arrival.program == intake_file.arrival.program
            and file.intake_id < intake_file.intake_id
        ]

    @override
    def batch_mode(self, batch_id: str) -> str:
        if batch_id not in self.batches:
            raise BatchMissingError(batch_id)
        return self.batches[batch_id].mode

    @override
    def one_session(self) -> AbstractContextManager[None]:
        return nullcontext()

    @override
    @contextmanager
    def exclusively(self, intake_id: int) -> Iterator[IntakeFile]:
        with self._locks[intake_id]:
            yield self.find(intake_id)

    @override
    @contextmanager
    def alone_at(self, place: str) -> Iterator[None]:
        with self._places[place]:
            yield

    @override
    @contextmanager
    def together(self, intake_ids: Sequence[int]) -> Iterator[Sequence[IntakeFile]]:
        with ExitStack() as stack:
            for intake_id in intake_ids:
                stack.enter_context(self._locks[intake_id])
            yield [file for file in map(self.find, sorted(intake_ids)) if self._is_untouched(file)]

    def _is_untouched(self, file: IntakeFile) -> bool:
        arrival, intake_id = file.arrival, file.intake_id
        was_begun = self.attempts.get(intake_id, 0) or file.attempt_series
        is_recalled = self.recalled(arrival.kind, arrival.program, arrival.content_sha256)
        return file.status is FileStatus.CLAIMED and not was_begun and not is_recalled

    @override
    def begin_all(self, intake_ids: Sequence[int]) -> None:
        for intake_id in intake_ids:
            self.begin(intake_id)

    @override
    def withdraw(self, intake_ids: Sequence[int]) -> None:
        for file in map(self.find, intake_ids):
            if file.status is FileStatus.APPLYING:
                self.put(replace(file, status=FileStatus.CLAIMED, lake_file_id=None))
                self.forget_attempt(file.intake_id)

    @override
    def share_lake_file(self, intake_ids: Sequence[int]) -> int:
        for file in map(self.find, intake_ids):
            self.put(replace(file, lake_file_id=min(intake_ids)))
        return min(intake_ids)

    @override
    def finish_all(self, outcomes: Mapping[int, FileOutcome]) -> None:
        for intake_id in outcomes:
            self._require_not_recalled(intake_id)
        for intake_id, outcome in outcomes.items():
            self.finish(intake_id, outcome)

    @override
    @contextmanager
    def writing_lake_file(self, intake_id: int) -> Iterator[None]:
        assert intake_id not in self.lake_files_written
        self.lake_files_written.add(intake_id)
        try:
            yield
        finally:
            self.lake_files_written.remove(intake_id)

    @override
    def begin(self, intake_id: int) -> int:
        self._require_not_recalled(intake_id)
        self.move_to_later_batch(self.find(intake_id))
        self.mark(intake_id, FileStatus.APPLYING)
        self.attempts[intake_id] += 1
        return self.attempts[intake_id]

    @override
    def forget_attempt(self, intake_id: int) -> None:
        self.attempts[intake_id] -= 1

    @override
    def finish(self, intake_id: int, outcome: FileOutcome) -> None:
        status = FileStatus.REFUSED if outcome.error else FileStatus.APPLIED
        self._require_not_recalled(intake_id)
        file = _new_series(self.find(intake_id))
        self.put(replace(file, status=status, outcome=outcome))
        self.attempts[intake_id] = 0

    @override
    def mark(self, intake_id: int, status: FileStatus) -> None:
        self.put(replace(self.find(intake_id), status=status))

    @override
    def restart(self, intake_id: int) -> None:
        if self.find(intake_id).status is FileStatus.RECALLED:
            raise FileRecalledError(self.find(intake_id))
        file = self.find(intake_id)
        if file.status is FileStatus.REFUSED:
            self.put(replace(file, mapping_version=self._version_in_force(file.arrival)))
        self.reinstate(intake_id)

    @override
    def mapping_of(self, intake_file: IntakeFile) -> FileMapping | None:
        arrival, version = intake_file.arrival, intake_file.mapping_version
        if version is None:
            return None
        mapping = self.mappings.find(arrival.program, arrival.kind, version).mapping
        return None if mapping == STRICT else mapping

    def _version_in_force(self, arrival: Arrival) -> int | None:
        versions = self.mappings.versions(arrival.program, arrival.kind)
        return versions[-1].version if versions else None

    @override
    def reinstate(self, intake_id: int) -> None:
        self.put(replace(_new_series(self.find(intake_id)), status=FileStatus.CLAIMED))
        self.attempts[intake_id] = 0

    @override
    def wait_for(self, intake_file: IntakeFile, references: Mapping[int, str]) -> None:
        file, arrival = intake_file.intake_id, intake_file.arrival
        remaining = {
            key: wait for key, wait in self.waits.items() if key[0] != file or key in self.releases
        }
        added = {
            (file, row): (arrival.kind, arrival.program, ref) for row, ref in references.items()
        }
        self.waits = {**added, **remaining}

    @override
    def waiting(
        self, kind: Kind, program: str, reference_ids: Sequence[str]
    ) -> Mapping[int, Sequence[int]]:
        wanted = {(kind, program, reference_id) for reference_id in reference_ids}
        found: dict[int, list[int]] = defaultdict(list)
        for (file, row), wait in sorted(self.waits.items()):
            if wait in wanted and (file, row) not in self.releases:
                found[file].append(row)
        return dict(found)

    @override
    def released(self, rows: Mapping[int, Sequence[int]], released_to: int) -> None:
        for file, numbers in rows.items():
            self.releases.update(
                {(file, row): released_to for row in numbers if (file, row) in self.waits}
            )

    @override
    def released_rows(self, intake_id: int) -> frozenset[int]:
        return frozenset(row for file, row in self.releases if file == intake_id)

    def _require_not_recalled(self, intake_id: int) -> None:
        if self.find(intake_id).status is FileStatus.RECALLED:
            raise FileRecalledError(self.find(intake_id))

    def _same(self, arrival: Arrival) -> IntakeFile | None:
        identity = (arrival.bucket, arrival.key, arrival.content_sha256)
        for file in self.files.values():
            if (file.arrival.bucket, file.arrival.key, file.arrival.content_sha256) == identity:
                return file
        return None

    def _new(self, arrival: Arrival, business_date: date, batch_id: str | None) -> IntakeFile:
        number = len(self.files) + 1
        origin = self.files.get(released_from(arrival.key) or 0)
        is_own = origin and origin.arrival.program == arrival.program
        version = origin.mapping_version if origin and is_own else self._version_in_force(arrival)
        return IntakeFile(
            number, arrival, business_date, FileStatus.CLAIMED, batch_id, mapping_version=version
        )


def _new_series(file: IntakeFile) -> IntakeFile:
    return replace(file, attempt_series=file.attempt_series + 1)
