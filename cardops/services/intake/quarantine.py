"""What is stored under FAILED: quarantined rows with their reasons, or why a file was refused.

Belongs here: where it is stored and how it is read again. The frame's columns are in
cardops.contracts.judging.quarantine.
"""

import csv
import io
import json
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from cardops.contracts.judging.quarantine import quarantine_frame, quarantine_table
from cardops.contracts.reading.rows import InputRows
from cardops.ports import ObjectStore
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.intake.files import Arrival, IntakeFile, RowReason
from cardops.rules.intake.objects import ObjectMissingError
from cardops.services.intake.ports import IntakePorts

_STORED: Final = ("rows.parquet", "rows.csv", "source.json", "error.json")
# So much of a quarantine is read for its first rows.
MAX_NAME_BYTES: Final = 200
PREVIEW_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """How quarantined records become a file again: their header line, empty for JSON."""

    header_line: str
    is_csv: bool


def folder_of(arrival: Arrival) -> str:
    """`<kind>/<name>-<first 12 of sha256>`: the same content has one folder."""
    name = arrival.key.rsplit("/", 1)[-1]
    # A folder's name has at most 255 bytes; longer ones would keep the file from ever being ingested.
    name = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return f"{arrival.kind}/{name}-{arrival.content_sha256[:12]}"


def quarantine_rows(
    failed: ObjectStore, intake_file: IntakeFile, rows: pl.LazyFrame, origin: InputRows
) -> str | None:
    """Replace the file's quarantine with these rows; its URI, or None where there are none."""
    folder = folder_of(intake_file.arrival)
    own = quarantine_frame(rows, intake_file.arrival.key)
    others = _rows_of_others(failed, intake_file)
    other_count = 0 if others is None else others.height
    stored = own if others is None else pl.concat([others.lazy(), own])
    with tempfile.TemporaryDirectory(prefix="cardops-quarantine-") as name:
        parquet, table = Path(name) / "rows.parquet", Path(name) / "rows.csv"
        stored.sink_parquet(parquet)
        count = pl.scan_parquet(parquet).select(pl.len()).collect().item()
        for stale in _STORED if count == 0 else ("error.json",):
            failed.delete(f"{folder}/{stale}")
        if count == 0:
            return None
        # Replaced and not deleted first: others' rows are nowhere else.
        quarantine_table(pl.scan_parquet(parquet)).sink_csv(table)
        source = {"format": origin.format, "header_line": mask_card_numbers(origin.header_line)}
        failed.replace(f"{folder}/source.json", json.dumps(source).encode())
        failed.replace(f"{folder}/rows.csv", table)
        failed.replace(f"{folder}/rows.parquet", parquet)
    return None if count == other_count else failed.uri(folder)


def quarantine_in_turn(
    ports: IntakePorts, intake_file: IntakeFile, rows: pl.LazyFrame, origin: InputRows
) -> str | None:
    """The same, one file after another: those with one name and content have one folder.

    Each keeps the others' rows, which it reads before it writes.
    """
    with ports.intake_ledger.alone_at(folder_of(intake_file.arrival)):  # guard: quarantine-folder
        return quarantine_rows(ports.failed_store, intake_file, rows, origin)


def clear_quarantine(failed: ObjectStore, intake_file: IntakeFile) -> None:
    """No row of a new file is quarantined: what is left of others with its name and content goes.

    Rows of such others, as of another program's, stay.
    """
    folder = folder_of(intake_file.arrival)
    stored = {stat.key for stat in failed.list_objects(f"{folder}/")}
    stale = ("error.json",) if f"{folder}/rows.parquet" in stored else _STORED
    for key in stored & {f"{folder}/{name}" for name in stale}:
        failed.delete(key)


def quarantine_refusal(failed: ObjectStore, arrival: Arrival, sentence: str) -> str:
    """Store why this file was refused whole; the folder's URI."""
    folder = folder_of(arrival)
    error = {
        "file": arrival.key,
        "kind": arrival.kind,
        "program": arrival.program,
        "content_sha256": arrival.content_sha256,
        "error": sentence,
    }
    failed.replace(f"{folder}/error.json", json.dumps(error, indent=2).encode())
    return failed.uri(folder)


def quarantined_rows(failed: ObjectStore, intake_file: IntakeFile) -> pl.DataFrame | None:
    """The file's quarantined rows, or None where it has none."""
    rows = _rows_in_folder(failed, intake_file)
    own = None if rows is None else rows.filter(source_file=intake_file.arrival.key)
    return None if own is None or own.is_empty() else own


def first_quarantined(
    failed: ObjectStore, intake_file: IntakeFile, count: int
) -> list[dict[str, object]]:
    """`row_number`, `reasons`, `raw` of the file's first quarantined rows, without reading them all."""
    try:
        with failed.open(f"{folder_of(intake_file.arrival)}/rows.csv") as stream:
            content = stream.read(PREVIEW_BYTES)
    except ObjectMissingError:
        return []
    # The record at the end of a longer file is cut.
    text = content.decode(errors="ignore")
    whole = text if len(content) < PREVIEW_BYTES else text[: text.rfind("\n")]
    records = csv.DictReader(io.StringIO(whole, newline=""))
    own = (row for row in records if row["source_file"] == intake_file.arrival.key)
    return [
        {"row_number": int(row["row_number"]), "reasons": row["reasons"], "raw": row["raw"]}
        for row in islice(own, count)
    ]


def quarantined_orphans(failed: ObjectStore, intake_file: IntakeFile) -> frozenset[int]:
    """Numbers of rows that waited for a reference when the file was first applied."""
    rows = quarantined_rows(failed, intake_file)
    if rows is None:
        return frozenset()
    is_orphan = pl.col("reasons").list.contains(str(RowReason.ORPHANED_REFERENCE))
    return frozenset(rows.filter(is_orphan)["row_number"])


def source_format(failed: ObjectStore, intake_file: IntakeFile) -> SourceFormat:
    """How its quarantined records become a file again. Raises ObjectMissingError."""
    stored = json.loads(failed.get(f"{folder_of(intake_file.arrival)}/source.json"))
    return SourceFormat(stored["header_line"], is_csv=stored["format"] == "csv")


def _rows_of_others(failed: ObjectStore, intake_file: IntakeFile) -> pl.DataFrame | None:
    """Rows of files with the same name and content elsewhere, such as another program's."""
    rows = _rows_in_folder(failed, intake_file)
    return None if rows is None else rows.filter(pl.col("source_file") != intake_file.arrival.key)


def _rows_in_folder(failed: ObjectStore, intake_file: IntakeFile) -> pl.DataFrame | None:
    try:
        content = failed.get(f"{folder_of(intake_file.arrival)}/rows.parquet")
    except ObjectMissingError:
        return None
    return pl.read_parquet(io.BytesIO(content))
