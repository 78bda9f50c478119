"""Rows that wait for a reference, and the files they become when it arrives.

Belongs here: remembering, finding and releasing. A release is a new file under `incoming/`, with
its origin in its name, taken in like any other: a sealed batch never changes.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from cardops.contracts.judging.references import REFERENCES, referenced
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.intake.objects import ObjectExistsError
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.quarantine import kept_rows, shape_of
from cardops.services.intake.workspace import Workspace

# Ids asked for at once.
MAX_REFERENCES: Final = 10_000


def remember_waiting(
    workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts
) -> tuple[str, ...]:
    """Note which kept rows wait for what, and release those whose reference came meanwhile."""
    kept = workspace.scan("kept").filter(pl.col("waits_for").is_not_null())
    waiting = kept.select("row_number", "waits_for").collect()
    ports.intake_ledger.wait_for(intake_file, dict(waiting.iter_rows()))
    reference = REFERENCES.get(intake_file.arrival.kind)
    if reference is None or waiting.is_empty():
        return ()
    table = ports.lake.scan(reference.table)
    program = intake_file.arrival.program
    arrived = referenced(table, reference, program, waiting["waits_for"])[reference.key]
    return _release(intake_file.arrival.kind, list(arrived), intake_file, ports)


def release_waiting(workspace: Workspace, outcome: pl.DataFrame, intake_file: IntakeFile, ports: IntakePorts) -> tuple[str, ...]:  # fmt: skip
    """Release the rows of other kinds that waited for what this file brought."""
    released: list[str] = []
    for kind, reference in REFERENCES.items():
        if reference.table != intake_file.arrival.kind:
            continue
        accepted = outcome.lazy().filter(pl.col("outcome") == "accepted")
        ids = (
            workspace.scan("valid")
            .join(accepted, on="row_number", how="semi")
            .select(reference.key)
        )
        for some in _in_portions(ids.unique().collect().to_series().sort().to_list()):
            released.extend(_release(kind, some, intake_file, ports))
    return tuple(released)


def _in_portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), MAX_REFERENCES):
        yield ids[start : start + MAX_REFERENCES]


def _release(
    kind: Kind, ids: Sequence[str], brought_by: IntakeFile, ports: IntakePorts
) -> tuple[str, ...]:
    waiting = ports.intake_ledger.waiting(kind, brought_by.arrival.program, ids)
    keys = [_release_file(origin, sorted(rows), ports) for origin, rows in waiting.items()]
    if waiting:
        ports.intake_ledger.released(_as_lists(waiting), brought_by.intake_id)
    return tuple(key for key in keys if key)


def release_rows(origin: IntakeFile, row_numbers: Sequence[int], ports: IntakePorts) -> str | None:
    """A file of these quarantined rows by a person's word; its key, or None where there are none."""
    return _release_file(origin.intake_id, row_numbers, ports)


def _release_file(origin_id: int, row_numbers: Sequence[int], ports: IntakePorts) -> str | None:
    """A file of these rows, named by what is in it: doing it twice makes one file."""
    origin = ports.intake_ledger.find(origin_id)
    kept = kept_rows(ports.failed_store, origin)
    if kept is None:
        return None
    raws = kept.filter(pl.col("row_number").is_in(list(row_numbers)))["raw"].to_list()
    shape = shape_of(ports.failed_store, origin)
    lines = [shape.header_line, *raws] if shape.is_csv else [" ".join(r.split("\n")) for r in raws]
    content = "\n".join([*lines, ""]).encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    arrival = origin.arrival
    extension = "csv" if shape.is_csv else "ndjson"
    key = (
        f"incoming/{arrival.kind}/{arrival.program}/released/{origin_id:012d}-{digest}.{extension}"
    )
    try:
        ports.raw_store.create(key, content)
    except ObjectExistsError:
        return key
    return key


def _as_lists(waiting: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
    return {intake_id: list(rows) for intake_id, rows in waiting.items()}
