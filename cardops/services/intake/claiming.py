"""Files claimed in the intake ledger, or refused there: what makes an arrival count once.

Belongs here: from an object to an entry of the ledger. Sensors, `cardops submit` and the demo all
claim through this. Which run follows is decided elsewhere.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import Clock, IntakeLedger, Notifier, ObjectStore, Programs
from cardops.rules.intake.arrivals import (
    Place,
    place_of,
    prefix_of,
    released_from,
    submitted_key,
)
from cardops.rules.intake.control_files import control_key, control_keys
from cardops.rules.intake.files import (
    Arrival,
    ChargebackBatch,
    FileOutcome,
    IntakeFile,
    IntakeFileMissingError,
    Kind,
)
from cardops.rules.intake.objects import ObjectMissingError, ObjectStat, ObjectStoreError
from cardops.services.intake.contents import content_sha256
from cardops.services.intake.quarantine import quarantine_refusal

RUNBOOK: Final = "docs/runbooks/quarantine.md"
# So many files of one claim are read at a time: a bucket answers each after some milliseconds.
READERS: Final = 8
MANY_FILES: Final = 4
_log = logging.getLogger(__name__)
# An incident's key before the file's own.
REFUSED_FILE: Final = "refused-file:"


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims what arrived; a file of an unregistered program is refused.

    `notifier`: told of refused files that nobody waits for; a run's own failure is told elsewhere.
    """

    raw_store: ObjectStore
    failed_store: ObjectStore
    intake_ledger: IntakeLedger
    programs: Programs
    clock: Clock
    kinds: Kinds = field(default_factory=lambda: KINDS)
    notifier: Notifier | None = None

    def put(
        self,
        kind: Kind,
        program: str,
        paths: Sequence[Path],
        announce: Callable[[Sequence[str]], None] = lambda _keys: None,
    ) -> list[ObjectStat]:
        """Put files under incoming/ under new names, never over another.

        A control file beside a file goes first. `announce` is told the keys before anything is put.
        """
        mark = f"{self.clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        formats = self.kinds[kind].contract.formats
        keys = [submitted_key(kind, program, path.name, mark, formats) for path in paths]
        announce(keys)
        for key, path in zip(keys, paths, strict=True):
            beside = [Path(name) for name in control_keys(str(path))]
            control = next((found for found in beside if found.is_file()), None)
            if control is not None:
                self.raw_store.create(control_key(key), control)
            self.raw_store.create(key, path)
        return [self.listed(key) for key in keys]

    def listed(self, key: str) -> ObjectStat:
        """The object under this key. Raises ObjectMissingError."""
        for stat in self.raw_store.list_objects(key):
            if stat.key == key:
                return stat
        raise ObjectMissingError(self.raw_store.uri(key))

    def claim_released(self, kind: Kind, program: str) -> list[IntakeFile]:
        """Claim new files of released rows at once, as the arrival sensor does later."""
        stats = self.raw_store.list_objects(f"{prefix_of(kind)}{program}/released/")
        known = self.intake_ledger.known_versions(self.raw_store.url, [stat.key for stat in stats])
        new = [stat for stat in stats if (stat.key, stat.version) not in known]
        return self.claim(kind, new) if new else []

    def claim(
        self, kind: Kind, stats: Sequence[ObjectStat], unread: list[ObjectStat] | None = None
    ) -> list[IntakeFile]:
        """Files that are new, refused ones left out; in batches where the kind has them.

        With `unread`, an object that cannot be read is added to it and holds up no other; without, it
        raises ObjectStoreError.
        """
        with self.intake_ledger.one_session():
            if self.kinds[kind].has_batches:
                batches = self.claim_batches(kind, stats, unread)
                return [intake_file for batch in batches for intake_file in batch.files]
            arrivals = list(self._acceptable(kind, stats, unread))
            return list(self.intake_ledger.claim_all(arrivals, self.clock.now().date()))

    def enter(self, kind: Kind, stat: ObjectStat, *, mode: str | None = None) -> IntakeFile:
        """The entry of one file, new or known, claimed or refused. Raises ObjectMissingError."""
        acceptable = list(self._acceptable(kind, [stat]))
        place = self._place(stat.key, kind, self._registered())
        # Its content is read once, unless it is refused.
        arrival = acceptable[0] if acceptable else self._arrival(place, stat)
        if arrival is None:
            raise ObjectMissingError(self.raw_store.uri(stat.key))
        if acceptable and self.kinds[kind].has_batches:
            self._claim_batch(acceptable, mode=mode or self._mode_of_origin(acceptable[0]))
        entry, _ = self.intake_ledger.claim(arrival, self.clock.now().date())
        return entry

    def claim_batches(
        self, kind: Kind, stats: Sequence[ObjectStat], unread: list[ObjectStat] | None = None
    ) -> list[ChargebackBatch]:
        """One batch of all new files of a program; released files keep the mode of their origin."""
        groups: dict[tuple[str, str], list[Arrival]] = {}
        for arrival in self._acceptable(kind, stats, unread):
            mode = self._mode_of_origin(arrival) or ""
            groups.setdefault((arrival.program, mode), []).append(arrival)
        batches = [
            self._claim_batch(arrivals, mode=mode or None)
            for (_, mode), arrivals in sorted(groups.items())
        ]
        return [batch for batch in batches if batch is not None]

    def _claim_batch(
        self, arrivals: Sequence[Arrival], *, mode: str | None
    ) -> ChargebackBatch | None:
        """Files of one program as one batch, in the given mode, else the program's."""
        program = self.programs.find(arrivals[0].program)
        batch_mode = mode or (program.chargeback_mode if program else "by_network")
        today = self.clock.now().date()
        batch = self.intake_ledger.claim_batch(arrivals, today, mode=batch_mode)
        claimed = {intake_file.arrival.key for intake_file in batch.files} if batch else set()
        for known in arrivals:
            if known.key not in claimed:
                # Records its new version, so that the next poll does not read it again.
                self.intake_ledger.claim(known, today)
        return batch

    def _arrival(self, place: Place, stat: ObjectStat) -> Arrival | None:
        """The file as the ledger knows files, its content hashed; None where it was removed."""
        try:
            digest = content_sha256(self.raw_store, stat.key)
        except ObjectMissingError:
            return None
        return Arrival(
            kind=place.kind,
            program=place.program,
            bucket=self.raw_store.url,
            key=stat.key,
            version=stat.version,
            content_sha256=digest,
            size_bytes=stat.size_bytes,
        )

    def _mode_of_origin(self, arrival: Arrival) -> str | None:
        """The mode of the batch from which a released file's rows came; else None."""
        origin_id = released_from(arrival.key)
        if origin_id is None:
            return None
        try:
            batch_id = self.intake_ledger.find(origin_id).batch_id
        except IntakeFileMissingError:
            return None  # a file that somebody gave such a name
        return None if batch_id is None else self.intake_ledger.batch_mode(batch_id)

    def _acceptable(
        self, kind: Kind, stats: Sequence[ObjectStat], unread: list[ObjectStat] | None = None
    ) -> Iterator[Arrival]:
        """Arrivals of registered programs; the others are refused, each with its sentence."""
        registered = self._registered()
        places = [self._place(stat.key, kind, registered) for stat in stats]
        for place, stat, arrival in zip(places, stats, self._read(places, stats), strict=True):
            if isinstance(arrival, ObjectStoreError):
                if unread is None:
                    raise arrival
                _log.warning("%s is not claimed yet: %s", stat.key, arrival)
                unread.append(stat)
            elif arrival and place.error:
                self._refuse(arrival, place.error)
            elif arrival:
                yield arrival

    def _read(
        self, places: Sequence[Place], stats: Sequence[ObjectStat]
    ) -> Iterator[Arrival | ObjectStoreError | None]:
        """Each file as the ledger knows it, or why it cannot be read; several are read at a time."""

        def read(place: Place, stat: ObjectStat) -> Arrival | ObjectStoreError | None:
            try:
                return self._arrival(place, stat)
            except ObjectStoreError as error:
                return error

        if len(stats) < MANY_FILES:
            yield from map(read, places, stats)
            return
        with ThreadPoolExecutor(READERS, thread_name_prefix="claim") as readers:
            yield from readers.map(read, places, stats)

    def _place(self, key: str, kind: Kind, registered: set[str]) -> Place:
        return place_of(key, kind, registered, self.kinds[kind].contract.formats)

    def _registered(self) -> set[str]:
        return {program.program for program in self.programs.all()}

    def _refuse(self, arrival: Arrival, sentence: str) -> None:
        path = quarantine_refusal(self.failed_store, arrival, sentence)
        outcome = FileOutcome(quarantine_path=path, error=sentence)
        self.intake_ledger.refuse(arrival, self.clock.now().date(), outcome)
        if self.notifier is not None:
            key = arrival.key
            self.notifier.notify(
                f"{key} was refused",
                f"{key}: {sentence}",
                runbook=RUNBOOK,
                incident=f"{REFUSED_FILE}{key}",
            )
