"""What the four intake assets share: their config, which files a run takes, what it reports."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from cardops.ports import Lake
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.intake.files import FileOutcome, IntakeFile, Kind
from cardops.rules.money import format_amount
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.ports import IngestResult, IntakePorts

PREVIEW_ROWS = 10


class IntakeConfig(dg.Config):
    """Which files to take in; none named means all of the partition, as in a backfill."""

    intake_ids: list[int] = []  # noqa: RUF012 - pydantic copies defaults


def ingest_files(
    files: Sequence[IntakeFile], config: IntakeConfig, ports: IntakePorts
) -> list[IngestResult]:
    """Take the files in, in the order in which they were claimed."""
    wanted = set(config.intake_ids) or {file.intake_id for file in files}
    return [ingest_file(intake_id, ports) for intake_id in sorted(wanted)]


def intake_metadata(taken: Sequence[IngestResult], lake: Lake) -> dict[str, Any]:
    """Counts, money by currency, reasons, flags, a preview, and where the quarantine is."""
    outcomes = [file.outcome for file in taken]
    totals = _added(outcomes, "totals_minor")
    return {
        "files": len(taken),
        **{name: _sum(outcomes, name) for name in ("read", "accepted", "duplicate", "quarantined")},
        "money": {currency: format_amount(total, currency) for currency, total in totals.items()},
        "reasons": _added(outcomes, "reasons"),
        "flags": _added(outcomes, "flags"),
        "refused": {
            file.intake_file.arrival.key: file.outcome.error for file in taken if file.outcome.error
        },
        "unknown_columns": sorted({name for o in outcomes for name in o.unknown_columns}),
        "quarantine": [o.quarantine_path for o in outcomes if o.quarantine_path],
        "released": [key for file in taken for key in file.released],
        "preview": dg.MetadataValue.md(_preview(taken, lake)),
    }


def every_row_counted(files: Sequence[IntakeFile]) -> dg.AssetCheckResult:
    """Whether each applied file of the partition says what became of every row it had."""
    applied = [file.outcome for file in files if file.outcome and not file.outcome.error]
    unaccounted = [
        file.arrival.key for file in files if file.outcome and not _adds_up(file.outcome)
    ]
    return dg.AssetCheckResult(
        passed=not unaccounted,
        metadata={
            "files": len(files),
            "read": _sum(applied, "read"),
            "accepted": _sum(applied, "accepted"),
            "unaccounted": unaccounted,
        },
    )


def every_accepted_row_in_lake(files: Sequence[IntakeFile], lake: Lake) -> dg.AssetCheckResult:
    """Whether the lake holds as many rows of each file as were accepted of it."""
    expected = {file.intake_id: file.outcome.accepted for file in files if file.outcome}
    found = _rows_by_file(files, lake)
    missing = {
        str(intake_id): {"accepted": accepted, "in_lake": found.get(intake_id, 0)}
        for intake_id, accepted in expected.items()
        if found.get(intake_id, 0) != accepted
    }
    return dg.AssetCheckResult(
        passed=not missing, metadata={"files": len(expected), "differences": missing}
    )


def _adds_up(outcome: FileOutcome) -> bool:
    return outcome.read == outcome.accepted + outcome.duplicate + outcome.quarantined


def _rows_by_file(files: Sequence[IntakeFile], lake: Lake) -> dict[int, int]:
    if not files:
        return {}
    table = lake.scan(files[0].arrival.kind, sorted({file.business_date for file in files}))
    if table is None:
        return {}
    return dict(table.group_by("intake_id").agg(pl.len()).collect().iter_rows())


def _sum(outcomes: Sequence[FileOutcome], name: str) -> int:
    return sum(getattr(outcome, name) for outcome in outcomes)


def _added(outcomes: Sequence[FileOutcome], name: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(getattr(outcome, name))
    return dict(sorted(counts.items()))


def _preview(taken: Sequence[IngestResult], lake: Lake) -> str:
    if not taken:
        return "No file was taken in."
    kind: Kind = taken[0].intake_file.arrival.kind
    table = lake.scan(kind, sorted({file.intake_file.business_date for file in taken}))
    ids = [file.intake_file.intake_id for file in taken]
    if table is None:
        return "No row was accepted."
    rows = table.filter(pl.col("intake_id").is_in(ids)).head(PREVIEW_ROWS).collect()
    return _markdown(rows.drop("program", "intake_id", "source_file", "business_date"))


def _markdown(rows: pl.DataFrame) -> str:
    lines = [rows.columns, ["---"] * rows.width, *rows.iter_rows()]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return (
        ""
        if value is None
        else mask_card_numbers(str(value)).replace("|", "\\|").replace("\n", " ")
    )
