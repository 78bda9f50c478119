"""One whole file, from its bytes to the rows that are accepted, quarantined or repeated.

Belongs here: what follows from the file and its circumstances alone. Nothing is stored but the
workspace; what the result changes outside is in cardops.services.intake.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from cardops.contracts.judging.judging import (
    Circumstances,
    judge_rows,
    lake_values,
    referenced_rows,
)
from cardops.contracts.judging.lake_rows import NO_TERMS, write_lake_rows
from cardops.contracts.judging.quarantine import ids_like_card_numbers, mask_card_number_in_raw
from cardops.contracts.judging.superseded import SUPERSEDED, keep_latest
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile, Terms
from cardops.contracts.reading.mapped import MappedLayout, for_released_rows
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError, SourceFile
from cardops.rules.intake.arrivals import released_from
from cardops.rules.intake.files import FileOutcome, IntakeFile, RowReason
from cardops.rules.mappings.mapping import FileMapping

_ORPHAN: Final = str(RowReason.ORPHANED_REFERENCE)
# Outcomes of valid rows that are quarantined; each is its row's reason.
_NOT_APPLIED: Final = (
    str(RowReason.CONFLICTING_DUPLICATE),
    str(RowReason.RECALLED_BEFORE),
    str(RowReason.AMOUNT_OUT_OF_RANGE),
)


@dataclass(frozen=True, slots=True)
class FileCircumstances:
    """What a file is judged by, beside its content.

    `currency` is the program's. `referenced` finds the rows that the file's rows refer to, by their
    ids: lake columns, None where there are none. `orphans`: see `Circumstances`. `mapping`: how the
    sender's file differs from the contract, or None.
    """

    intake_file: IntakeFile
    currency: str
    now: datetime
    batch_mode: str | None = None
    routes: Mapping[str, str] = field(default_factory=dict)
    referenced: Callable[[pl.Series], pl.DataFrame | None] | None = None
    orphans: frozenset[int] = frozenset()
    mapping: FileMapping | None = None


@dataclass(frozen=True, slots=True)
class SettledFile:
    """A file whose rows all have an outcome: the file for its lake table, and the counts."""

    lake_path: Path
    outcome: FileOutcome


def judge_file(
    content: BinaryIO, profile: KindProfile, circumstances: FileCircumstances, workspace: Workspace
) -> InputRows:
    """Fill the datasets `valid` (typed) and `quarantined` (with all reasons), in one pass.

    Raises FileRefusedError.
    """
    rows = rows_of(content, profile, circumstances)
    for _ in judge_chunks(rows, profile, circumstances, workspace):
        pass
    return rows


def judge_chunks(
    rows: InputRows, profile: KindProfile, circumstances: FileCircumstances, workspace: Workspace
) -> Iterator[int]:
    """The same, a chunk with each step: yields its number of rows. The caller takes all of them."""
    yield from judge_texts(rows.chunks(), profile, circumstances, workspace)
    if rows.keeps_latest:  # guard: latest-record
        keep_latest(workspace)
    if profile.refusal is not None:
        _refuse_together(workspace, profile.refusal, circumstances.intake_file.arrival.key)


def judge_texts(
    chunks: Iterable[pl.DataFrame],
    profile: KindProfile,
    circumstances: FileCircumstances,
    workspace: Workspace,
) -> Iterator[int]:
    """The same for rows as they were read, of one file or of several.

    Rows that refer to others are spooled as `text` first.
    """
    default = [pl.col(name).fill_null(circumstances.currency) for name in profile.program_currency]
    texts: Iterator[pl.DataFrame] = (
        mask_card_number_in_raw(chunk).with_columns(default) for chunk in chunks
    )
    referenced = None
    if profile.reference is not None:
        # Which ids are referred to is known only after the last row.
        for chunk in texts:
            workspace.add("text", chunk)
        texts = workspace.chunks("text")
        referenced = _referenced(workspace, profile, circumstances)
    judged_by = Circumstances(
        now=circumstances.now,
        referenced=referenced,
        batch_mode=circumstances.batch_mode,
        routes=circumstances.routes,
        orphans=circumstances.orphans,
    )
    for chunk in texts:
        _judge_chunk(chunk, profile, judged_by, workspace)
        yield chunk.height


def rows_of(content: BinaryIO, profile: KindProfile, circumstances: FileCircumstances) -> InputRows:
    """The file's rows, read as its program's mapping says. Raises FileRefusedError."""
    source = SourceFile(circumstances.intake_file.arrival.key, content)
    return InputRows(source, profile.contract, _mapped_layout(profile, circumstances))


def _mapped_layout(profile: KindProfile, circumstances: FileCircumstances) -> MappedLayout | None:
    """How the file is read, where its program has a mapping for the kind."""
    mapping = circumstances.mapping
    if mapping is None:
        return None
    if released_from(circumstances.intake_file.arrival.key) is not None:
        mapping = for_released_rows(mapping)
    currency = circumstances.currency if profile.program_currency else None
    return MappedLayout(profile.contract, mapping, currency)


def _refuse_together(
    workspace: Workspace, refusal: Callable[[pl.LazyFrame], str | None], key: str
) -> None:
    error = refusal(workspace.scan("valid"))
    if error:  # guard: statement-adds-up
        quarantined = workspace.count("quarantined")
        rest = f" {quarantined} row(s) of it are invalid." if quarantined else ""
        raise FileRefusedError(f"{key.rsplit('/', 1)[-1]}: {error}{rest}")


def _judge_chunk(
    chunk: pl.DataFrame, profile: KindProfile, judged_by: Circumstances, workspace: Workspace
) -> None:
    judged = judge_rows(chunk, profile, judged_by)
    is_valid = judged.others["reasons"].list.len() == 0
    valid = lake_values(judged.plain, profile)
    if is_valid.any():
        others = lake_values(judged.others.filter(is_valid), profile)
        valid = pl.concat([valid, others]).sort("row_number")
    workspace.add("valid", valid)
    quarantined = judged.others.filter(~is_valid)
    # One part for each chunk, so that rows quarantined later find theirs.
    ids = ids_like_card_numbers(profile.contract.ids)
    columns = ("row_number", "reasons", "raw", _waits_for(profile), ids)
    workspace.add("quarantined", quarantined.select(*columns))
    if not quarantined.is_empty():
        workspace.add_quarantined_totals(_readable_sums(quarantined, profile))
    workspace.add_raw(chunk.select("row_number", "raw"))
    workspace.count_rows("read", chunk.height)


def _readable_sums(rows: pl.DataFrame, profile: KindProfile) -> pl.DataFrame:
    """`currency` and `minor`: sums of the amounts that can be read, whatever else is wrong."""
    if profile.control_totals is None:
        return pl.DataFrame(schema={"currency": pl.String(), "minor": pl.Int128()})
    amount, currency = (
        profile.lake_values.get(column, pl.col(column)) for column in profile.control_totals
    )
    found = rows.select(currency.alias("currency"), amount.cast(pl.Int128).alias("minor"))
    return found.drop_nulls().group_by("currency").agg(pl.col("minor").sum())


def settle_file(
    workspace: Workspace,
    profile: KindProfile,
    outcomes: pl.DataFrame,
    intake_file: IntakeFile,
    terms: Terms = NO_TERMS,
) -> SettledFile:
    """Write the accepted rows for the lake, quarantine those in conflict, and count all.

    Figures of accepted rows are read from what was written, never from what was merely valid.
    """
    lake_path = write_lake_rows(workspace, profile, outcomes, _origin(intake_file), terms)
    quarantine_conflicts(workspace, outcomes)
    accepted = pl.scan_parquet(lake_path)
    outcome = FileOutcome(
        read=workspace.count("read"),
        accepted=accepted.select(pl.len()).collect().item(),
        duplicate=int((outcomes["outcome"] == "duplicate").sum()) + workspace.count(SUPERSEDED),
        quarantined=workspace.count("quarantined"),
        reasons=_reason_counts(workspace),
        flags=_flag_counts(accepted),
        totals_minor=_control_totals(accepted, profile),
    )
    return SettledFile(lake_path, outcome)


def quarantine_conflicts(workspace: Workspace, outcomes: pl.DataFrame) -> None:
    """Rows whose id was accepted before with other content, or whose deposit was recalled."""
    conflicts = outcomes.filter(pl.col("outcome").is_in(_NOT_APPLIED))
    for index, rows in workspace.with_raw(conflicts.select("row_number", "outcome")):
        more = rows.select(
            "row_number",
            pl.concat_list(pl.col("outcome").cast(pl.String)).alias("reasons"),
            "raw",
            pl.lit(None, pl.String).alias("waits_for"),
            pl.lit([], pl.List(pl.String)).alias("ids"),
        )
        part = workspace.part("quarantined", index)
        workspace.replace_part("quarantined", index, pl.concat([part, more]).sort("row_number"))


def _referenced(
    workspace: Workspace, profile: KindProfile, circumstances: FileCircumstances
) -> pl.DataFrame | None:
    reference = profile.reference
    if reference is None:
        return None
    ids = workspace.scan("text").select(reference.key).drop_nulls().unique().collect().to_series()
    found = circumstances.referenced(ids) if circumstances.referenced else None
    return referenced_rows(found, reference)


def _waits_for(profile: KindProfile) -> pl.Expr:
    """The id whose arrival releases the row; only where nothing else is wrong with it."""
    if profile.reference is None:
        return pl.lit(None, pl.String).alias("waits_for")
    waits = (pl.col("reasons").list.len() == 1) & (pl.col("reasons").list.first() == _ORPHAN)
    return pl.when(waits).then(pl.col(profile.reference.key)).alias("waits_for")


def _origin(intake_file: IntakeFile) -> dict[str, pl.Expr]:
    return {
        "program": pl.lit(intake_file.arrival.program),
        "intake_id": pl.lit(intake_file.intake_id),
        "source_file": pl.lit(intake_file.arrival.key),
        "batch_id": pl.lit(intake_file.batch_id, pl.String),
    }


def _reason_counts(workspace: Workspace) -> dict[str, int]:
    reasons = workspace.scan("quarantined").select(
        pl.col("reasons").list.explode(keep_nulls=False, empty_as_null=False)
    )
    counts = reasons.group_by("reasons").agg(pl.len()).sort("reasons")
    return dict(counts.collect(engine="streaming").iter_rows())


def _flag_counts(rows: pl.LazyFrame) -> dict[str, int]:
    flags = rows.select(pl.col("flags").list.explode(keep_nulls=False, empty_as_null=False))
    return dict(
        flags.group_by("flags").agg(pl.len()).sort("flags").collect(engine="streaming").iter_rows()
    )


def _control_totals(rows: pl.LazyFrame, profile: KindProfile) -> dict[str, int]:
    if profile.control_totals is None:
        return {}
    amount, currency = profile.control_totals
    # The sum of a file may exceed an i64, in which each of its amounts fits.
    sums = rows.group_by(currency).agg(pl.col(amount).cast(pl.Int128).sum()).sort(currency)
    return dict(sums.collect(engine="streaming").iter_rows())
