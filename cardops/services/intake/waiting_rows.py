"""Quarantined rows that are judged again: by themselves when a reference arrives, or released.

Belongs here: recording, finding and releasing them. Released rows become a new file under
`incoming/`, with their origin in its name, which is ingested like any other: a sealed batch never
changes.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import polars as pl

from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.registry import Kinds
from cardops.ports import ObjectStore
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.arrivals import released_key, released_prefix
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.intake.groups import FileGroup
from cardops.rules.intake.objects import ObjectExistsError
from cardops.services.intake.contents import content_sha256
from cardops.services.intake.known_rows import rows_in_lake
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.quarantine import quarantined_rows, source_format

# Ids looked up at once.
MAX_REFERENCES: Final = 10_000


class ReleasedNamesTakenError(ExplainedError):
    """Somebody put other files under every name that released rows may have."""

    def __init__(self, origin: IntakeFile) -> None:
        super().__init__(
            f"Rows of intake file {origin.intake_id} were not released, because other files are under "
            f"the names for them, which begin with {released_prefix(origin)}. Find out who put them "
            "there, remove them, and release the rows again."
        )


def record_waiting(
    workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds
) -> tuple[str, ...]:
    """Record which rows wait for which id, and release those whose reference arrived meanwhile."""
    waiting = workspace.scan("quarantined").select("row_number", "waits_for").collect()
    return record_references(waiting, intake_file, ports, kinds)


def record_references(
    quarantined: pl.DataFrame, intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds
) -> tuple[str, ...]:
    """The same of `row_number` and `waits_for` of quarantined rows."""
    waiting = quarantined.filter(pl.col("waits_for").is_not_null())
    waits = dict(waiting.select("row_number", "waits_for").iter_rows())
    ports.intake_ledger.wait_for(intake_file, waits)
    reference = kinds[intake_file.arrival.kind].reference
    if reference is None or waiting.is_empty():
        return ()
    program, ids = intake_file.arrival.program, waiting["waits_for"]
    arrived = rows_in_lake(kinds[reference.kind], program, ids, ports, kinds)
    found = arrived[reference.key].unique().sort().to_list()
    return _release(intake_file.arrival.kind, found, intake_file, ports) if found else ()


def release_waiting(
    workspace: Workspace,
    outcomes: pl.DataFrame,
    intake_file: IntakeFile,
    ports: IntakePorts,
    kinds: Kinds,
) -> tuple[str, ...]:
    """Release rows of other kinds that waited for rows of this file."""
    accepted = outcomes.lazy().filter(pl.col("outcome") == "accepted")
    rows = workspace.scan("valid").join(accepted, on="row_number", how="semi")
    return release_for_rows(rows, intake_file, ports, kinds)


def release_for_rows(
    rows: pl.LazyFrame, intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds
) -> tuple[str, ...]:
    """The same of accepted rows, as lake columns."""
    released: list[str] = []
    for kind, ids in _ids_waited_for(rows, intake_file.arrival.kind, kinds):
        released.extend(_release(kind, ids, intake_file, ports))
    return tuple(released)


def is_awaited(rows: pl.LazyFrame, group: FileGroup, ports: IntakePorts, kinds: Kinds) -> bool:
    """Whether rows of other kinds wait for one of these accepted rows."""
    return any(
        ports.intake_ledger.waiting(kind, group.program, ids)
        for kind, ids in _ids_waited_for(rows, group.kind, kinds)
    )


def _ids_waited_for(
    rows: pl.LazyFrame, referenced: Kind, kinds: Kinds
) -> Iterator[tuple[Kind, Sequence[str]]]:
    """Kinds that refer to these rows, and the ids for which rows of them may wait, in portions."""
    for profile in kinds.values():
        reference = profile.reference
        if reference is None or reference.kind != referenced:
            continue
        ids = rows.select(reference.key).unique().collect().to_series().sort().to_list()
        for portion in _portions(ids):
            yield profile.kind, portion


def release_rows(
    origin: IntakeFile,
    row_numbers: Sequence[int],
    *,
    raw_store: ObjectStore,
    failed_store: ObjectStore,
    announce: Callable[[str, str], None] = lambda _key, _content_sha256: None,
) -> str | None:
    """Make a file of these quarantined rows; its key, or None where none of them is there.

    The name follows from the content: releasing the same rows twice makes one file. `announce` is
    told key and content before the file is put. Raises ReleasedNamesTakenError.
    """
    quarantined = quarantined_rows(failed_store, origin)
    if quarantined is None:
        return None
    raws = quarantined.filter(pl.col("row_number").is_in(list(row_numbers)))["raw"].to_list()
    if not raws:
        return None
    source = source_format(failed_store, origin)
    if source.is_csv:
        lines, extension = [source.header_line, *raws], "csv"
    else:
        lines, extension = [" ".join(raw.split("\n")) for raw in raws], "ndjson"
    content = "\n".join([*lines, ""]).encode()
    digest = hashlib.sha256(content).hexdigest()
    for name in _names_of(digest):
        key = released_key(origin, name, extension)
        announce(key, digest)
        with suppress(ObjectExistsError):
            raw_store.create(key, content)
        # A sender can foresee the name, and put something else there.
        if content_sha256(raw_store, key) == digest:  # guard: released-name
            return key
    raise ReleasedNamesTakenError(origin)


def _names_of(digest: str) -> Iterator[str]:
    """Names of a released file, in the order in which they are tried."""
    return (digest[start : start + 12] for start in range(0, 60, 12))


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), MAX_REFERENCES):
        yield ids[start : start + MAX_REFERENCES]


def _release(
    kind: Kind, ids: Sequence[str], arrived: IntakeFile, ports: IntakePorts
) -> tuple[str, ...]:
    """Release rows of this kind that wait for one of the ids."""
    waiting = ports.intake_ledger.waiting(kind, arrived.arrival.program, ids)
    keys: dict[int, str] = {}
    for origin_id, row_numbers in waiting.items():
        key = release_rows(
            ports.intake_ledger.find(origin_id),
            sorted(row_numbers),
            raw_store=ports.raw_store,
            failed_store=ports.failed_store,
        )
        if key is not None:
            keys[origin_id] = key
    if keys:
        # Rows whose quarantine is missing go on waiting, so that an operator is told of them.
        ports.intake_ledger.released({file: waiting[file] for file in keys}, arrived.intake_id)
    return tuple(keys.values())
