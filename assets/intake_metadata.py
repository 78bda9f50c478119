"""What a run of an intake asset shows: counts, reasons, ten refused rows, a picture of the last days.

Belongs here: the metadata of every kind. Counts are plain numbers, so that the UI also draws them over
time itself.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.refused_rows_chart import chart_of
from assets.tables import money_metadata, plotted_money, rate_metadata, records_metadata
from cardops.contracts.kinds.profile import KindProfile
from cardops.ports import Lake
from cardops.rules.intake.files import (
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFile,
    total_outcome,
)
from cardops.rules.personal_data import PERSONAL_COLUMNS, mask_personal_data
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.quarantine import first_quarantined

PREVIEW_ROWS: Final = 10
DAYS_SHOWN: Final = 14
# A cell of the table shows the beginning of a longer record.
RAW_CHARACTERS: Final = 300
COUNTS: Final = ("read", "accepted", "duplicate", "quarantined")


def intake_metadata(
    results: Sequence[IngestResult],
    partition: Sequence[IntakeFile],
    profile: KindProfile,
    ports: IntakePorts,
    seconds: float,
) -> dict[str, Any]:
    """Counts, rate, money by currency, reasons, flags, previews, and where the quarantine is.

    `partition` are all files of the partition as they are now: the counts are theirs, and this run's own stand
    beside them, so that a later run of the partition hides nothing of an earlier one.
    """
    outcomes = [result.outcome for result in results]
    run, total = total_outcome(outcomes), _total(partition)
    refused = sum(file.status is FileStatus.REFUSED for file in partition)
    counts = {"files": len(partition), **_counts(total), "refused_files": refused}
    own_refused = len(_errors(results, is_held=False))
    own = {"files": len(results), **_counts(run), "refused_files": own_refused}
    return {
        **counts,
        "this_run_and_all": records_metadata(
            [
                {"rows_of": "this run", **own},
                {"rows_of": "all runs of this partition", **counts},
            ],
            "rows_of",
        ),
        "seconds": round(seconds, 3),
        "rows_per_second": round(run.read / max(seconds, 0.001)),
        "contract_version": profile.contract.version,
        "counts_by_file": records_metadata([_file_counts(result) for result in results], "file"),
        **rate_metadata("quarantined", total.quarantined, total.read),
        "money": money_metadata(total.totals_minor),
        **plotted_money(total.totals_minor, "accepted"),
        "reasons": total.reasons,
        "reasons_table": records_metadata(_reasons(total), "reason"),
        "flags": total.flags,
        "refused": _errors(results, is_held=False),
        "held": _errors(results, is_held=True),
        "kept": {result.intake_file.arrival.key: result.kept for result in results if result.kept},
        "recalled": {
            result.intake_file.arrival.key: str(FileRecalledError(result.intake_file))
            for result in results
            if result.intake_file.status is FileStatus.RECALLED
        },
        "unknown_columns": list(total.unknown_columns),
        "quarantine": [o.quarantine_path for o in outcomes if o.quarantine_path],
        "released": [key for result in results for key in result.released],
        "refused_rows": records_metadata(_refused_rows(results, ports), "row_number"),
        "refused_rows_by_day": dg.MetadataValue.md(_picture(profile, ports)),
        "preview": records_metadata(_preview(results, ports.lake), "row_number"),
    }


def _total(files: Sequence[IntakeFile]) -> FileOutcome:
    """Of the files that count: what a recalled file brought was taken back."""
    applied = (file for file in files if file.status is not FileStatus.RECALLED)
    return total_outcome([file.outcome for file in applied if file.outcome])


def _counts(total: FileOutcome) -> dict[str, int]:
    return {name: getattr(total, name) for name in COUNTS}


def _errors(results: Sequence[IngestResult], *, is_held: bool) -> dict[str, str]:
    """Why files were refused, or why they are held, by key."""
    return {
        result.intake_file.arrival.key: result.outcome.error
        for result in results
        if result.outcome.error and (result.intake_file.status is FileStatus.HELD) is is_held
    }


def _file_counts(result: IngestResult) -> dict[str, object]:
    return {
        "file": result.intake_file.arrival.key,
        **_counts(result.outcome),
        "contract_version": result.outcome.contract_version,
    }


def _reasons(total: FileOutcome) -> list[dict[str, object]]:
    """Rows by reason, most first; a row with several reasons is in each of them."""
    ordered = sorted(total.reasons.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"reason": code, "rows": rows, "of_rows_read": f"{rows / total.read:.2%}"}
        for code, rows in ordered
    ]


def _refused_rows(results: Sequence[IngestResult], ports: IntakePorts) -> list[dict[str, object]]:
    """The first quarantined rows of the run's files; card numbers and personal data in them are masked."""
    rows: list[dict[str, object]] = []
    for result in results:
        if result.outcome.quarantined and len(rows) < PREVIEW_ROWS:
            wanted = PREVIEW_ROWS - len(rows)
            rows += first_quarantined(ports.failed_store, result.intake_file, wanted)
    return [{**row, "raw": mask_personal_data(str(row["raw"]))[:RAW_CHARACTERS]} for row in rows]


def _picture(profile: KindProfile, ports: IntakePorts) -> str:
    """Quarantined rows of the last days by business date, this run's among them."""
    today = ports.clock.now().date()
    first = today - timedelta(days=DAYS_SHOWN - 1)
    counts = {
        day.business_date: day
        for day in ports.intake_ledger.daily_counts(profile.kind, first, today)
    }
    days = [first + timedelta(days=number) for number in range(DAYS_SHOWN)]
    return chart_of([(day, counts.get(day)) for day in days])


def _preview(results: Sequence[IngestResult], lake: Lake) -> list[dict[str, object]]:
    """The first accepted rows, without personal data and the columns that are the same for all of them."""
    files = [result.intake_file for result in results]
    dates = sorted({intake_file.business_date for intake_file in files})
    table = lake.scan(files[0].arrival.kind, dates) if files else None
    if table is None:
        return []
    is_ingested = pl.col("intake_id").is_in([intake_file.intake_id for intake_file in files])
    rows = table.filter(is_ingested).head(PREVIEW_ROWS).collect()
    left_out = {"program", "intake_id", "source_file", "business_date"} | PERSONAL_COLUMNS
    return rows.drop(left_out, strict=False).to_dicts()
