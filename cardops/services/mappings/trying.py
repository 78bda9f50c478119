"""A file tried with a mapping: what would become of its first rows. Nothing is stored.

Belongs here: what `cardops mapping try` shows. Rows are judged by themselves and with what they refer
to; whether they repeat earlier ones is not looked up.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from cardops.contracts.judging.judging import (
    Circumstances,
    JudgedRows,
    judge_rows,
    lake_values,
    referenced_rows,
)
from cardops.contracts.judging.quarantine import MAX_RAW_CHARACTERS, mask_card_number_in_raw
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.mapped import MappedLayout
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError, SourceFile
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.mappings.mapping import STRICT, FileMapping

DEFAULT_ROWS: Final = 100
MAX_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class TriedRow:
    """What would become of one row: its lake values where it is valid, else its reasons."""

    row_number: int
    raw: str
    reasons: Sequence[str]
    flags: Sequence[str]
    values: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of a file's first rows, or the sentence with which it would be refused."""

    rows: Sequence[TriedRow] = ()
    unknown_columns: Sequence[str] = ()
    error: str | None = None

    @property
    def accepted(self) -> int:
        """Rows that are valid by themselves."""
        return sum(not row.reasons for row in self.rows)

    @property
    def reasons(self) -> Mapping[str, int]:
        """Rows by reason; a row counts once under each of its reasons."""
        return Counter(reason for row in self.rows for reason in row.reasons)

    @property
    def flags(self) -> Mapping[str, int]:
        """Valid rows by flag."""
        return Counter(flag for row in self.rows if not row.reasons for flag in row.flags)


@dataclass(frozen=True, slots=True)
class TrialCircumstances:
    """What rows are judged by beside the file: see `FileCircumstances`."""

    currency: str
    now: datetime
    batch_mode: str | None = None
    routes: Mapping[str, str] = field(default_factory=dict)
    referenced: Callable[[pl.Series], pl.DataFrame | None] | None = None


def try_mapping(
    path: Path,
    profile: KindProfile,
    mapping: FileMapping | None,
    circumstances: TrialCircumstances,
    *,
    max_rows: int = DEFAULT_ROWS,
) -> Trial:
    """Read no more than the first rows, as ingesting the file would.

    Whether rows add up together is known only where these are all of them.
    """
    currency = circumstances.currency if profile.program_currency else None
    mapped = None
    if mapping is not None and mapping != STRICT:
        mapped = MappedLayout(profile.contract, mapping, currency)
    try:
        with path.open("rb") as content:
            rows = InputRows(SourceFile(path.name, content), profile.contract, mapped)
            first = _first_rows(rows, max_rows)
    except FileRefusedError as error:
        return Trial(error=str(error))
    fill = [pl.col(name).fill_null(circumstances.currency) for name in profile.program_currency]
    texts = mask_card_number_in_raw(first).with_columns(fill)
    judged = judge_rows(texts, profile, _judged_by(texts, profile, circumstances))
    tried = _tried(judged, profile)
    refusal = None
    if profile.refusal is not None and first.height < max_rows:
        refusal = profile.refusal(_lake_rows(judged, profile).lazy())
    return Trial(tried, rows.unknown_columns, refusal)


def _first_rows(rows: InputRows, max_rows: int) -> pl.DataFrame:
    found: list[pl.DataFrame] = []
    for chunk in rows.chunks():
        found.append(chunk.head(max_rows - sum(part.height for part in found)))
        if sum(part.height for part in found) >= max_rows:
            break
    return pl.concat(found)


def _judged_by(
    texts: pl.DataFrame, profile: KindProfile, circumstances: TrialCircumstances
) -> Circumstances:
    referenced = None
    if profile.reference is not None:
        ids = texts[profile.reference.key].drop_nulls()
        found = circumstances.referenced(ids) if circumstances.referenced else None
        referenced = referenced_rows(found, profile.reference)
    return Circumstances(
        circumstances.now,
        referenced=referenced,
        batch_mode=circumstances.batch_mode,
        routes=circumstances.routes,
    )


def _lake_rows(judged: JudgedRows, profile: KindProfile) -> pl.DataFrame:
    """The valid rows as they would go to the lake."""
    valid = [judged.plain, judged.others.filter(pl.col("reasons").list.len() == 0)]
    return pl.concat([lake_values(part, profile) for part in valid])


def _tried(judged: JudgedRows, profile: KindProfile) -> list[TriedRow]:
    columns = ("row_number", "raw", "reasons", "flags")
    every = pl.concat([judged.plain.select(columns), judged.others.select(columns)])
    valid = _lake_rows(judged, profile)
    values = {row.pop("row_number"): row for row in valid.drop("flags").to_dicts()}
    return [
        TriedRow(
            number, mask_card_numbers(raw[:MAX_RAW_CHARACTERS]), reasons, flags, values.get(number)
        )
        for number, raw, reasons, flags in every.sort("row_number").iter_rows()
    ]
