"""The index of known rows, kept equal to the lake: built once from an old lake, then with each file.

Belongs here: when it is built and which of its rows a file is judged by. A file's rows are recorded
before its lake file is written, and count once that is done: a run that dies in between leaves rows
that nobody relies on, and its repeat replaces them.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import polars as pl

from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import Kinds
from cardops.ports import KnownRows, Lake
from cardops.rules.intake.files import ID_PATTERN, IntakeFile
from cardops.services.intake.ports import IntakePorts

ROWS_A_FRAME: Final = 100_000
_log = logging.getLogger(__name__)


def known_rows_of(
    profile: KindProfile, ports: IntakePorts, kinds: Kinds
) -> tuple[KnownRows, Layout]:
    """The index with every row of the kind that is in the lake, and its layout."""
    layout = Layout(profile, kinds)
    if not ports.known_rows.is_complete(profile.kind, layout.name):
        with ports.known_rows.building(profile.kind):
            if not ports.known_rows.is_complete(profile.kind, layout.name):
                build(layout, ports.lake, ports.known_rows)
    return ports.known_rows, layout


def build(layout: Layout, lake: Lake, known_rows: KnownRows) -> None:
    """Record every row of the kind's lake table, a business date at a time.

    Files that are recorded under this layout are skipped, so a build that died goes on.
    """
    kind = layout.profile.kind
    days = lake.business_dates(kind)
    for number, day in enumerate(days, start=1):
        table = lake.scan(kind, [day])
        if table is None:
            continue
        files = dict(table.select("intake_id", "program").unique().collect().iter_rows())
        done = known_rows.recorded(files, layout.name)
        missing = {file: program for file, program in sorted(files.items()) if file not in done}
        if missing:
            rows = table.filter(pl.col("intake_id").is_in(list(missing)))
            known_rows.record_from_lake(kind, missing, entries_of(rows, layout), layout.name)
            _log.info("Indexed the %s of %s (day %s of %s).", kind, day, number, len(days))
    known_rows.complete(kind, layout.name)


def record_from_lake(intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds) -> None:
    """Record what the lake has of a file that nobody will finish.

    One of which it has nothing loses its place: were it released, it is judged after those that went
    on, and accepts no row that they accepted.
    """
    arrival = intake_file.arrival
    layout = Layout(kinds[arrival.kind], kinds)
    table = ports.lake.scan(arrival.kind, [intake_file.business_date])
    own = None if table is None else table.filter(pl.col("intake_id") == intake_file.intake_id)
    if own is None or own.limit(1).collect().is_empty():
        ports.known_rows.forget(intake_file.intake_id)
        return
    programs = {intake_file.intake_id: arrival.program}
    ports.known_rows.record_from_lake(arrival.kind, programs, entries_of(own, layout), layout.name)


def referenced_by(
    profile: KindProfile, program: str, ports: IntakePorts, kinds: Kinds
) -> Callable[[pl.Series], pl.DataFrame | None] | None:
    """Finds the referenced rows that are in the lake by their ids, as lake columns."""
    reference = profile.reference
    if reference is None:
        return None

    def referenced(ids: pl.Series) -> pl.DataFrame | None:
        found = rows_in_lake(kinds[reference.kind], program, ids, ports, kinds)
        return None if found.is_empty() else found

    return referenced


def rows_in_lake(
    profile: KindProfile, program: str, ids: pl.Series, ports: IntakePorts, kinds: Kinds
) -> pl.DataFrame:
    """Known rows under these ids; text that is no id is left out."""
    known_rows, layout = known_rows_of(profile, ports, kinds)
    return layout.decoded(known_rows.find(profile.kind, program, valid_ids(ids)))


def valid_ids(ids: pl.Series) -> Sequence[str]:
    """Each id once, sorted: neighbours in the index are read together."""
    return ids.filter(ids.str.contains(f"^{ID_PATTERN}$")).unique().sort().to_list()


def entries_of(rows: pl.LazyFrame, layout: Layout) -> Iterator[pl.DataFrame]:
    """The entries of rows of the lake table, a bounded number at once."""
    for frame in rows.collect_batches(chunk_size=ROWS_A_FRAME, maintain_order=False):
        if not frame.is_empty():
            yield layout.entries(frame)
