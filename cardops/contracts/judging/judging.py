"""Rows against their contract: all reasons of each row, its flags, and its cells as typed values.

Belongs here: a row by itself, with the row it refers to joined to it. Comparisons with other rows of
the file and with earlier files are in `versions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import polars as pl

from cardops.contracts.columns.cards import mask_numbers_in_text
from cardops.contracts.columns.parsed import parsed_columns, parsed_instant
from cardops.contracts.columns.times import MAX_AHEAD, is_ahead, is_naive
from cardops.contracts.judging.checks import compiled, plain_rows
from cardops.contracts.kinds.contract import Contract
from cardops.contracts.kinds.profile import Judgement, KindProfile, Reference
from cardops.rules.intake.files import RowFlag, RowReason

CODES: Final = pl.List(pl.String)


@dataclass(frozen=True)
class Circumstances:
    """What a file's rows are judged by, beside themselves.

    `referenced`: see `referenced_rows`. `orphans`: row numbers that stay orphaned whatever has
    arrived since, because they were released into another file.
    """

    now: datetime
    referenced: pl.DataFrame | None = None
    batch_mode: str | None = None
    routes: Mapping[str, str] = field(default_factory=dict)
    orphans: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """A chunk's rows with `reasons`, `flags` and `parsed_columns`.

    Those that are surely valid, without any reason or flag, and the others.
    """

    plain: pl.DataFrame
    others: pl.DataFrame


def judge_rows(
    chunk: pl.DataFrame, profile: KindProfile, circumstances: Circumstances
) -> JudgedRows:
    """The chunk with `reasons` (empty: valid) and `flags`, in the order of their enums.

    Cells are filled from the referenced row. Most rows pass a cheap test and need no other; only the
    rest goes through the exact checks.
    """
    joined = _with_referenced(chunk, profile.reference, circumstances.referenced)
    judgement = profile.judge(joined, circumstances.batch_mode, circumstances.routes)
    contract = profile.contract
    parsed = parsed_columns(contract.amount_currencies, contract.times)
    judgement = replace(judgement, rows=judgement.rows.with_columns(parsed))
    is_plain = judgement.rows.select(_is_plain(profile, judgement, circumstances)).to_series()
    empty = pl.lit([], CODES)
    plain = judgement.rows.filter(is_plain).with_columns(
        empty.alias("reasons"), empty.alias("flags")
    )
    failures = {
        **contract_failures(contract, circumstances.now),
        **_failures_of_parsed_times(contract, circumstances.now),
    }
    return JudgedRows(plain, _judged(judgement, failures, profile, circumstances, ~is_plain))


def _is_plain(profile: KindProfile, judgement: Judgement, circumstances: Circumstances) -> pl.Expr:
    marks = [*judgement.reasons.values(), *judgement.flags.values()]
    if circumstances.orphans:
        marks.append(pl.col("row_number").is_in(list(circumstances.orphans)))
    return pl.all_horizontal(
        pl.col("framing").is_null(),
        plain_rows(profile.contract.model, circumstances.now + MAX_AHEAD),
        *(~mark.fill_null(value=False) for mark in marks),
    )


def judge_exactly(
    judgement: Judgement, profile: KindProfile, circumstances: Circumstances, wanted: pl.Series
) -> pl.DataFrame:
    """The wanted rows with their reasons and flags, by every check of their texts.

    A row that could not be parsed has that reason alone: its cells mean nothing.
    """
    failures = contract_failures(profile.contract, circumstances.now)
    return _judged(judgement, failures, profile, circumstances, wanted)


def _judged(
    judgement: Judgement,
    failures: dict[RowReason, pl.Expr],
    profile: KindProfile,
    circumstances: Circumstances,
    wanted: pl.Series,
) -> pl.DataFrame:
    for reason, failed in judgement.reasons.items():
        failures[reason] = failures.get(reason, pl.lit(value=False)) | failed
    if circumstances.orphans:
        is_orphan = pl.col("row_number").is_in(list(circumstances.orphans))
        orphaned = failures.get(RowReason.ORPHANED_REFERENCE, pl.lit(value=False))
        failures[RowReason.ORPHANED_REFERENCE] = orphaned | is_orphan
    is_parsed = pl.col("framing").is_null()
    reasons = {reason: is_parsed & failed for reason, failed in failures.items()}
    for reason in (RowReason.MALFORMED_ROW, RowReason.BAD_ENCODING):
        reasons[reason] = (pl.col("framing") == str(reason)).fill_null(value=False)
    flags = {
        flag: is_parsed & holds.fill_null(value=False)
        for flag, holds in {**_contract_flags(profile.contract), **judgement.flags}.items()
    }
    marks = [
        expression.alias(_mark(code)) for code, expression in [*reasons.items(), *flags.items()]
    ]
    marked = judgement.rows.filter(wanted).lazy().with_columns(marks).collect()
    return _listed(_listed(marked, RowReason, "reasons"), RowFlag, "flags")


def contract_failures(contract: Contract, now: datetime) -> dict[RowReason, pl.Expr]:
    """Reason -> where the contract's checks fail, `future_timestamp` included."""
    ahead = [
        is_ahead(column, now, is_day_allowed=contract.times[column])
        for column in contract.past_times
    ]
    in_future = {RowReason.FUTURE_TIMESTAMP: pl.any_horizontal(*ahead)} if ahead else {}
    return {**compiled(contract.model), **in_future}


def _failures_of_parsed_times(contract: Contract, now: datetime) -> dict[RowReason, pl.Expr]:
    """The same of times, of rows in which they are parsed already."""
    unread = [
        pl.col(name).is_not_null() & parsed_instant(name).is_null() for name in contract.times
    ]
    ahead = [parsed_instant(name) > pl.lit(now + MAX_AHEAD) for name in contract.past_times]
    failures = {RowReason.INVALID_TIMESTAMP: unread, RowReason.FUTURE_TIMESTAMP: ahead}
    return {
        reason: pl.any_horizontal(*failed).fill_null(value=False)
        for reason, failed in failures.items()
        if failed
    }


def reasons_of(profile: KindProfile, now: datetime) -> tuple[RowReason, ...]:
    """Every reason for which a row of the kind may be quarantined, in the order of the enum."""
    found = {RowReason.MALFORMED_ROW, RowReason.BAD_ENCODING, RowReason.CONFLICTING_DUPLICATE}
    found |= (
        contract_failures(profile.contract, now).keys()
        | _judgement_of_empty_chunk(profile).reasons.keys()
    )
    if profile.applied_to is not None:
        found |= {RowReason.RECALLED_BEFORE, RowReason.AMOUNT_OUT_OF_RANGE}
    return tuple(reason for reason in RowReason if reason in found)


def flags_of(profile: KindProfile) -> tuple[RowFlag, ...]:
    """Every flag that a row of the kind may have, in the order of the enum."""
    found = (
        _contract_flags(profile.contract).keys() | _judgement_of_empty_chunk(profile).flags.keys()
    )
    found |= set(profile.sequence.flags if profile.sequence else ())
    return tuple(flag for flag in RowFlag if flag in found)


def _judgement_of_empty_chunk(profile: KindProfile) -> Judgement:
    """What the kind's own judge adds, found with a chunk without rows."""
    names = ("raw", "framing", *profile.contract.columns)
    chunk = pl.DataFrame(schema={"row_number": pl.Int64(), **dict.fromkeys(names, pl.String())})
    referenced = None
    if profile.reference is not None:
        referenced = referenced_rows(None, profile.reference)
    return profile.judge(_with_referenced(chunk, profile.reference, referenced), None, {})


def lake_values(valid: pl.DataFrame, profile: KindProfile) -> pl.DataFrame:
    """`row_number`, `flags` and the row's own lake columns, typed, of valid judged rows."""
    rows = mask_numbers_in_text(valid, profile.typed_text)
    values = (
        profile.lake_values.get(name, pl.col(name)).cast(profile.lake_table[name]).alias(name)
        for name in profile.row_columns
    )
    return rows.lazy().select("row_number", "flags", *values).collect()


def referenced_rows(versions: pl.DataFrame | None, reference: Reference) -> pl.DataFrame:
    """The latest version of each referenced row, by the reference's key; unknown ids are absent."""
    names = {"is_known": pl.Boolean(), reference.key: pl.String()}
    if versions is None:
        columns = {
            name: pl.Int64() if name.endswith("_minor") else pl.String()
            for name in reference.columns.values()
        }
        return pl.DataFrame(schema={**names, **columns})
    # Latest by its own time of update, else by arrival.
    order = ["updated_at", "intake_id", "row_number"]
    return (
        versions.lazy()
        .select(reference.key, *order, *reference.columns, pl.lit(value=True).alias("is_known"))
        .sort(order, nulls_last=False)
        .unique(reference.key, keep="last")
        .rename(dict(reference.columns))
        .drop(order)
        .collect()
    )


def _with_referenced(
    chunk: pl.DataFrame, reference: Reference | None, referenced: pl.DataFrame | None
) -> pl.DataFrame:
    if reference is None or referenced is None:
        return chunk
    return chunk.join(referenced, on=reference.key, how="left", maintain_order="left").with_columns(
        pl.col("is_known").fill_null(value=False)
    )


def _contract_flags(contract: Contract) -> Mapping[RowFlag, pl.Expr]:
    naive = [is_naive(column) for column in contract.times]
    return {RowFlag.NAIVE_TIMESTAMP: pl.any_horizontal(*naive)} if naive else {}


def _mark(code: str) -> str:
    return f"is {code}"


def _listed(frame: pl.DataFrame, codes: type[RowReason] | type[RowFlag], name: str) -> pl.DataFrame:
    """Marks to one list. Few sets of marks occur, and the list of each is made once."""
    marks = [code for code in codes if _mark(code) in frame.columns]
    rest = frame.drop(map(_mark, marks))
    if not marks:
        return rest.with_columns(pl.lit([], CODES).alias(name))
    bits = (pl.col(_mark(code)).cast(pl.UInt64) * (1 << at) for at, code in enumerate(marks))
    sets = frame.select(pl.sum_horizontal(bits)).to_series()
    distinct = sets.unique().sort()
    lists = pl.Series(
        name,
        [
            [str(code) for at, code in enumerate(marks) if marked >> at & 1]
            for marked in distinct.to_list()
        ],
        dtype=CODES,
    )
    return rest.with_columns(lists.gather(distinct.search_sorted(sets)))
