"""An index of known rows in memory."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock

import polars as pl
from typing_extensions import override

from cardops.contracts.judging.known_rows import ENTRY
from cardops.ports import EarlierRows, JudgingTurn, KnownRows
from cardops.ports.known_rows import BEFORE_TURNS
from cardops.rules.intake.files import IntakeFile, Kind


@dataclass
class JudgedFile:
    kind: str
    program: str
    order: int
    layout: str
    rows: pl.DataFrame
    is_in_lake: bool


@dataclass
class FakeKnownRows(KnownRows):
    """`files` by intake id."""

    files: dict[int, JudgedFile] = field(default_factory=dict)
    builds: dict[Kind, str] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)

    @override
    @contextmanager
    def turn(self, intake_file: IntakeFile, *others: IntakeFile) -> Iterator[JudgingTurn]:
        with self.lock:
            yield _Turn(self, intake_file, others)

    @override
    def mark_in_lake(self, *intake_ids: int) -> None:
        for intake_id in intake_ids:
            self.files[intake_id].is_in_lake = True

    @override
    def judged(self, intake_ids: Collection[int]) -> set[int]:
        return self.files.keys() & set(intake_ids)

    @override
    def forget(self, *intake_ids: int) -> None:
        for intake_id in intake_ids:
            self.files.pop(intake_id, None)

    @override
    def find(self, kind: Kind, program: str, lookup_ids: Sequence[str]) -> pl.DataFrame:
        found = [
            file.rows.filter(pl.col("lookup_id").is_in(list(lookup_ids)))
            for file in self.files.values()
            if (file.kind, file.program, file.is_in_lake) == (kind, program, True)
        ]
        return pl.concat([pl.DataFrame(schema=ENTRY), *found]).drop("kind", "program")

    @override
    def row_counts(self, intake_ids: Collection[int]) -> Mapping[int, int]:
        counts = {file: self.files[file].rows.height for file in self.judged(intake_ids)}
        return {file: count for file, count in counts.items() if count}

    @override
    def kinds(self) -> Sequence[Kind]:
        return sorted(self.builds)

    @override
    def is_complete(self, kind: Kind, layout: str) -> bool:
        return self.builds.get(kind) == layout

    @override
    @contextmanager
    def building(self, kind: Kind) -> Iterator[None]:
        with self.lock:
            yield

    @override
    def recorded(self, intake_ids: Collection[int], layout: str) -> set[int]:
        return {file for file in self.judged(intake_ids) if self.files[file].layout == layout}

    @override
    def record_from_lake(
        self, kind: Kind, programs: Mapping[int, str], rows: Iterable[pl.DataFrame], layout: str
    ) -> None:
        entries = pl.concat([pl.DataFrame(schema=ENTRY), *rows])
        for intake_id, program in programs.items():
            known = self.files.get(intake_id)
            order = known.order if known else BEFORE_TURNS + intake_id
            own = entries.filter(intake_id=intake_id)
            self.files[intake_id] = JudgedFile(kind, program, order, layout, own, is_in_lake=True)

    @override
    def complete(self, kind: Kind, layout: str) -> None:
        self.builds[kind] = layout


@dataclass(frozen=True)
class _Turn(JudgingTurn):
    index: FakeKnownRows
    intake_file: IntakeFile
    others: Sequence[IntakeFile] = ()

    @override
    def earlier(self, lookup_ids: Sequence[str]) -> EarlierRows:
        before = self._before()
        waits = [
            intake_id
            for intake_id, file in sorted(before.items(), key=lambda item: item[1].order)
            if not file.is_in_lake and not _under(file, lookup_ids).is_empty()
        ]
        found, own = _placed(before.values(), lookup_ids), self.intake_file.intake_id
        if own not in self.index.files:
            return EarlierRows(found, tuple(waits))
        known = self.index.files[own]
        scope = self._scope().values()
        later = [file for file in scope if file.order > known.order and file.is_in_lake]
        own_rows = _placed([known], lookup_ids)
        return EarlierRows(found, tuple(waits), _placed(later, lookup_ids), own_rows)

    @override
    def record(self, rows: Iterable[pl.DataFrame], layout: str) -> None:
        arrival = self.intake_file.arrival
        entries = pl.concat([pl.DataFrame(schema=ENTRY), *rows])
        for file in (self.intake_file, *self.others):
            known = self.index.files.get(file.intake_id)
            last = max((0, *(judged.order for judged in self._scope().values())))
            self.index.files[file.intake_id] = JudgedFile(
                arrival.kind,
                arrival.program,
                known.order if known else last + 1,
                layout,
                entries.filter(intake_id=file.intake_id),
                is_in_lake=False,
            )

    def _before(self) -> dict[int, JudgedFile]:
        own = self.intake_file.intake_id
        known = self.index.files.get(own)
        return {
            intake_id: file
            for intake_id, file in self._scope().items()
            if intake_id != own and (known is None or file.order < known.order)
        }

    def _scope(self) -> dict[int, JudgedFile]:
        arrival = self.intake_file.arrival
        scope = (arrival.kind, arrival.program)
        return {
            intake_id: file
            for intake_id, file in self.index.files.items()
            if (file.kind, file.program) == scope
        }


def _under(file: JudgedFile, lookup_ids: Sequence[str]) -> pl.DataFrame:
    return file.rows.filter(pl.col("lookup_id").is_in(list(lookup_ids)))


def _placed(files: Iterable[JudgedFile], lookup_ids: Sequence[str]) -> pl.DataFrame:
    rows = [
        _under(file, lookup_ids).with_columns(pl.lit(file.order, pl.Int64).alias("intake_id"))
        for file in files
    ]
    return pl.concat([pl.DataFrame(schema=ENTRY), *rows]).drop("kind", "program")
