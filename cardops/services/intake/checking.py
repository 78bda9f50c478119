"""A file checked before it is sent: which importer takes it, what it would become, what is not understood.

Belongs here: what `cardops importers check` says. Nothing is stored, and whether rows repeat those of
earlier files is not looked up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from cardops.contracts.judging.files import FileCircumstances, judge_file, settle_file
from cardops.contracts.judging.uniqueness import outcomes_of
from cardops.contracts.judging.workspace import Workspace, temporary_workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.chargebacks.disputes import stage_of
from cardops.rules.chargebacks.routing import name_key, neutral_names, scheme_of_name
from cardops.rules.intake.files import FileOutcome

SHOWN_ROWS: Final = 10
# A column of free text in the wrong place has a new value in every row.
MAX_VALUES: Final = 100


@dataclass(frozen=True, slots=True)
class UnknownValue:
    """A word that no table knows, in a column of the contract or of a report, and in how many rows."""

    column: str
    value: str
    rows: int


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a file would become. `importer`: whose report it is; None in the contract's own names.

    `rows`: values of the first accepted rows. `outcome.error`: why it would be refused.
    """

    outcome: FileOutcome
    importer: str | None = None
    title: str | None = None
    unknown_columns: Sequence[str] = ()
    unknown_values: Sequence[UnknownValue] = ()
    rows: Sequence[Mapping[str, Any]] = ()


def check_file(path: Path, profile: KindProfile, circumstances: FileCircumstances) -> FileCheck:
    """Judge the whole file by itself."""
    with temporary_workspace() as workspace, path.open("rb") as content:
        try:
            rows = judge_file(content, profile, circumstances, workspace)
        except FileRefusedError as error:
            return FileCheck(FileOutcome(error=str(error)))
        outcomes = outcomes_of(workspace, profile)
        settled = settle_file(workspace, profile, outcomes, circumstances.intake_file)
        accepted = pl.scan_parquet(settled.lake_path).head(SHOWN_ROWS).collect()
        importer = rows.importer
        return FileCheck(
            settled.outcome,
            importer=importer.name if importer else None,
            title=importer.title if importer else None,
            unknown_columns=rows.unknown_columns,
            unknown_values=[
                *_unknown_values(workspace, profile),
                *(
                    UnknownValue(column, mask_card_numbers(word), count)
                    for (column, word), count in sorted(rows.silent_words.items())
                ),
            ][:MAX_VALUES],
            rows=accepted.select("row_number", *profile.row_columns, "flags").to_dicts(),
        )


def _unknown_values(workspace: Workspace, profile: KindProfile) -> Iterator[UnknownValue]:
    if "text" not in workspace.parts:
        return
    texts = workspace.scan("text").filter(pl.col("framing").is_null())
    statuses = _allowed(profile, "status")
    is_known: Mapping[str, Callable[[str], bool]] = {
        "stage": lambda value: stage_of(value) is not None,
        "status": lambda value: value.lower() in statuses,
        "card_network": lambda value: (
            scheme_of_name(value) is not None or name_key(value) in neutral_names()
        ),
    }
    for column, knows in is_known.items():
        if column in profile.contract.columns:
            yield from (value for value in _values(texts, column) if not knows(value.value))
    if "reason_category" in profile.lake_table:
        known = workspace.scan("valid").filter(pl.col("reason_category").is_null())
        yield from _values(known, "reason_code")


def _values(rows: pl.LazyFrame, column: str) -> Iterator[UnknownValue]:
    counts = rows.filter(pl.col(column).is_not_null()).group_by(column).agg(pl.len().alias("rows"))
    found = counts.sort("rows", column, descending=[True, False]).collect()
    return (
        UnknownValue(column, mask_card_numbers(value), count) for value, count in found.iter_rows()
    )


def _allowed(profile: KindProfile, column: str) -> frozenset[str]:
    schema = profile.contract.model.to_schema().columns.get(column)
    checks = schema.checks if schema is not None else []
    return frozenset(
        value
        for check in checks
        if check.name == "isin"
        for value in check.statistics["allowed_values"]
    )
