"""Quarantined rows that are judged again: by themselves when a reference arrives, or released.

Belongs here: recording, finding and releasing them. Released rows become a new file under
`incoming/`, with their origin in its name, which is ingested like any other: a sealed batch never
changes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import polars as pl

from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.registry import Kinds
from cardops.ports import ObjectStore
from cardops.rules.intake.arrivals import released_key
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.intake.objects import ObjectExistsError
from cardops.services.intake.known_rows import rows_in_lake
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.quarantine import quarantined_rows, source_format

# Ids looked up at once.
MAX_REFERENCES: Final = 10_000


def record_waiting(
    workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds
) -> tuple[str, ...]:
    """Record which rows wait for which id, and release those whose reference arrived meanwhile."""
    waiting = (
        workspace.scan("quarantined")
        .filter(pl.col("waits_for").is_not_null())
        .select("row_number", "waits_for")
        .collect()
    )
    ports.intake_ledger.wait_for(intake_file, dict(waiting.iter_rows()))
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
    released: list[str] = []
    for profile in kinds.values():
        reference = profile.reference
        if reference is None or reference.kind != intake_file.arrival.kind:
            continue
        rows = workspace.scan("valid").join(accepted, on="row_number", how="semi")
        ids = rows.select(reference.key).unique().collect().to_series().sort().to_list()
        for portion in _portions(ids):
            released.extend(_release(profile.kind, portion, intake_file, ports))
    return tuple(released)


def release_rows(
    origin: IntakeFile,
    row_numbers: Sequence[int],
    *,
    raw_store: ObjectStore,
    failed_store: ObjectStore,
) -> str | None:
    """Make a file of these quarantined rows; its key, or None where none of them is there.

    The name follows from the content: releasing the same rows twice makes one file.
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
    digest = hashlib.sha256(content).hexdigest()[:12]
    key = released_key(origin, digest, extension)
    with suppress(ObjectExistsError):
        raw_store.create(key, content)
    return key


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), MAX_REFERENCES):
        yield ids[start : start + MAX_REFERENCES]


def _release(
    kind: Kind, ids: Sequence[str], arrived: IntakeFile, ports: IntakePorts
) -> tuple[str, ...]:
    """Release rows of this kind that wait for one of the ids."""
    waiting = ports.intake_ledger.waiting(kind, arrived.arrival.program, ids)
    keys = [
        release_rows(
            ports.intake_ledger.find(origin_id),
            sorted(row_numbers),
            raw_store=ports.raw_store,
            failed_store=ports.failed_store,
        )
        for origin_id, row_numbers in waiting.items()
    ]
    if waiting:
        ports.intake_ledger.released(waiting, arrived.intake_id)
    return tuple(key for key in keys if key)
