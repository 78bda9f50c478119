"""Claiming files in the intake ledger, or refusing them: what makes an arrival count once.

Belongs here: from an object to an entry of the ledger. The sensors and `cardops submit` do it
alike. Which run follows is elsewhere; Dagster is not known here.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cardops.ports import Clock, IntakeLedger, ObjectStore, Programs
from cardops.rules.intake.arrivals import Place, place_of, released_from
from cardops.rules.intake.files import (
    Arrival,
    ChargebackBatch,
    FileOutcome,
    IntakeFile,
    IntakeFileMissingError,
    Kind,
)
from cardops.rules.intake.objects import ObjectMissingError, ObjectStat
from cardops.services.intake.quarantine import keep_refusal

BLOCK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claims:
    """Enters what arrived into the ledger; a file of no registered program is refused there."""

    raw_store: ObjectStore
    failed_store: ObjectStore
    intake_ledger: IntakeLedger
    programs: Programs
    clock: Clock

    def claim(self, kind: Kind, stats: Sequence[ObjectStat]) -> list[IntakeFile]:
        """Entries that were not there before, in the order given, refused ones left out."""
        today = self.clock.now().date()
        claimed = [
            self.intake_ledger.claim(arrival, today) for arrival in self._welcome(kind, stats)
        ]
        return [intake_file for intake_file, is_new in claimed if is_new]

    def enter(self, kind: Kind, stat: ObjectStat, *, mode: str | None = None) -> IntakeFile:
        """The entry of one file, new or known, claimed or refused. Raises ObjectMissingError."""
        arrival = self.arrival(place_of(stat.key, kind, self._registered()), stat)
        if arrival is None:
            raise ObjectMissingError(self.raw_store.uri(stat.key))
        welcome = list(self._welcome(kind, [stat]))
        if welcome and kind is Kind.CHARGEBACKS:
            self.claim_batch(welcome, mode=mode or self._mode_of_origin(welcome[0]))
        entry, _ = self.intake_ledger.claim(arrival, self.clock.now().date())
        return entry

    def claim_batches(self, stats: Sequence[ObjectStat]) -> list[ChargebackBatch]:
        """One new batch a program of all its files that are new; released ones keep their mode."""
        alike: dict[tuple[str, str], list[Arrival]] = {}
        for arrival in self._welcome(Kind.CHARGEBACKS, stats):
            mode = self._mode_of_origin(arrival) or ""
            alike.setdefault((arrival.program, mode), []).append(arrival)
        batches = [
            self.claim_batch(arrivals, mode=mode or None)
            for (_, mode), arrivals in sorted(alike.items())
        ]
        return [batch for batch in batches if batch is not None]

    def claim_batch(
        self, arrivals: Sequence[Arrival], *, mode: str | None = None
    ) -> ChargebackBatch | None:
        """Files of one program as one batch, in the program's mode unless another is asked for."""
        program = self.programs.find(arrivals[0].program)
        chosen = mode or (program.chargeback_mode if program else "by_network")
        today = self.clock.now().date()
        batch = self.intake_ledger.claim_batch(arrivals, today, mode=chosen)
        taken = {intake_file.arrival.key for intake_file in batch.files} if batch else set()
        for known in arrivals:
            if known.key not in taken:
                # Its new version is remembered, so that it is not read again at every look.
                self.intake_ledger.claim(known, today)
        return batch

    def arrival(self, place: Place, stat: ObjectStat) -> Arrival | None:
        """The file as the ledger knows files, its content read once; None where it is gone."""
        try:
            content_sha256 = self._sha256(stat.key)
        except ObjectMissingError:
            return None
        return Arrival(
            kind=place.kind,
            program=place.program,
            bucket=self.raw_store.url,
            key=stat.key,
            version=stat.version,
            content_sha256=content_sha256,
            size_bytes=stat.size_bytes,
        )

    def _mode_of_origin(self, arrival: Arrival) -> str | None:
        """The mode sealed in the batch that a released file's rows came from; else None."""
        origin_id = released_from(arrival.key)
        if origin_id is None:
            return None
        try:
            batch_id = self.intake_ledger.find(origin_id).batch_id
        except IntakeFileMissingError:
            return None  # somebody's own file by such a name
        return None if batch_id is None else self.intake_ledger.batch(batch_id).mode

    def _welcome(self, kind: Kind, stats: Sequence[ObjectStat]) -> Iterator[Arrival]:
        """Arrivals of registered programs; the others are refused, each with its sentence."""
        registered = self._registered()
        for stat in stats:
            place = place_of(stat.key, kind, registered)
            arrival = self.arrival(place, stat)
            if arrival and place.error:
                self._refuse(arrival, place.error)
            elif arrival:
                yield arrival

    def _registered(self) -> set[str]:
        return {program.program for program in self.programs.all()}

    def _refuse(self, arrival: Arrival, sentence: str) -> None:
        intake_file, _ = self.intake_ledger.claim(arrival, self.clock.now().date())
        path = keep_refusal(self.failed_store, intake_file, sentence)
        outcome = FileOutcome(quarantine_path=path, error=sentence)
        self.intake_ledger.finish(intake_file.intake_id, outcome)

    def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with self.raw_store.open(key) as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()
