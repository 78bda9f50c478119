"""What is kept aside under FAILED: rows with their reasons, or the sentence that refused a file.

Belongs here: where it is put and how it is read again. What it looks like is in
cardops.contracts.judging.quarantine.
"""

import io
import json
from dataclasses import dataclass

import polars as pl

from cardops.contracts.judging.quarantine import as_csv, kept_aside
from cardops.contracts.reading.rows import InputRows
from cardops.ports import ObjectStore
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.intake.files import IntakeFile, RowReason
from cardops.rules.intake.objects import ObjectMissingError


@dataclass(frozen=True, slots=True)
class Shape:
    """How the kept records become a file again: their header line, none for JSON."""

    header_line: str
    is_csv: bool


def folder_of(intake_file: IntakeFile) -> str:
    """`<kind>/<name>-<first 12 of sha256>`: the same content has one place."""
    arrival = intake_file.arrival
    name = arrival.key.rsplit("/", 1)[-1]
    return f"{arrival.kind}/{name}-{arrival.content_sha256[:12]}"


def keep_rows(
    failed: ObjectStore, intake_file: IntakeFile, rows: pl.LazyFrame, origin: InputRows
) -> str | None:
    """Replace the file's quarantine with these rows; where it is, or None where all went well."""
    folder = folder_of(intake_file)
    kept = kept_aside(rows, intake_file.arrival.key).collect()
    others = _rows_of_others(failed, intake_file)
    has_own = not kept.is_empty()
    kept = kept if others is None else pl.concat([others, kept])
    for name in ("rows.parquet", "rows.csv", "source.json", "error.json"):
        failed.delete(f"{folder}/{name}")
    if kept.is_empty():
        return None
    parquet = io.BytesIO()
    kept.write_parquet(parquet)
    shape = {"format": origin.format, "header_line": mask_card_numbers(origin.header_line)}
    failed.replace(f"{folder}/source.json", json.dumps(shape).encode())
    failed.replace(f"{folder}/rows.csv", as_csv(kept))
    failed.replace(f"{folder}/rows.parquet", parquet.getvalue())
    return failed.uri(folder) if has_own else None


def keep_refusal(failed: ObjectStore, intake_file: IntakeFile, sentence: str) -> str:
    """Say beside the quarantined rows of others why this file was refused whole."""
    folder = folder_of(intake_file)
    arrival = intake_file.arrival
    error = {
        "file": arrival.key,
        "kind": str(arrival.kind),
        "program": arrival.program,
        "content_sha256": arrival.content_sha256,
        "error": sentence,
    }
    failed.replace(f"{folder}/error.json", json.dumps(error, indent=2).encode())
    return failed.uri(folder)


def kept_rows(failed: ObjectStore, intake_file: IntakeFile) -> pl.DataFrame | None:
    """The file's quarantined rows, or None where it has none."""
    rows = _rows_in_folder(failed, intake_file)
    own = None if rows is None else rows.filter(source_file=intake_file.arrival.key)
    return None if own is None or own.is_empty() else own


def _rows_of_others(failed: ObjectStore, intake_file: IntakeFile) -> pl.DataFrame | None:
    """Rows of files with the same name and content elsewhere, such as another program's."""
    rows = _rows_in_folder(failed, intake_file)
    return None if rows is None else rows.filter(pl.col("source_file") != intake_file.arrival.key)


def _rows_in_folder(failed: ObjectStore, intake_file: IntakeFile) -> pl.DataFrame | None:
    try:
        content = failed.get(f"{folder_of(intake_file)}/rows.parquet")
    except ObjectMissingError:
        return None
    return pl.read_parquet(io.BytesIO(content))


def shape_of(failed: ObjectStore, intake_file: IntakeFile) -> Shape:
    """How its records become a file again. Raises ObjectMissingError."""
    told = json.loads(failed.get(f"{folder_of(intake_file)}/source.json"))
    return Shape(told["header_line"], is_csv=told["format"] == "csv")


def orphans_of(failed: ObjectStore, intake_file: IntakeFile) -> frozenset[int]:
    """Row numbers that were found to wait for a reference when the file was applied."""
    kept = kept_rows(failed, intake_file)
    if kept is None:
        return frozenset()
    waited = pl.col("reasons").list.contains(str(RowReason.ORPHANED_REFERENCE))
    return frozenset(kept.filter(waited)["row_number"])
